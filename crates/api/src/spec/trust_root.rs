//! `TrustRoot.spec`: where trusted keys and certificates come from.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::encoded::Base64Data;
use crate::lenient::null_as_default;

/// The shortest [`Remote::refresh_interval`].
pub const SHORTEST_REFRESH_INTERVAL: SignedDuration = SignedDuration::from_secs(10);

/// Where trusted keys and certificates come from. Exactly one of `remote`, `repository`, `sigstoreKeys` and
/// `trustedRoot`.
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
    /// A Sigstore `trusted_root.json`, without TUF: nothing in it expires, and nobody notices when it goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_root: Option<TextSource>,
    /// What becomes of keys whose TUF metadata has expired: `Keep` leaves what was verified in force, `Reject` takes
    /// it out; `Keep` when empty. Only for `remote` and `repository`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub on_expiry: String,
    /// For how long after the expiry `Keep` holds, for example `720h`; without end when empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub max_staleness: String,
}

/// A text: as it is, or the entry of a `ConfigMap` or Secret in the namespace that we run in. Exactly one of `data`,
/// `configMapRef` and `secretRef`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TextSource {
    /// The text itself.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub data: String,
    /// The entry of a `ConfigMap` that holds the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<EntryReference>,
    /// The entry of a Secret that holds the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<EntryReference>,
}

/// One entry of a `ConfigMap` or Secret in the namespace that we run in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntryReference {
    /// Name of the object.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Key of the entry; `ca.crt` for a CA bundle and `trusted_root.json` for a trusted root when empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub key: String,
}

/// What is shown to a mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// A Secret in the namespace that we run in, with `username` and `password`, or with `token`. Its annotation
    /// `trustwright.dev/mirror` must name the mirror's host, with the port unless that is 443.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
}

/// A Secret in the namespace that we run in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretReference {
    /// Name of the Secret.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
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
    /// How often the mirror is asked for changes, for example `10m`, at least `10s`; `10m` when empty. Each wait is up
    /// to a tenth shorter.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub refresh_interval: String,
    /// Certificates in PEM, one of which the mirror's must come from; those of the platform when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<TextSource>,
    /// What is shown to the mirror, over HTTPS only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
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
