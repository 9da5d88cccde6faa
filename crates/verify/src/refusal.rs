//! Why a piece of evidence does not count.

use jiff::Timestamp;
use trustwright_core::Digest;

use crate::Form;

/// Why a piece of evidence does not count.
///
/// The text is the field's own where it has one. What nobody trusted has signed is never quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are no signature at all.
    #[error("{form} signature cannot be read: {cause}", form = .0.as_str(), cause = .1)]
    Unreadable(Form, String),
    /// A DSSE envelope with more signatures than one, or with none: nothing says which of them the certificate, the
    /// log entry and the timestamp vouch for.
    #[error("a DSSE envelope must have one signature, this has {0}")]
    SignatureCount(usize),
    /// More log entries or timestamps than are looked at.
    #[error("more than {limit} log entries or timestamps in one bundle")]
    TooMany {
        /// How many there may be of each.
        limit: usize,
    },
    /// The log entry is of a type that is not verified.
    #[error("log entries of type {} are not verified", .0.as_str())]
    EntryType(UnsupportedEntry),
    /// The signature is not this key's.
    #[error("invalid signature when validating ASN.1 encoded signature")]
    Signature,
    /// The bundle's signature is not this Ed25519 key's, or it is and is Ed25519ph.
    #[error(
        "failed to verify signature: not plain Ed25519 by this key (Ed25519ph, as cosign signs bundles, is not verified)"
    )]
    NotPlainEd25519,
    /// The signature is good, and is over something that is not what was asked for.
    #[error("signed payload is of type {0:?}, which is no image signature")]
    PayloadType(String),
    /// The signature is good, and is over a payload that is no in-toto statement.
    #[error("invalid payloadType {0} on envelope. Expected application/vnd.in-toto+json")]
    EnvelopeType(String),
    /// The signature is good and is no attestation: it is over a simple-signing payload or the artifact itself.
    #[error("a signature, where an attestation was asked for")]
    NoStatement,
    /// The signature is good, and speaks of another image.
    #[error("invalid or missing digest in claim: {actual}")]
    Claim {
        /// What the payload names.
        actual: String,
        /// The image that was asked for.
        expected: Digest,
    },
    /// The statement is good, and none of its subjects is the image.
    #[error("no matching subject digest found")]
    Subject {
        /// The first subjects' SHA-256 digests.
        actual: Vec<String>,
        /// The image that was asked for.
        expected: Digest,
    },
    /// The bundle states the digest of something else than what it was found for.
    #[error("message digest in bundle is not that of the artifact")]
    MessageDigest,
    /// The bundle signs a digest that this key's kind cannot be checked against.
    #[error(
        "a message signature of a {0} key needs the signed bytes, and the registry has their digest only"
    )]
    NeedsMessage(&'static str),
    /// The key is of a kind, or combined with a hash or padding, with which log entries are not verified.
    #[error("log entries are not verified for a {0} key with this hash or padding")]
    KeyKind(&'static str),
    /// Signed with a key, where a certificate was asked for.
    #[error("no certificate found on signature")]
    NoCertificate,
    /// The signing certificate does not count.
    #[error("cert verification failed: {0}")]
    Certificate(#[from] CertificateProblem),
    /// The certificate's embedded SCTs do not count.
    #[error(transparent)]
    Sct(#[from] SctProblem),
    /// None of the identities that are accepted has signed.
    #[error(
        "none of the expected identities matched what was in the certificate, got subjects [{}] with issuer {issuer}",
        subjects.join(", ")
    )]
    Identity {
        /// Who has signed.
        subjects: Vec<String>,
        /// Whom their issuer is; empty where the certificate names none.
        issuer: String,
        /// Who was expected.
        expected: Vec<String>,
    },
    /// A log entry was asked for and there is none.
    #[error("signature not found in transparency log")]
    NoLogEntry,
    /// A log entry without an inclusion proof; from a file, one with neither proof nor promise.
    #[error("log entry {position} has no inclusion proof")]
    UnprovenEntry {
        /// Which entry of the bundle, from 1.
        position: usize,
    },
    /// The log is not among those that are trusted.
    #[error("log {log} is not in the trust root")]
    UnknownLog {
        /// The log's ID in hexadecimal; of a checkpoint only the first four bytes.
        log: String,
    },
    /// The log is trusted and its entry does not count.
    #[error("error verifying bundle: {0}")]
    LogEntry(#[from] EntryProblem),
    /// A timestamp does not count.
    #[error("unable to verify RFC3161 timestamp bundle: {0}")]
    Timestamp(#[from] TimestampProblem),
    /// A timestamp of a timestamp authority was asked for and there is none.
    #[error("no RFC3161 timestamp found on signature")]
    NoTimestamp,
    /// Neither a log nor a timestamp authority says when it was signed.
    #[error("expected a signed timestamp to verify an expired certificate")]
    NoTime,
}

impl Refusal {
    /// What was found and what was expected, in a sentence of our own, where the field's text leaves that open.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Identity { subjects, issuer, expected } => Some(format!(
                "signed by subject {} of issuer {}, expected {}",
                or_none(&subjects.join(", ")),
                or_none(issuer),
                or_none(&expected.join(" or ")),
            )),
            Self::Claim { actual, expected } => Some(format!("signed for {actual}, expected {expected}")),
            Self::Subject { actual, expected } if !actual.is_empty() => {
                Some(format!("attests to sha256 {}, expected {}", actual.join(", "), expected.hex()))
            }
            Self::NoTime => Some(
                "neither a log nor a timestamp authority of the trust root says when it was signed, and the \
                 certificate is not valid now"
                    .into(),
            ),
            Self::UnprovenEntry { .. } => Some(
                "evidence from a registry needs an inclusion proof for every log entry, whatever version its \
                 bundle claims"
                    .into(),
            ),
            Self::Unreadable(..)
            | Self::SignatureCount(_)
            | Self::TooMany { .. }
            | Self::EntryType(_)
            | Self::Signature
            | Self::NotPlainEd25519
            | Self::PayloadType(_)
            | Self::EnvelopeType(_)
            | Self::NoStatement
            | Self::Subject { .. }
            | Self::MessageDigest
            | Self::NeedsMessage(_)
            | Self::KeyKind(_)
            | Self::NoCertificate
            | Self::Certificate(_)
            | Self::Sct(_)
            | Self::NoLogEntry
            | Self::UnknownLog { .. }
            | Self::LogEntry(_)
            | Self::Timestamp(_)
            | Self::NoTimestamp => None,
        }
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}

