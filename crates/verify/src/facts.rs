//! What holds of evidence that verified.

use std::{ops::Range, sync::Arc};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use trustwright_core::Digest;
use trustwright_trust::LogId;

use crate::{Form, Identity};

/// What holds of a signature that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The form in which it is stored.
    pub form: Form,
    /// Who signed.
    pub signer: Signer,
    /// The log entries that are proven and speak of this signature; empty where none was asked for.
    pub log_entries: Vec<LogEntry>,
    /// When the signature existed, as others say; empty where nobody was asked.
    pub times: Vec<VerifiedTime>,
    /// The statement that was signed, unless it was a simple-signing payload or the artifact itself.
    pub statement: Option<Statement>,
    /// Until when this holds, where it holds by the current time only: the end of the signing certificate.
    pub valid_until: Option<Timestamp>,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// The holder of a key that the authority names, by its [`crate::PublicKey::fingerprint`].
    Key(Digest),
    /// Whom a trusted certificate authority vouches for.
    Certificate(Box<Identity>),
}

/// An entry of a transparency log that is proven to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The log that signed the proof or the promise.
    pub log_id: LogId,
    /// Where the log is served; may be empty.
    pub base_url: String,
    /// Its index: in the whole log where a promise or Rekor v2 says so, else in the log's shard.
    pub index: u64,
    /// When it was put in, where the log signed that.
    pub integrated_time: Option<Timestamp>,
    /// What proves it.
    pub proof: LogProof,
}

/// What proves a log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogProof {
    /// A Merkle inclusion proof (RFC 6962, section 2.1.1) up to a signed checkpoint.
    Inclusion,
    /// The log's promise alone (signed entry timestamp of Rekor v1).
    Promise,
}

/// An instant that somebody trusted has signed together with the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifiedTime {
    /// The instant.
    pub at: Timestamp,
    /// Who says so.
    pub source: TimeSource,
}

/// Who says when a signature existed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeSource {
    /// A timestamp authority (RFC 3161).
    TimestampAuthority,
    /// A transparency log of Rekor v1, with its promise.
    TransparencyLog,
}

/// An in-toto statement of which one subject is the artifact.
#[derive(Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its `predicateType`.
    pub predicate_type: String,
    /// The signed bytes, shared with the [`crate::Signature`]; the payload is at their end.
    pub(crate) encoding: Arc<[u8]>,
    pub(crate) payload: Range<usize>,
}

impl Statement {
    /// The statement as it was signed: JSON.
    pub fn payload(&self) -> &[u8] {
        self.encoding.get(self.payload.clone()).unwrap_or_default()
    }

    /// The predicate as it was signed: JSON, or `None` where the statement has none.
    pub fn predicate(&self) -> Option<&[u8]> {
        #[derive(Deserialize)]
        struct Document<'a> {
            #[serde(borrow)]
            predicate: Option<&'a RawValue>,
        }
        let document: Document<'_> = serde_json::from_slice(self.payload()).ok()?;
        Some(document.predicate?.get().as_bytes())
    }
}

impl std::fmt::Debug for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statement")
            .field("predicate_type", &self.predicate_type)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}
