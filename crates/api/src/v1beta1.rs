//! `policy.sigstore.dev/v1beta1`: `ClusterImagePolicy` only, with the structure of v1alpha1.

pub use crate::spec::authority::*;
pub use crate::spec::cluster_image_policy::*;
pub use crate::spec::policy_body::*;
pub use crate::status::{ClusterImagePolicyStatus, Condition, ConditionStatus};

use crate::kind::root_kind;
use crate::v1alpha1;

root_kind!(
    /// Which signatures and attestations images must carry.
    ClusterImagePolicy,
    "policy.sigstore.dev/v1beta1",
    "clusterimagepolicies",
    ClusterImagePolicySpec,
    ClusterImagePolicyStatus
);

impl From<ClusterImagePolicy> for v1alpha1::ClusterImagePolicy {
    fn from(policy: ClusterImagePolicy) -> Self {
        Self { metadata: policy.metadata, spec: policy.spec, status: policy.status }
    }
}

impl From<v1alpha1::ClusterImagePolicy> for ClusterImagePolicy {
    fn from(policy: v1alpha1::ClusterImagePolicy) -> Self {
        Self { metadata: policy.metadata, spec: policy.spec, status: policy.status }
    }
}