/// Types of log entries that cosign once wrote and that are not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnsupportedEntry {
    /// `intoto` 0.0.1.
    IntotoV001,
    /// `rekord` 0.0.1.
    RekordV001,
    /// `dsse` 0.0.2, which Rekor v2 has given up for `hashedrekord` 0.0.2.
    DsseV002,
}

impl UnsupportedEntry {
    /// Reads a type and its version; `None` for any other.
    pub(crate) fn parse(kind: &str, version: &str) -> Option<Self> {
        match (kind, version) {
            ("intoto", "0.0.1") => Some(Self::IntotoV001),
            ("rekord", "0.0.1") => Some(Self::RekordV001),
            ("dsse", "0.0.2") => Some(Self::DsseV002),
            _ => None,
        }
    }

    /// The type and its version.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IntotoV001 => "intoto 0.0.1",
            Self::RekordV001 => "rekord 0.0.1",
            Self::DsseV002 => "dsse 0.0.2",
        }
    }
}

/// Why a signing certificate does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// It cannot be read, or names two issuers.
    #[error("the certificate or its chain is malformed")]
    Malformed,
    /// Its key is of a kind that is not verified.
    #[error("the certificate's key is of an unsupported kind")]
    UnsupportedKey,
    /// The trust root has no certificate authority, or none for that time.
    #[error("the trust root has no certificate authority that is valid at {at}")]
    NoAuthority {
        /// When it was signed.
        at: Timestamp,
    },
    /// No trusted certificate authority has issued it.
    #[error("x509: certificate signed by unknown authority")]
    UnknownAuthority,
    /// It, or a certificate of its chain, ended before the signature was made.
    #[error("certificate is not valid any more at {at}")]
    Expired {
        /// When it was signed.
        at: Timestamp,
    },
    /// It, or a certificate of its chain, began after the signature was made.
    #[error("certificate is not yet valid at {at}")]
    NotYetValid {
        /// When it was signed.
        at: Timestamp,
    },
    /// It is not for signing code (RFC 5280, section 4.2.1.12).
    #[error("x509: certificate specifies an incompatible key usage, expected code signing")]
    Usage,
    /// The chain breaks another rule of RFC 5280.
    #[error("the certificate chain is invalid")]
    Chain,
}

