//! The library's errors as our refusals. Their texts are left behind: they quote what nobody has verified.

use sigstore_verify::{Error, TimestampError, TransparencyLogError, bundle::Error as BundleError};

use crate::{
    CertificateProblem, EntryProblem, KeyAlgorithm, Refusal, Request, Signature, TimestampProblem,
    evidence::Content,
};

/// What was being verified.
pub(super) struct Context<'a> {
    pub(super) signature: &'a Signature,
    pub(super) request: &'a Request<'a>,
    /// The signer's key, which has been read.
    pub(super) algorithm: KeyAlgorithm,
}

impl Context<'_> {
    /// Says in our words why the library refuses. Its enums grow; what they do not have today is unreadable.
    pub(super) fn explain(&self, error: &Error) -> Refusal {
        match error {
            Error::SignatureInvalid(_) => Refusal::Signature,
            Error::ArtifactMismatch(_) => self.mismatch(),
            Error::UnsupportedArtifact(_) => Refusal::NeedsMessage(self.algorithm.as_str()),
            // The library has no code for this curve, and says of the certificate that it cannot be read.
            Error::Certificate(_) if self.algorithm == KeyAlgorithm::EcdsaP521 => {
                Refusal::KeyKind(self.algorithm.as_str())
            }
            Error::Certificate(_) => CertificateProblem::Malformed.into(),
            Error::TransparencyLog(error) => entry(error).into(),
            Error::Timestamp(error) => timestamp(error),
            Error::Bundle(error) => structure(self.signature, error),
            Error::UnsupportedBundle(_) => EntryProblem::Mismatch.into(),
            Error::Crypto(_) => Refusal::KeyKind(self.algorithm.as_str()),
            Error::InvalidBundle(_) => self.unreadable("not consistent"),
            _ => self.unreadable("unsupported content"),
        }
    }

    /// The digest of the artifact is not in the statement, in the message signature, or in the log entry.
    fn mismatch(&self) -> Refusal {
        let expected = self.request.artifact.digest();
        match self.signature.content() {
            // Nothing that it says is quoted: nobody has vouched for the certificate yet.
            Content::Typed { .. } if !self.signature.content().names(&expected) => {
                Refusal::Subject { actual: Vec::new(), expected }
            }
            Content::Plain { .. } if self.signature.content().states_another(&self.request.artifact) => {
                Refusal::MessageDigest
            }
            Content::Typed { .. } | Content::Plain { .. } | Content::Simple { .. } => {
                EntryProblem::Mismatch.into()
            }
        }
    }

    fn unreadable(&self, cause: &str) -> Refusal {
        unreadable(self.signature, cause)
    }
}

/// Says why a bundle is not what its version demands.
pub(super) fn structure(signature: &Signature, error: &BundleError) -> Refusal {
    match error {
        BundleError::MissingInclusionPromise(_) | BundleError::MissingInclusionProof(_) => {
            Refusal::UnprovenEntry { position: 1 }
        }
        BundleError::MissingCheckpoint | BundleError::CheckpointRootMismatch => {
            EntryProblem::Checkpoint.into()
        }
        BundleError::LogIndexOutOfRange { .. } => EntryProblem::Inclusion.into(),
        BundleError::MissingSigningTimeEvidence | BundleError::MissingTimestamp => Refusal::NoTime,
        _ => unreadable(signature, "not what its media type says"),
    }
}

fn unreadable(signature: &Signature, cause: &str) -> Refusal {
    Refusal::Unreadable(signature.form(), cause.into())
}

fn entry(error: &TransparencyLogError) -> EntryProblem {
    match error {
        TransparencyLogError::InclusionProof(_) => EntryProblem::Inclusion,
        TransparencyLogError::Checkpoint(_) => EntryProblem::Checkpoint,
        TransparencyLogError::InclusionPromise(_) | TransparencyLogError::UnknownLog { .. } => {
            EntryProblem::Promise
        }
        TransparencyLogError::EntryMismatch(_) => EntryProblem::Mismatch,
        TransparencyLogError::IntegratedTime(_) => EntryProblem::IntegratedTime,
        _ => EntryProblem::Malformed,
    }
}

fn timestamp(error: &TimestampError) -> Refusal {
    match error {
        TimestampError::OutsideAuthorityValidity { time } => {
            TimestampProblem::OutsideAuthorityValidity { at: *time }.into()
        }
        TimestampError::NoVerifiedTimestamp(_) => Refusal::NoTime,
        _ => TimestampProblem::Untrusted.into(),
    }
}
