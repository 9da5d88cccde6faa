//! `ClusterImagePolicy.spec.authorities`: who may vouch for an image, and how that is checked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy_body::Policy;
use crate::lenient::null_as_default;

/// Somebody whose signature or attestation satisfies the policy. Exactly one of `key`, `keyless` and `static`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authority {
    /// Name in messages and in the input of `spec.policy`; `authority-<index>` when empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// A public key that must have signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyRef>,
    /// Identities, proven by short-lived certificates, that must have signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyless: Option<KeylessRef>,
    /// A fixed outcome without any verification.
    #[serde(default, rename = "static", skip_serializing_if = "Option::is_none")]
    pub static_: Option<StaticRef>,
    /// Where the signatures are, when not beside the image. At most one entry.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<Source>,
    /// The transparency log that must have recorded the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctlog: Option<TransparencyLog>,
    /// The timestamp authority that must have countersigned the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rfc3161timestamp: Option<Rfc3161Timestamp>,
    /// Attestations that must exist. When given, they are verified instead of image signatures.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub attestations: Vec<Attestation>,
    /// `bundle` for Sigstore bundles; anything else, also nothing, for signatures in tagged images.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub signature_format: String,
}

/// A public key. Exactly one of `data`, `secretRef` and `kms`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// The Secret in the controller's namespace whose only entry is the PEM-encoded key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// The PEM-encoded key itself (`PUBLIC KEY` or `RSA PUBLIC KEY`).
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub data: String,
    /// The key in a key management service: `awskms://`, `azurekms://`, `gcpkms://` or `hashivault://`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub kms: String,
    /// The digest that is signed: `sha224`, `sha256` (the default), `sha384` or `sha512`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub hash_algorithm: String,
}

/// A Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretRef {
    /// Name of the Secret.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Namespace of the Secret; if set, it must be the controller's own.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// Signers that prove who they are with a certificate. Exactly one of `url` and `ca-cert`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeylessRef {
    /// The Fulcio instance, `https://fulcio.sigstore.dev` when neither this nor `ca-cert` is given. It is never
    /// contacted: what is trusted comes from `trustRootRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The identities, any of which may have signed.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<Identity>,
    /// Certificates of authorities, PEM, in place of `url`: they stand for those of the trust root.
    #[serde(default, rename = "ca-cert", skip_serializing_if = "Option::is_none")]
    pub ca_cert: Option<KeyRef>,
    /// Name of the `TrustRoot` with the certificate authorities and certificate logs; the public Sigstore
    /// instance when empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub trust_root_ref: String,
    /// Accepts certificates that no certificate log has recorded. Unsafe with a public certificate authority.
    #[serde(default, rename = "insecureIgnoreSCT", skip_serializing_if = "Option::is_none")]
    pub insecure_ignore_sct: Option<bool>,
}

/// An issuer together with a subject, each given exactly or as a regular expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The OIDC issuer, for example `https://token.actions.githubusercontent.com`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// The subject, for example `user@example.com` or the URL of a workflow.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Regular expression (RE2) found anywhere in the issuer; anchor it with `^` and `$`.
    #[serde(
        default,
        rename = "issuerRegExp",
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub issuer_reg_exp: String,
    /// Regular expression (RE2) found anywhere in the subject; anchor it with `^` and `$`.
    #[serde(
        default,
        rename = "subjectRegExp",
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub subject_reg_exp: String,
}

/// A fixed outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StaticRef {
    /// `pass` or `fail`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// What the user is told on `fail`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Where signatures are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Repository (or bare registry) with the signatures, for example `ghcr.io/example/signatures`; the image's
    /// own when empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub oci: String,
    /// Secrets in the workload's namespace with which to read that repository.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub signature_pull_secrets: Vec<LocalObjectReference>,
    /// Prefix of the tags under which signatures are stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_prefix: Option<String>,
}

/// The name of an object in a namespace known from elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalObjectReference {
    /// Name of the object.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A transparency log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransparencyLog {
    /// URL of the log, for example `https://rekor.sigstore.dev`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Name of the `TrustRoot` with the log's key; the public Sigstore instance when empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub trust_root_ref: String,
}

/// A timestamp authority (RFC 3161).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rfc3161Timestamp {
    /// Name of the `TrustRoot` with the timestamp authority's certificates.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub trust_root_ref: String,
}

/// An attestation that must exist, and what it must say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// Name in messages and in the input of `spec.policy`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Predicate type as a URI, for example `https://slsa.dev/provenance/v1`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub predicate_type: String,
    /// A check of the attestation's statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

/// A digest algorithm that `hashAlgorithm` of a key may name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-224.
    Sha224,
    /// SHA-256, the default.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// Reads a name such as `sha256`, ignoring case and surrounding white space; `None` for any other text,
    /// also for none.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "sha224" => Some(Self::Sha224),
            "sha256" => Some(Self::Sha256),
            "sha384" => Some(Self::Sha384),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Returns the name as manifests spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }
}
