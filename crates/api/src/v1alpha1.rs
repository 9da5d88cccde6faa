//! `policy.sigstore.dev/v1alpha1`: the stored version, and the one that the code works in.

pub use crate::spec::authority::*;
pub use crate::spec::cluster_image_policy::*;
pub use crate::spec::policy_body::*;
pub use crate::spec::trust_root::*;
pub use crate::status::*;

use crate::kind::root_kind;

root_kind!(
    /// Which signatures and attestations images must carry.
    ClusterImagePolicy,
    "policy.sigstore.dev/v1alpha1",
    "clusterimagepolicies",
    ClusterImagePolicySpec,
    ClusterImagePolicyStatus
);

root_kind!(
    /// Where the keys and certificates come from that policies trust.
    TrustRoot,
    "policy.sigstore.dev/v1alpha1",
    "trustroots",
    TrustRootSpec,
    TrustRootStatus
);
