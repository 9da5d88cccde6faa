//! `TrustRoot.spec`: where trusted keys and certificates come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::encoded::Base64Data;
use crate::lenient::null_as_default;

/// Where trusted keys and certificates come from. Exactly one of `remote`, `repository` and `sigstoreKeys`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustRootSpec {
    /// A TUF repository that is read over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
    /// A TUF repository that is part of this object, for clusters without network access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Repository>,
    /// Keys and certificates written out, without TUF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigstore_keys: Option<SigstoreKeys>,
    /// What becomes of keys whose TUF metadata has expired: `Keep` leaves what was verified in force, `Reject` takes
    /// it out; `Keep` when empty. Only for `repository`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub on_expiry: String,
}

/// A TUF repository that is read over the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Remote {
    /// The `root.json` that trust starts from, base64-encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Base64Data>,
    /// URL of the repository, for example `https://tuf-repo-cdn.sigstore.dev`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub mirror: String,
    /// Path of the targets below the repository; `targets` when empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub targets: String,
    /// Name of the target with the trusted root; `trusted_root.json` when empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub trusted_root_target: String,
}

/// A whole TUF repository inside the object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    /// The `root.json` that trust starts from, base64-encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Base64Data>,
    /// The repository (metadata and targets) as a gzip-compressed tar archive, base64-encoded. It must be
    /// replaced before its metadata expires.
    #[serde(default, rename = "mirrorFS", skip_serializing_if = "Option::is_none")]
    pub mirror_fs: Option<Base64Data>,
    /// Path of the targets inside the archive; `targets` when empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub targets: String,
    /// Name of the target with the trusted root; `trusted_root.json` when empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub trusted_root_target: String,
}

/// Keys and certificates of a Sigstore deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigstoreKeys {
    /// Certificate authorities that issue signing certificates (Fulcio).
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub certificate_authorities: Vec<CertificateAuthority>,
    /// Transparency logs (Rekor).
    #[serde(
        default,
        rename = "tLogs",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub t_logs: Vec<LogInstance>,
    /// Certificate transparency logs.
    #[serde(
        default,
        rename = "ctLogs",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub ct_logs: Vec<LogInstance>,
    /// Timestamp authorities (RFC 3161).
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub timestamp_authorities: Vec<CertificateAuthority>,
}

/// A certificate or timestamp authority.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateAuthority {
    /// Subject of the root certificate. It is recorded, not compared.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "DistinguishedName::is_empty"
    )]
    pub subject: DistinguishedName,
    /// URL of the authority. It is recorded, not contacted.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// The certificate chain as PEM, root last, base64-encoded as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_chain: Option<Base64Data>,
}

/// Parts of an X.509 name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DistinguishedName {
    /// Organization, for example `sigstore.dev`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub organization: String,
    /// Common name, for example `sigstore`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub common_name: String,
}

impl DistinguishedName {
    fn is_empty(&self) -> bool {
        self.organization.is_empty() && self.common_name.is_empty()
    }
}

/// A transparency log of either kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogInstance {
    /// URL of the log, for example `https://rekor.sigstore.dev`.
    #[serde(
        default,
        rename = "baseURL",
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub base_url: String,
    /// Digest of the log's Merkle tree, for example `sha-256`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub hash_algorithm: String,
    /// The log's public key as PEM, base64-encoded as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Base64Data>,
}