/// Why embedded SCTs (RFC 6962, section 3.3) do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SctProblem {
    /// There is none.
    #[error("certificate does not include required embedded SCT and no detached SCT was set")]
    Missing,
    /// They cannot be read, or are of another version.
    #[error("error verifying embedded SCT: malformed")]
    Malformed,
    /// One is of a log that is not trusted, or was not at that time.
    #[error("ctfe public key not found for payload: no log of the trust root that is valid at that time")]
    UnknownLog,
    /// One is not by the log that it names.
    #[error("error verifying embedded SCT: invalid signature")]
    Signature,
}

/// Why an entry of a trusted log does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    /// It cannot be read.
    #[error("malformed log entry")]
    Malformed,
    /// It speaks of another signature, key or artifact.
    #[error("log entry does not match the signature")]
    Mismatch,
    /// It holds another signature (Rekor v2).
    #[error("log entry is of another signature")]
    Signature,
    /// It names another key or certificate than the signer's, or a certificate for a key (Rekor v2).
    #[error("log entry names another key or certificate than the signer's")]
    Signer,
    /// It is over something else than what was signed (Rekor v2).
    #[error("log entry is over another digest than that of what was signed")]
    Digest,
    /// It names another hash, key or padding than the signature was made with (Rekor v2).
    #[error("log entry names another algorithm than the signature was made with")]
    Algorithm,
    /// The inclusion proof does not lead to the root.
    #[error("invalid inclusion proof")]
    Inclusion,
    /// The signed tree head is missing, or not by the log.
    #[error("invalid checkpoint")]
    Checkpoint,
    /// The promise (signed entry timestamp) is missing, or not by the log at that time.
    #[error("unable to verify SET")]
    Promise,
    /// The time that the log states is outside of the certificate's, or in the future.
    #[error("integrated time is in the future or outside of the certificate's validity")]
    IntegratedTime,
    /// The log's key was not valid when it was signed.
    #[error("the log's key was not valid at {at}")]
    OutsideLogValidity {
        /// When it was signed.
        at: Timestamp,
    },
    /// The proof is of one log and the promise of another.
    #[error("inclusion proof and promise are of different logs")]
    DifferentLogs,
}

/// Why an RFC 3161 timestamp does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampProblem {
    /// It cannot be read.
    #[error("malformed timestamp")]
    Malformed,
    /// The trust root has no timestamp authority.
    #[error("no TSA root certificate(s) provided to verify timestamp")]
    NoAuthority,
    /// It is over something else.
    #[error("hashed messages don't match")]
    Mismatch,
    /// It is by none of the trusted authorities, or not valid.
    #[error("not by a timestamp authority of the trust root")]
    Untrusted,
    /// It is by a trusted authority, for which the time is too early or too late.
    #[error("{at} is outside of the validity of the authority that signed it")]
    OutsideAuthorityValidity {
        /// The time that it states.
        at: Timestamp,
    },
    /// Its time has fractions of a second, which RFC 3161 allows and the verifier does not read.
    #[error("times with fractions of a second are not read")]
    FractionalSeconds,
    /// Its time has not come.
    #[error("{at} is in the future")]
    Future {
        /// The time that it states.
        at: Timestamp,
    },
}
