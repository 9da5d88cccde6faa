//! The types of `status`, and the rules by which conditions change.

pub mod condition;
pub mod reason;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient::null_as_default;
use crate::spec::Base64Data;

pub use condition::{
    Condition, ConditionStatus, ConditionUpdate, condition, remove_condition, set_condition,
};
pub use reason::{ConditionType, PolicyReason, TrustRootReason};

/// What was observed of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterImagePolicyStatus {
    /// The `metadata.generation` that the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Aspects of the state, one entry per type. `Ready` tells whether the policy is in force as written.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Further remarks of controllers.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What was found of each authority, in the order of the spec.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<AuthorityStatus>,
}

/// What was found of an authority.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityStatus {
    /// Its name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// SHA-256 of the key's `SubjectPublicKeyInfo`, where it has a key: `sha256:` and hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The trust roots that it rests on.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub trust_roots: Vec<UsedTrustRoot>,
    /// Why it cannot vouch for anything, where it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A trust root that an authority rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsedTrustRoot {
    /// Its name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// Whether something of it is in force.
    #[serde(default, deserialize_with = "null_as_default")]
    pub usable: bool,
}

/// What was observed of a trust root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustRootStatus {
    /// The `metadata.generation` that the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Aspects of the state, one entry per type. `Ready` tells whether policies can rest on the trust root.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Further remarks of controllers.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Which part of the spec the keys come from: `remote`, `repository`, `sigstoreKeys` or `trustedRoot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SHA-256 of the trusted keys and certificates, hexadecimal. It changes only when what is trusted does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The keys and certificates found, usable or not.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<TrustedKey>,
    /// The roles of the TUF repository that were verified.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<RoleStatus>,
    /// When the first of these roles ends that refreshing alone does not extend: with `remote`, those but `timestamp`
    /// and `snapshot`, which a mirror signs again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub expires: Option<Time>,
    /// The policies that rest on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<UsedBy>,
    /// When the fingerprint last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_change_time: Option<Time>,
    /// The verified TUF repository of a `remote` source as a gzip-compressed tar archive, base64-encoded. Whoever reads
    /// it verifies it again from the root in the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Base64Data>,
    /// The workloads that depend on the trust root: those with a message first, and no more than 50.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub dependents: Vec<DependentStatus>,
    /// How many workloads depend on the trust root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependent_count: Option<i64>,
}

/// A workload that depends on a trust root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DependentStatus {
    /// `Deployment`, `StatefulSet` or `DaemonSet`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub kind: String,
    /// Its namespace.
    #[serde(default, deserialize_with = "null_as_default")]
    pub namespace: String,
    /// Its name; `*` where the objects of the namespace cannot be listed.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// What is done with it on a change: `restart` or `annotate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The fingerprint of this trust root that it was last told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Time>,
    /// Why it has not been told of more: `Waiting`, `Refused`, `Invalid` or `NotFound`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The policies that rest on a trust root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsedBy {
    /// How many there are.
    #[serde(default, deserialize_with = "null_as_default")]
    pub count: i64,
    /// Their names, no more than 20.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
}

/// A role of a TUF repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleStatus {
    /// Name: `root`, `timestamp`, `snapshot`, `targets`, or that of a delegated role.
    pub role: String,
    /// Version.
    pub version: i64,
    /// When it ends.
    #[schemars(with = "String")]
    pub expires: Time,
}

/// One key or certificate chain of a trust root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedKey {
    /// What it proves: `CertificateAuthority`, `TransparencyLog`, `CTLog` or `TimestampAuthority`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub kind: TrustedKeyKind,
    /// URL of the authority or log.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Log ID, or SHA-256 of the certificate, hexadecimal.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Key type and size, for example `ECDSA P-256`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub algorithm: String,
    /// Since when it is trusted (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub not_before: Option<Time>,
    /// Until when it is trusted (RFC 3339); without end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub not_after: Option<Time>,
    /// Whether verification can use it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub usable: bool,
    /// Why it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a trusted key proves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TrustedKeyKind {
    /// Issues signing certificates (Fulcio).
    CertificateAuthority,
    /// Records signatures (Rekor).
    TransparencyLog,
    /// Records certificates.
    #[serde(rename = "CTLog")]
    CtLog,
    /// Countersigns times (RFC 3161).
    TimestampAuthority,
    /// Written by a version that knows more kinds than this one.
    #[default]
    #[serde(other)]
    Unknown,
}

impl JsonSchema for TrustedKeyKind {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TrustedKeyKind".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}
