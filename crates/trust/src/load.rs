//! From a source to trust material.
//!
//! Each form of a source turns its entries into candidates, one by one; what follows is the same for all of them.

mod candidate;
mod certificates;
mod sigstore_keys;
mod trusted_root;

use std::collections::BTreeMap;

use crate::material::{Entry, Log, TrustMaterial};
use crate::problem::KeyProblem;
use crate::report::{KeyKind, KeyReport, Usability};
use crate::verifier;

use candidate::Candidate;
pub use certificates::from_certificates;
pub use sigstore_keys::from_sigstore_keys;
pub use trusted_root::from_trusted_root_json;

/// A loaded source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What is trusted; at least one entry.
    pub material: TrustMaterial,
    /// What became of each entry of the source: authorities, timestamp authorities, transparency logs, CT logs, each
    /// in the source's order. A repeated entry is reported each time and trusted once.
    pub reports: Vec<KeyReport>,
}

/// Why a source yields no trust material.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The document is not a JSON object whose sections are lists.
    #[error("the trusted root does not decode")]
    Malformed(#[source] serde_json::Error),
    /// Not one entry is usable, or there is none.
    #[error("none of the {} entries is usable", reports.len())]
    NothingUsable {
        /// What became of each entry.
        reports: Vec<KeyReport>,
    },
    /// The document says that it is something else.
    #[error("the media type is {found}, expected application/vnd.dev.sigstore.trustedroot…")]
    UnexpectedMediaType {
        /// Media type found, at most 80 characters of it.
        found: String,
    },
}

impl SourceError {
    /// Returns the variant's name, for conditions and metric labels.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "Malformed",
            Self::NothingUsable { .. } => "NothingUsable",
            Self::UnexpectedMediaType { .. } => "UnexpectedMediaType",
        }
    }
}

/// Offers each candidate to the verifier, settles duplicate log IDs, and collects what is left.
fn assemble(mut candidates: Vec<Candidate>) -> Result<Loaded, SourceError> {
    for candidate in &mut candidates {
        if let Some(problem) = candidate.entry.as_ref().and_then(verifier::refusal) {
            candidate.refuse(problem);
        }
    }
    settle_duplicates(&mut candidates);
    let (reports, entries): (Vec<_>, Vec<_>) =
        candidates.into_iter().map(|one| (one.report, one.entry)).unzip();
    let entries: Vec<Entry> = entries.into_iter().flatten().collect();
    if entries.is_empty() {
        return Err(SourceError::NothingUsable { reports });
    }
    Ok(Loaded { material: TrustMaterial::new(entries), reports })
}

/// The verifier finds a log's key by its ID, so that one ID means one entry. Of several that differ the first in
/// canonical order stays, whatever the order of the source: the fingerprint must not depend on it.
fn settle_duplicates(candidates: &mut [Candidate]) {
    let mut kept: BTreeMap<(KeyKind, [u8; 32]), Log> = BTreeMap::new();
    for candidate in &*candidates {
        if let Some(log) = candidate.log() {
            let slot =
                kept.entry((candidate.report.kind, *log.log_id.as_bytes())).or_insert_with(|| log.clone());
            if *log < *slot {
                *slot = log.clone();
            }
        }
    }
    for candidate in candidates {
        let kind = candidate.report.kind;
        let Some(log) = candidate.log() else { continue };
        let log_id = log.log_id;
        let loses = kept.get(&(kind, *log_id.as_bytes())).is_some_and(|winner| !winner.same_trust(log));
        if loses {
            candidate.refuse(KeyProblem::DuplicateLogId { log_id });
        }
    }
}

impl Candidate {
    /// Leaves the entry out for `problem`.
    fn refuse(&mut self, problem: KeyProblem) {
        self.entry = None;
        self.report.usability = Usability::Unusable(problem);
    }

    fn log(&self) -> Option<&Log> {
        match self.entry.as_ref()? {
            Entry::CtLog(log) | Entry::TransparencyLog(log) => Some(log),
            Entry::CertificateAuthority(_) | Entry::TimestampAuthority(_) => None,
        }
    }
}
