//! Why something was not simply allowed: a closed set, used as metric label and for tests.

/// The machine-readable cause of a warning or a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The request was not an `AdmissionReview` that we understand.
    MalformedRequest,
    /// The image field holds no image reference.
    InvalidReference,
    /// The image is named by tag and could not be resolved to a digest.
    NotADigest,
    /// No policy matches the image.
    NoMatchingPolicy,
    /// A static authority says fail.
    StaticFail,
    /// The policy matched cannot be compiled as a whole.
    PolicyNotReady,
    /// An authority of the policy cannot be used.
    AuthorityNotReady,
    /// The repository holds no signature for the digest.
    NoSignatures,
    /// There are signatures, and none verifies.
    NoMatchingSignatures,
    /// The repository holds no attestation for the digest.
    NoAttestations,
    /// There are attestations, and none verifies, or those of a type that is asked for are missing.
    NoMatchingAttestations,
    /// There is an attestation of the type that is asked for, and the policy over its statement refuses it.
    AttestationRefused,
    /// The policy over what the authorities found refuses it.
    PolicyRefused,
    /// A policy could not be evaluated within its limits of time, memory or depth, or broke off.
    EvaluationExhausted,
    /// A trust root that the authority rests on is missing, or nothing of it can be used.
    TrustRootNotReady,
    /// What is there verifies, and somebody else has signed it.
    WrongIdentity,
    /// The signing certificate does not count: nobody trusted vouches for it, or not for that time.
    UntrustedCertificate,
    /// The log entry that is asked for is missing, or of no trusted log, or not proven.
    UntrustedLogEntry,
    /// The timestamp that is asked for is missing, or of no trusted authority.
    UntrustedTimestamp,
    /// Pull secrets cannot be read, or hold something else.
    PullSecretUnusable,
    /// The registry refused our credentials, or wants some.
    RegistryUnauthorized,
    /// The registry could not be reached, or failed.
    RegistryUnavailable,
    /// The registry answered with something that is not what was asked for.
    RegistryInvalid,
    /// The answer was not there in time.
    DeadlineExceeded,
    /// A bug of ours. It denies.
    Internal,
}

impl Reason {
    /// Every reason, for metrics that must exist before they first count.
    pub const ALL: [Self; 25] = [
        Self::MalformedRequest,
        Self::InvalidReference,
        Self::NotADigest,
        Self::NoMatchingPolicy,
        Self::StaticFail,
        Self::PolicyNotReady,
        Self::AuthorityNotReady,
        Self::NoSignatures,
        Self::NoMatchingSignatures,
        Self::NoAttestations,
        Self::NoMatchingAttestations,
        Self::AttestationRefused,
        Self::PolicyRefused,
        Self::EvaluationExhausted,
        Self::TrustRootNotReady,
        Self::WrongIdentity,
        Self::UntrustedCertificate,
        Self::UntrustedLogEntry,
        Self::UntrustedTimestamp,
        Self::PullSecretUnusable,
        Self::RegistryUnauthorized,
        Self::RegistryUnavailable,
        Self::RegistryInvalid,
        Self::DeadlineExceeded,
        Self::Internal,
    ];

    /// The name in metrics and logs, in `snake_case`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed_request",
            Self::InvalidReference => "invalid_reference",
            Self::NotADigest => "not_a_digest",
            Self::NoMatchingPolicy => "no_matching_policy",
            Self::StaticFail => "static_fail",
            Self::PolicyNotReady => "policy_not_ready",
            Self::AuthorityNotReady => "authority_not_ready",
            Self::NoSignatures => "no_signatures",
            Self::NoMatchingSignatures => "no_matching_signatures",
            Self::NoAttestations => "no_attestations",
            Self::NoMatchingAttestations => "no_matching_attestations",
            Self::AttestationRefused => "attestation_refused",
            Self::PolicyRefused => "policy_refused",
            Self::EvaluationExhausted => "evaluation_exhausted",
            Self::TrustRootNotReady => "trust_root_not_ready",
            Self::WrongIdentity => "wrong_identity",
            Self::UntrustedCertificate => "untrusted_certificate",
            Self::UntrustedLogEntry => "untrusted_log_entry",
            Self::UntrustedTimestamp => "untrusted_timestamp",
            Self::PullSecretUnusable => "pull_secret_unusable",
            Self::RegistryUnauthorized => "registry_unauthorized",
            Self::RegistryUnavailable => "registry_unavailable",
            Self::RegistryInvalid => "registry_invalid",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Internal => "internal",
        }
    }
}
