//! `TrustRoot` objects: read from files and clusters, and written.

mod write;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use trustwright_api::spec::Base64Data;
use trustwright_api::v1alpha1::TrustRoot;
use trustwright_api::{GROUP, names};
use trustwright_mirror::{Mirror, MirrorConfig};
use trustwright_roots::{Remote, Spec, Text, read as read_spec};

pub(super) use write::{Packed, write};

/// What a `TrustRoot` says.
#[derive(Debug)]
pub(super) struct Manifest {
    /// Its spec, as the operator reads it.
    pub(super) spec: Spec,
    /// `status.repository`, a tar.gz in base64, where there is one.
    pub(super) kept: Option<Base64Data>,
}

/// Reads a manifest in YAML or JSON.
pub(super) fn read(bytes: &[u8]) -> anyhow::Result<Manifest> {
    let text = std::str::from_utf8(bytes).context("not text")?;
    of_object(&if text.trim_start().starts_with('{') {
        serde_json::from_str(text).context("not JSON")?
    } else {
        // Without a piece of the text, which may be a line of 700 kB.
        serde_saphyr::from_str(text)
            .map_err(|error| anyhow::anyhow!("not one YAML document: {}", error.without_snippet()))?
    })
}

/// Reads an object: decodes what the operator decodes, and refuses what it refuses.
pub(super) fn of_object(object: &Value) -> anyhow::Result<Manifest> {
    let word = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (word("apiVersion"), word("kind"));
    ensure!(
        version.split('/').next() == Some(GROUP) && kind == TrustRoot::KIND,
        "expected apiVersion {GROUP}/{} and kind {}, got {version:?} and {kind:?}",
        names::V1ALPHA1,
        TrustRoot::KIND,
    );
    let spec = read_spec(object.get("spec")).map_err(|refusal| anyhow::anyhow!(refusal.message))?;
    let kept = object.pointer("/status/repository").and_then(Value::as_str).filter(|text| !text.is_empty());
    Ok(Manifest { spec, kept: kept.map(|text| Base64Data(text.to_owned())) })
}

/// Opens the mirror with what stands in the manifest itself: its references lead to objects of another namespace.
pub(super) fn mirror(remote: &Remote) -> anyhow::Result<Mirror> {
    let ca_bundle_pem =
        remote.ca_bundle.as_ref().map(|text| inline(text, "spec.remote.caBundle")).transpose()?;
    let config = MirrorConfig { ca_bundle_pem, ..MirrorConfig::new(remote.mirror.clone()) };
    Mirror::new(&config).context("spec.remote.mirror cannot be used")
}

/// The text of a field, which has to stand in it.
pub(super) fn inline(text: &Text, field: &str) -> anyhow::Result<String> {
    match text {
        Text::Inline(text) => Ok(text.clone()),
        Text::Entry(entry) => {
            bail!("{field} is read from here only where it has data, and it names {entry}")
        }
    }
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
