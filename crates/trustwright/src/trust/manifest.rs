//! `TrustRoot` objects as files.

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use trustwright_api::spec::Base64Data;
use trustwright_api::v1alpha1::{Repository, SigstoreKeys, TrustRoot, TrustRootSpec};
use trustwright_api::{GROUP, names};
use trustwright_trust::tuf::TRUSTED_ROOT_TARGET;

/// What a `TrustRoot` holds.
#[derive(Debug)]
pub(super) enum Manifest {
    /// `spec.sigstoreKeys`.
    Keys(SigstoreKeys),
    /// `spec.repository`, decoded.
    Repository {
        /// The root that trust starts from.
        root: Vec<u8>,
        /// The repository as tar.gz.
        packed: Vec<u8>,
        /// Name of the target with the trusted root.
        target: String,
        /// Whether `spec.onExpiry` takes expired metadata out of force.
        rejects_expired: bool,
    },
}

/// Reads a manifest in YAML or JSON.
pub(super) fn read(bytes: &[u8]) -> anyhow::Result<Manifest> {
    let text = std::str::from_utf8(bytes).context("not text")?;
    let object: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).context("not JSON")?
    } else {
        // Without a piece of the text, which may be a line of 700 kB.
        serde_saphyr::from_str(text)
            .map_err(|error| anyhow::anyhow!("not one YAML document: {}", error.without_snippet()))?
    };
    let word = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (word("apiVersion"), word("kind"));
    ensure!(
        version.split('/').next() == Some(GROUP) && kind == TrustRoot::KIND,
        "expected apiVersion {GROUP}/{} and kind {}, got {version:?} and {kind:?}",
        names::V1ALPHA1,
        TrustRoot::KIND,
    );
    let spec: Option<TrustRootSpec> = serde_json::from_value(object.get("spec").cloned().unwrap_or_default())
        .context("spec cannot be decoded")?;
    of_spec(spec.unwrap_or_default())
}

/// Decodes what the operator decodes, and refuses what it refuses.
fn of_spec(spec: TrustRootSpec) -> anyhow::Result<Manifest> {
    match (spec.sigstore_keys, spec.remote, spec.repository) {
        (Some(keys), None, None) => Ok(Manifest::Keys(keys)),
        (None, None, Some(repository)) => {
            let rejects_expired = match spec.on_expiry.as_str() {
                "" | "Keep" => false,
                "Reject" => true,
                other => bail!("spec.onExpiry: unsupported value {other:?}, expected Keep or Reject"),
            };
            let target = match repository.trusted_root_target.as_str() {
                "" => TRUSTED_ROOT_TARGET,
                target => target,
            };
            Ok(Manifest::Repository {
                root: bytes(repository.root.as_ref(), "spec.repository.root")?,
                packed: bytes(repository.mirror_fs.as_ref(), "spec.repository.mirrorFS")?,
                target: target.to_owned(),
                rejects_expired,
            })
        }
        (None, Some(_), None) => bail!(
            "spec.remote is not read from here: give its mirror's URL as the source, and its root with --root"
        ),
        _ => bail!("expected exactly one of spec.remote, spec.repository, spec.sigstoreKeys"),
    }
}

fn bytes(data: Option<&Base64Data>, path: &str) -> anyhow::Result<Vec<u8>> {
    let data = data.filter(|data| !data.is_empty()).with_context(|| format!("missing field(s): {path}"))?;
    Ok(data.decode(path)?)
}

/// A repository for a manifest.
#[derive(Debug)]
pub(super) struct Packed<'a> {
    /// `metadata.name`.
    pub(super) name: &'a str,
    /// The root that trust starts from.
    pub(super) root: &'a [u8],
    /// The repository as tar.gz.
    pub(super) archive: &'a [u8],
    /// Name of the target with the trusted root.
    pub(super) target: &'a str,
    /// `spec.onExpiry`; empty leaves it out.
    pub(super) on_expiry: &'a str,
}

/// Writes a `TrustRoot` in YAML. The same input gives the same text.
pub(super) fn write(packed: &Packed<'_>) -> anyhow::Result<String> {
    let usual = packed.target == TRUSTED_ROOT_TARGET;
    let spec = TrustRootSpec {
        repository: Some(Repository {
            root: Some(Base64Data::encode(packed.root)),
            mirror_fs: Some(Base64Data::encode(packed.archive)),
            targets: names::DEFAULT_TARGETS.to_owned(),
            trusted_root_target: if usual { String::new() } else { packed.target.to_owned() },
        }),
        on_expiry: packed.on_expiry.to_owned(),
        ..TrustRootSpec::default()
    };
    let mut options = serde_saphyr::SerializerOptions::default();
    // Each value on one line: it is not for reading.
    options.prefer_block_scalars = false;
    let mut text = String::new();
    serde_saphyr::to_fmt_writer_with_options(&mut text, &TrustRoot::new(packed.name, spec), options)
        .context("cannot write the manifest")?;
    Ok(text)
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

    #[test]
    fn what_was_written_is_read_again_whatever_it_is_called() {
        for (name, target, on_expiry) in [("1e3", "trusted_root.json", "Reject"), ("null", "a: #b", "")] {
            let packed = Packed { name, root: b"{}", archive: &vec![0x1f; 512 << 10], target, on_expiry };
            let text = write(&packed).unwrap();
            let object: Value = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(object["metadata"]["name"], name);
            assert_eq!(object["spec"]["repository"]["targets"], "targets");
            let Manifest::Repository { root, packed: bytes, target: read, rejects_expired } =
                super::read(text.as_bytes()).unwrap()
            else {
                panic!("{text}")
            };
            assert_eq!((root.as_slice(), bytes.as_slice()), (packed.root, packed.archive));
            assert_eq!((read.as_str(), rejects_expired), (target, on_expiry == "Reject"));
        }
    }
}
