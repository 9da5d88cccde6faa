//! `TrustRoot` objects: read from files and clusters, and written.

mod write;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use trustwright_api::spec::Base64Data;
use trustwright_api::v1alpha1::{Remote, Repository, SigstoreKeys, TrustRoot, TrustRootSpec};
use trustwright_api::{GROUP, names};
use trustwright_mirror::{Mirror, MirrorConfig};
use trustwright_trust::tuf::TRUSTED_ROOT_TARGET;

pub(super) use write::{Packed, write};

/// What a `TrustRoot` holds.
#[derive(Debug)]
pub(super) enum Manifest {
    /// `spec.sigstoreKeys`.
    Keys(SigstoreKeys),
    /// `spec.trustedRoot`: a `trusted_root.json`.
    TrustedRoot(Vec<u8>),
    /// `spec.repository` or `spec.remote`.
    Tuf(Box<Tuf>),
}

/// A TUF repository and the root that it is verified from.
#[derive(Debug)]
pub(super) struct Tuf {
    /// The root that trust starts from.
    pub(super) root: Vec<u8>,
    /// The field that it stands in.
    pub(super) root_field: &'static str,
    /// Name of the target with the trusted root.
    pub(super) target: String,
    /// Whether `spec.onExpiry` takes expired metadata out of force.
    pub(super) rejects_expired: bool,
    /// Where the repository is.
    pub(super) place: Place,
}

/// Where a `TrustRoot` has its repository.
#[derive(Debug)]
pub(super) enum Place {
    /// At `spec.remote.mirror`, and not in the status yet.
    Mirror(Mirror),
    /// In `spec.repository.mirrorFS`, as tar.gz.
    Spec(Vec<u8>),
    /// In `status.repository`, as tar.gz.
    Status(Vec<u8>),
}

/// Reads a manifest in YAML or JSON.
pub(super) fn read(bytes: &[u8]) -> anyhow::Result<Manifest> {
    let text = std::str::from_utf8(bytes).context("not text")?;
    of_object(if text.trim_start().starts_with('{') {
        serde_json::from_str(text).context("not JSON")?
    } else {
        // Without a piece of the text, which may be a line of 700 kB.
        serde_saphyr::from_str(text)
            .map_err(|error| anyhow::anyhow!("not one YAML document: {}", error.without_snippet()))?
    })
}

/// Reads an object.
pub(super) fn of_object(mut object: Value) -> anyhow::Result<Manifest> {
    let word = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (word("apiVersion"), word("kind"));
    ensure!(
        version.split('/').next() == Some(GROUP) && kind == TrustRoot::KIND,
        "expected apiVersion {GROUP}/{} and kind {}, got {version:?} and {kind:?}",
        names::V1ALPHA1,
        TrustRoot::KIND,
    );
    let section =
        |object: &Value, path: &str| object.pointer(path).filter(|section| !section.is_null()).cloned();
    let kept = object.pointer("/status/repository").and_then(Value::as_str).filter(|text| !text.is_empty());
    let new = New {
        trusted_root: section(&object, "/spec/trustedRoot"),
        ca_bundle: section(&object, "/spec/remote/caBundle"),
        kept: kept.map(|text| Base64Data(text.to_owned())),
    };
    let spec = object.get_mut("spec").map(Value::take).unwrap_or_default();
    let spec: Option<TrustRootSpec> = serde_json::from_value(spec).context("spec cannot be decoded")?;
    of_spec(spec.unwrap_or_default(), &new)
}

/// Fields that are newer than the types.
struct New {
    /// `spec.trustedRoot`.
    trusted_root: Option<Value>,
    /// `spec.remote.caBundle`.
    ca_bundle: Option<Value>,
    /// `status.repository`.
    kept: Option<Base64Data>,
}

