//! What became of each entry of a trust source.

use std::fmt;

use jiff::Timestamp;

use crate::key::KeyAlgorithm;
use crate::material::Window;
use crate::problem::KeyProblem;

/// The role of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Issues signing certificates (Fulcio).
    CertificateAuthority,
    /// Logs issued certificates.
    CtLog,
    /// Signs RFC 3161 timestamps.
    TimestampAuthority,
    /// Logs signatures (Rekor).
    TransparencyLog,
}

impl KeyKind {
    /// Returns the kind's name as written in status and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CertificateAuthority => "CertificateAuthority",
            Self::CtLog => "CtLog",
            Self::TimestampAuthority => "TimestampAuthority",
            Self::TransparencyLog => "TransparencyLog",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where `now` lies relative to an entry's validity window. Informative: no phase makes an entry unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Within the window, ends included.
    Current,
    /// After the window: still verifies what was signed within it.
    Ended,
    /// Before the window.
    NotStarted,
}

impl Phase {
    /// Returns the phase of `window` at `now`; no bound means unbounded.
    pub(crate) fn at(window: &Window, now: Timestamp) -> Self {
        if window.end.is_some_and(|end| end < now) {
            Self::Ended
        } else if window.start.is_some_and(|start| now < start) {
            Self::NotStarted
        } else {
            Self::Current
        }
    }

    /// Returns the phase's name as written in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::Ended => "Ended",
            Self::NotStarted => "NotStarted",
        }
    }
}

/// Whether an entry is part of the trust material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usability {
    /// It is, whatever its [`Phase`].
    Usable,
    /// It was left out.
    Unusable(KeyProblem),
}

/// One entry of a trust source and what became of it.
///
/// Expired entries are *usable*: a signature made within the window must verify for as long as it is trusted. The
/// window is reported, and the verifier holds each signing time against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// The entry's role.
    pub kind: KeyKind,
    /// The authority's URI or the log's base URL, as given; may be empty.
    pub name: String,
    /// Lower-case hex. For logs the log ID; for authorities the SHA-256 of the first certificate of the chain (the
    /// one that signs: two intermediates under one root stay apart). Absent when the entry did not decode so far.
    pub id: Option<String>,
    /// Algorithm of the key that signs (for chains: of the first certificate). Absent when it did not decode.
    pub algorithm: Option<KeyAlgorithm>,
    /// First instant of validity, where there is one. For chains the narrowest window: the entry's own and all its
    /// certificates' dates.
    pub not_before: Option<Timestamp>,
    /// Last instant of validity, where there is one; as above.
    pub not_after: Option<Timestamp>,
    /// Where the `now` of loading lies in that window; without a window, [`Phase::Current`].
    pub phase: Phase,
    /// Whether the entry is used.
    pub usability: Usability,
}

impl KeyReport {
    /// Returns whether the entry is part of the material.
    pub fn is_usable(&self) -> bool {
        matches!(self.usability, Usability::Usable)
    }

    /// Returns why the entry was left out, if it was.
    pub fn problem(&self) -> Option<&KeyProblem> {
        match &self.usability {
            Usability::Usable => None,
            Usability::Unusable(problem) => Some(problem),
        }
    }
}
