//! Names that manifests, users and other controllers rely on.

/// The API group of every kind in this crate.
pub const GROUP: &str = "policy.sigstore.dev";

/// The version that is stored, and in which the code works.
pub const V1ALPHA1: &str = "v1alpha1";

/// The second served version of `ClusterImagePolicy`; its structure is that of [`V1ALPHA1`].
pub const V1BETA1: &str = "v1beta1";

/// Namespace label that opts a namespace into image verification (value [`INCLUDE_VALUE`]).
pub const INCLUDE_LABEL: &str = "policy.sigstore.dev/include";

/// The value of [`INCLUDE_LABEL`] that opts in.
pub const INCLUDE_VALUE: &str = "true";

/// Finalizer that the Policy Controller leaves on policies. We set none and remove it when taking over.
pub const CLUSTER_IMAGE_POLICY_FINALIZER: &str = "clusterimagepolicies.policy.sigstore.dev";

/// Finalizer that the Policy Controller leaves on trust roots. We set none and remove it when taking over.
pub const TRUST_ROOT_FINALIZER: &str = "trustroots.policy.sigstore.dev";

/// The Fulcio instance that an authority means when it names no other.
pub const DEFAULT_FULCIO_URL: &str = "https://fulcio.sigstore.dev";

/// The sub-path of targets that a TUF repository has unless told otherwise.
pub const DEFAULT_TARGETS: &str = "targets";

/// The name of the target that holds the trusted root unless told otherwise. Applied when the trust root is
/// read, not written back into the object.
pub const DEFAULT_TRUSTED_ROOT_TARGET: &str = "trusted_root.json";

/// The label of the Leases by which webhook replicas report what they have in force (value [`REPLICA_VALUE`]).
pub const REPLICA_LABEL: &str = "trustwright.dev/replica";

/// The value of [`REPLICA_LABEL`].
pub const REPLICA_VALUE: &str = "webhook";

/// The annotation of these Leases with a digest of everything that is in force in the replica.
pub const IN_FORCE_ANNOTATION: &str = "trustwright.dev/in-force";

/// The annotation of these Leases with what the replica has missed in trust roots within the last minute: see
/// [`Miss`](crate::Miss).
pub const MISSES_ANNOTATION: &str = "trustwright.dev/misses";

/// For how many seconds such a report counts.
pub const REPORT_SECONDS: u64 = 15;
