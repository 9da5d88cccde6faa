//! Why a key cannot be used.

use jiff::Timestamp;

use crate::key::KeyAlgorithm;
use crate::log_id::LogId;

/// Why one entry of a trust source is left out of the material.
///
/// The enum is closed: every variant is reached by a test that has an accepted neighbour. Positions count from 1,
/// starting at the first certificate of the chain. An expired certificate or an ended window is no problem:
/// signatures made while it ran must still verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// The last certificate of a timestamp authority's chain is neither an authority nor self-issued.
    #[error("the chain ends in a signing certificate whose issuer is missing")]
    ChainIncomplete,
    /// A certificate was not signed by the one that follows it.
    #[error("certificate {position} of the chain is not signed by the one after it")]
    ChainUnlinked {
        /// Position of the signed certificate.
        position: usize,
    },
    /// Another entry of the same kind has this log ID.
    #[error("another log of the same kind has the log ID {log_id}")]
    DuplicateLogId {
        /// The ID in question.
        log_id: LogId,
    },
    /// The window ends before it starts.
    #[error("the validity window ends at {end}, before it starts at {start}")]
    InvertedWindow {
        /// First instant of the window.
        start: Timestamp,
        /// Last instant of the window.
        end: Timestamp,
    },
    /// The key is longer than the verifier takes.
    #[error("the key has {bits} bits, more than {maximum}")]
    KeyTooLarge {
        /// Size of the modulus.
        bits: u32,
        /// Largest size that the verifier takes.
        maximum: u32,
    },
    /// The key is too short to be trusted.
    #[error("the key has {bits} bits, fewer than {minimum}")]
    KeyTooSmall {
        /// Size of the modulus.
        bits: u32,
        /// Smallest size that is trusted.
        minimum: u32,
    },
    /// The entry of a `trusted_root.json` does not have the specified shape.
    #[error("the entry is malformed: {detail}")]
    MalformedEntry {
        /// What was found, for people; nothing may depend on it.
        detail: String,
    },
    /// The key is not the DER of a public key, or its point is not an uncompressed one of the curve's size.
    #[error("the public key does not decode")]
    MalformedKey,
    /// The log ID is not a SHA-256.
    #[error("the log ID has {length} bytes, expected 32")]
    MalformedLogId {
        /// Length found, in bytes.
        length: usize,
    },
    /// A PEM block is cut off, or its content is not base64.
    #[error("a PEM block is cut off or does not decode")]
    MalformedPem,
    /// The log's ID depends on its origin, and the base URL names no host.
    #[error("the base URL names no host, which an Ed25519 log's ID is computed over")]
    MissingOrigin,
    /// There is a validity window, and it has no start (`TimeRange` of protobuf-specs requires one).
    #[error("the validity window has no start")]
    MissingWindowStart,
    /// There is no PEM block, or the chain is empty.
    #[error("no PEM block found")]
    NoPemBlock,
    /// The certificate does not decode.
    #[error("entry {position} of the chain is not a certificate")]
    NotACertificate {
        /// Position of the entry.
        position: usize,
    },
    /// A certificate may not issue others, where the chain needs it to.
    #[error("certificate {position} of the chain is not an authority's")]
    NotAnAuthority {
        /// Position of the certificate.
        position: usize,
    },
    /// The verifier does not take the entry, for a reason of its own.
    #[error("the verifier refuses the entry: {detail}")]
    RefusedByVerifier {
        /// What the verifier said, for people; nothing may depend on it.
        detail: String,
    },
    /// The verifier cannot use a key of this algorithm here.
    #[error("the verifier cannot use the key algorithm {algorithm} here")]
    UnsupportedKeyAlgorithm {
        /// The algorithm found.
        algorithm: KeyAlgorithm,
    },
    /// A signature within the chain cannot be checked.
    #[error("certificate {position} is signed with the unsupported algorithm {oid}")]
    UnsupportedSignatureAlgorithm {
        /// Position of the signed certificate.
        position: usize,
        /// Object identifier of the signature algorithm, dotted.
        oid: String,
    },
    /// A PEM block of another type, such as a private key.
    #[error("found a PEM block of type {found}, expected {expected}")]
    WrongPemType {
        /// Type that belongs here.
        expected: &'static str,
        /// Type found.
        found: String,
    },
}

impl KeyProblem {
    /// Returns the variant's name, for conditions and metric labels.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ChainIncomplete => "ChainIncomplete",
            Self::ChainUnlinked { .. } => "ChainUnlinked",
            Self::DuplicateLogId { .. } => "DuplicateLogId",
            Self::InvertedWindow { .. } => "InvertedWindow",
            Self::KeyTooLarge { .. } => "KeyTooLarge",
            Self::KeyTooSmall { .. } => "KeyTooSmall",
            Self::MalformedEntry { .. } => "MalformedEntry",
            Self::MalformedKey => "MalformedKey",
            Self::MalformedLogId { .. } => "MalformedLogId",
            Self::MalformedPem => "MalformedPem",
            Self::MissingOrigin => "MissingOrigin",
            Self::MissingWindowStart => "MissingWindowStart",
            Self::NoPemBlock => "NoPemBlock",
            Self::NotACertificate { .. } => "NotACertificate",
            Self::NotAnAuthority { .. } => "NotAnAuthority",
            Self::RefusedByVerifier { .. } => "RefusedByVerifier",
            Self::UnsupportedKeyAlgorithm { .. } => "UnsupportedKeyAlgorithm",
            Self::UnsupportedSignatureAlgorithm { .. } => "UnsupportedSignatureAlgorithm",
            Self::WrongPemType { .. } => "WrongPemType",
        }
    }
}