/// Decodes what the operator decodes, and refuses what it refuses.
fn of_spec(spec: TrustRootSpec, new: &New) -> anyhow::Result<Manifest> {
    let rejects_expired = match spec.on_expiry.as_str() {
        "" | "Keep" => Ok(false),
        "Reject" => Ok(true),
        other => Err(anyhow::anyhow!("spec.onExpiry: unsupported value {other:?}, expected Keep or Reject")),
    };
    match (spec.sigstore_keys, spec.remote, spec.repository, &new.trusted_root) {
        (Some(keys), None, None, None) => Ok(Manifest::Keys(keys)),
        (None, None, None, Some(section)) => {
            Ok(Manifest::TrustedRoot(inline(section, "spec.trustedRoot")?.into_bytes()))
        }
        (None, Some(remote), None, None) => {
            Ok(Manifest::Tuf(Box::new(of_remote(&remote, rejects_expired?, new)?)))
        }
        (None, None, Some(repository), None) => {
            Ok(Manifest::Tuf(Box::new(of_repository(&repository, rejects_expired?)?)))
        }
        _ => {
            bail!("expected exactly one of spec.remote, spec.repository, spec.sigstoreKeys, spec.trustedRoot")
        }
    }
}

fn of_repository(repository: &Repository, rejects_expired: bool) -> anyhow::Result<Tuf> {
    let root_field = "spec.repository.root";
    Ok(Tuf {
        root: bytes(repository.root.as_ref(), root_field)?,
        root_field,
        target: target(&repository.trusted_root_target),
        rejects_expired,
        place: Place::Spec(bytes(repository.mirror_fs.as_ref(), "spec.repository.mirrorFS")?),
    })
}

/// What was verified before is what is in force, so that is what is read where it is there.
fn of_remote(remote: &Remote, rejects_expired: bool, new: &New) -> anyhow::Result<Tuf> {
    let root_field = "spec.remote.root";
    let place = match &new.kept {
        Some(kept) => Place::Status(bytes(Some(kept), "status.repository")?),
        None => Place::Mirror(mirror(remote, new.ca_bundle.as_ref())?),
    };
    Ok(Tuf {
        root: bytes(remote.root.as_ref(), root_field)?,
        root_field,
        target: target(&remote.trusted_root_target),
        rejects_expired,
        place,
    })
}

/// Opens the mirror with what stands in the manifest itself: its references lead to objects of another namespace.
fn mirror(remote: &Remote, ca_bundle: Option<&Value>) -> anyhow::Result<Mirror> {
    let field = "spec.remote.mirror";
    ensure!(!remote.mirror.is_empty(), "missing field(s): {field}");
    let base = remote.mirror.parse().with_context(|| format!("{field}: not a URL"))?;
    let ca_bundle_pem = ca_bundle.map(|section| inline(section, "spec.remote.caBundle")).transpose()?;
    let config = MirrorConfig { ca_bundle_pem, ..MirrorConfig::new(base) };
    Mirror::new(&config).with_context(|| format!("{field} cannot be used"))
}

fn inline(section: &Value, field: &str) -> anyhow::Result<String> {
    let data = section.get("data").and_then(Value::as_str).filter(|text| !text.is_empty());
    let data = data.with_context(|| {
        format!("{field} is read from here only where it has data, not what configMapRef or secretRef name")
    })?;
    Ok(data.to_owned())
}

fn target(name: &str) -> String {
    if name.is_empty() { TRUSTED_ROOT_TARGET.to_owned() } else { name.to_owned() }
}

fn bytes(data: Option<&Base64Data>, path: &str) -> anyhow::Result<Vec<u8>> {
    let data = data.filter(|data| !data.is_empty()).with_context(|| format!("missing field(s): {path}"))?;
    Ok(data.decode(path)?)
}

/// Checks a name as Kubernetes does (RFC 1123 subdomain).
pub(super) fn object_name(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        return Ok(text.to_owned());
    }
    Err("not a name of an object: lower-case letters, digits, - and . only, at most 253 of them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_objects() {
        for (name, good) in [
            ("sigstore", true),
            ("a.b-c.1", true),
            ("1e3", true),
            ("", false),
            ("A", false),
            ("a_b", false),
            ("-a", false),
            ("a-", false),
            ("a..b", false),
            ("a b", false),
        ] {
            assert_eq!(object_name(name).is_ok(), good, "{name:?}");
        }
        assert!(object_name(&"a".repeat(253)).is_ok());
        assert!(object_name(&"a".repeat(254)).is_err());
    }
}
