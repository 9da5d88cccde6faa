//! `ClusterImagePolicy.spec`: which images, which workloads, which authorities.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::authority::Authority;
use super::policy_body::Policy;
use crate::lenient::null_as_default;

/// Which images the policy covers and what it demands of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterImagePolicySpec {
    /// Patterns of image references that the policy covers. An image is covered when any of them matches.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImagePattern>,
    /// Who may vouch for the image. One authority that is satisfied is enough.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<Authority>,
    /// A further check over all that the authorities found. It runs once at least one authority is satisfied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// What an unsatisfied policy does: `enforce` (the default) denies the workload, `warn` admits it with a
    /// warning.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub mode: String,
    /// Limits the policy to kinds of workload and their labels. The entries are alternatives; without any, the
    /// policy covers every workload.
    #[serde(
        default,
        rename = "match",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub match_resources: Vec<MatchResource>,
}

/// One pattern of image references.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImagePattern {
    /// Pattern over the fully qualified reference, for example `ghcr.io/example/**`. `*` stands for any
    /// characters but `/`, `**` for any characters.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub glob: String,
}

/// One kind of workload, optionally with labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MatchResource {
    /// API group of the workload, for example `apps`; empty for core kinds.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// API version of the workload, for example `v1`, or `*` for any.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Resource name of the workload in plural, for example `deployments`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub resource: String,
    /// Labels that the workload object itself (not its pod template) must carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}
