//! `trustwright trust pack`: a repository as a `TrustRoot` that needs no network.

use anyhow::{Context as _, bail, ensure};
use trustwright_trust::tuf::{Archive, Expiry};

use super::check::{GivenRoot, of_packed};
use super::manifest::{self, Packed};
use super::source::{self, Source};
use super::{OnExpiry, Pack, check, print, remark};

/// Most bytes of a packed repository: with base64 and everything else, an object of Kubernetes must hold it.
const MAX_PACKED: u64 = 512 << 10;
/// Most bytes of all annotations of an object. `kubectl apply` puts the whole manifest into one.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// Verifies the repository and prints the manifest.
pub(super) async fn run(pack: &Pack) -> anyhow::Result<()> {
    let (origin, source) = source::open(&pack.input.source).await?;
    let Source::Repository(files) = source else {
        bail!("{origin} is a TrustRoot already: pack the repository that it was made from");
    };
    let root = GivenRoot::read(&pack.root)?;
    let expiry = if pack.allow_expired { Expiry::Keep } else { Expiry::Enforce };
    let checked = check::of_repository(origin, &files, &pack.input.terms, Some(&root), expiry).await?;
    remark(&checked);
    checked.usable()?;
    let verified = checked.verified.as_ref().context("a repository was verified")?;
    if !verified.expired.is_empty() {
        let expired = verified.expired.join(", ");
        ensure!(
            pack.on_expiry != Some(OnExpiry::Reject),
            "{}: {expired} expired, and the operator would take nothing from it with --on-expiry Reject",
            checked.origin,
        );
        eprintln!("trustwright: {expired} expired; packed all the same, as --allow-expired says");
    }
    let packed = bounded(&verified.archive)?;
    let target = pack.input.terms.target();
    // What is handed out is what the operator will accept, and not merely what we meant to write.
    let again = of_packed(&root.bytes, &packed, target, checked.now).context("the packed repository")?;
    ensure!(again == *verified, "the packed repository differs from {}", checked.origin);
    let manifest = manifest::write(&Packed {
        name: &pack.name,
        root: &root.bytes,
        archive: &packed,
        target,
        on_expiry: match pack.on_expiry {
            None => "",
            Some(OnExpiry::Keep) => "Keep",
            Some(OnExpiry::Reject) => "Reject",
        },
    })?;
    print(&manifest)?;
    eprintln!("trustwright: {}", advice(packed.len(), manifest.len()));
    Ok(())
}

/// Packs a repository for an object.
fn bounded(archive: &Archive) -> anyhow::Result<Vec<u8>> {
    archive.pack(MAX_PACKED).context("the repository does not fit into a TrustRoot; use spec.remote")
}

/// Says how large the manifest is, and how it must be applied.
fn advice(packed: usize, manifest: usize) -> String {
    let sizes = format!("the repository packs to {packed} bytes, the manifest has {manifest}");
    if manifest > MAX_ANNOTATIONS {
        return format!(
            "{sizes}: too large for the annotation of kubectl apply, so use kubectl apply --server-side"
        );
    }
    format!("{sizes}; use kubectl apply")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that do not get smaller.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let step = |state: &mut u64| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        (0..len).map(|_| step(&mut state)).collect()
    }

    #[test]
    fn what_no_object_holds_is_refused() {
        let of = |len| bounded(&Archive::from_iter([("targets/a", noise(len))]));
        assert!(of(500 << 10).unwrap().len() > 500 << 10);
        let error = format!("{:#}", of(513 << 10).unwrap_err());
        assert!(error.contains("of which at most 524288 are allowed"), "{error}");
    }

    #[test]
    fn a_large_manifest_is_applied_by_the_server() {
        assert!(!advice(19_000, MAX_ANNOTATIONS).contains("--server-side"));
        assert!(advice(200_000, MAX_ANNOTATIONS + 1).contains("kubectl apply --server-side"));
    }
}
