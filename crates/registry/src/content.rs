//! The documents that a registry holds (OCI image specification 1.1), as far as verification reads them.

use std::collections::BTreeMap;

use serde::Deserialize;
use trustwright_core::Digest;

/// A pointer to content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the content, as the descriptor claims.
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes, as the descriptor claims.
    pub size: u64,
    /// The type of the artifact, where the content is one's manifest.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// Annotations, unauthenticated unless they are part of content whose digest is.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An image manifest, of the specification or of Docker (schema 2).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    schema_version: Schema2,
    /// The media type, where the document says.
    #[serde(default)]
    pub media_type: Option<String>,
    /// The type of the artifact, where it is one.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, in order.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one refers to.
    #[serde(default)]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An image index, of the specification or of Docker (manifest list).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    schema_version: Schema2,
    /// The media type, where the document says.
    #[serde(default)]
    pub media_type: Option<String>,
    /// The manifests, in order. Those named by a digest of another algorithm than SHA-256 are left out.
    #[serde(deserialize_with = "with_known_digest")]
    pub manifests: Vec<Descriptor>,
    /// Annotations.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The `schemaVersion` of every document that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
struct Schema2;

impl TryFrom<u64> for Schema2 {
    type Error = &'static str;

    fn try_from(version: u64) -> Result<Self, Self::Error> {
        if version == 2 { Ok(Self) } else { Err("schemaVersion is not 2") }
    }
}

fn null_as_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// One strange entry must not hide the others: whoever may push could then hide every signature.
fn with_known_digest<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Descriptor>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Entry {
        Known(Descriptor),
        Other(OtherAlgorithm),
    }
    #[derive(Deserialize)]
    struct OtherAlgorithm {
        digest: String,
    }
    let mut known = Vec::new();
    for entry in Option::<Vec<Entry>>::deserialize(deserializer)?.unwrap_or_default() {
        match entry {
            Entry::Known(descriptor) => known.push(descriptor),
            Entry::Other(other) if !other.digest.starts_with("sha256:") && other.digest.contains(':') => {}
            Entry::Other(_) => return Err(serde::de::Error::custom("invalid descriptor")),
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(digest: &str) -> String {
        format!(r#"{{"mediaType":"m","digest":"{digest}","size":3,"annotations":null}}"#)
    }

    fn sha256() -> String {
        format!("sha256:{}", "0a".repeat(32))
    }

    #[test]
    fn an_index_leaves_out_digests_of_other_algorithms_only() {
        let parse = |digest: &str| {
            let text = format!(
                r#"{{"schemaVersion":2,"manifests":[{},{}]}}"#,
                descriptor(&sha256()),
                descriptor(digest)
            );
            serde_json::from_str::<Index>(&text).map(|index| index.manifests.len())
        };
        assert_eq!(parse(&sha256()).unwrap(), 2);
        assert_eq!(parse(&format!("sha512:{}", "0a".repeat(64))).unwrap(), 1);
        assert!(parse("sha256:00").is_err());
        assert!(parse("nonsense").is_err());
    }

    #[test]
    fn an_index_without_manifests_is_empty_only_where_it_says_so() {
        assert!(
            serde_json::from_str::<Index>(r#"{"schemaVersion":2,"manifests":null}"#)
                .unwrap()
                .manifests
                .is_empty()
        );
        assert!(serde_json::from_str::<Index>(r#"{"schemaVersion":2}"#).is_err());
        assert!(serde_json::from_str::<Index>(r#"{"schemaVersion":1,"manifests":[]}"#).is_err());
    }

    #[test]
    fn a_manifest_keeps_its_layers_in_order_and_knows_sha256_only() {
        let parse = |digest: &str| {
            let layers = [descriptor(&sha256()), descriptor(digest)].join(",");
            let config = descriptor(&sha256());
            let text = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layers}]}}"#);
            serde_json::from_str::<ImageManifest>(&text)
        };
        let other = format!("sha256:{}", "0b".repeat(32));
        assert_eq!(parse(&other).unwrap().layers[1].digest.to_string(), other);
        assert!(parse(&format!("sha512:{}", "0b".repeat(64))).is_err());
    }
}
