//! Entries of transparency logs: which of them can count, and by which log they are proven.
//!
//! Of Rekor v1 the library verifies proofs, promises and what an entry speaks of, and lets pass what we do not: an entry
//! with neither proof nor promise, and an entry without a proof in whatever claims to be a bundle of version 0.1.

use jiff::Timestamp;
use sigstore_verify::{
    crypto::VerificationKey,
    types::{Checkpoint, CheckpointSignature, DerPublicKey, KindVersion, TransparencyLogEntry},
};
use trustwright_trust::{Log, LogId};

use super::rekor2;
use crate::{EntryProblem, LogEntry, LogProof, Origin, Refusal, evidence::Source};

/// The trusted logs of signatures.
pub(super) struct Logs(Vec<Log>);

/// An entry that may count, once it has been verified.
pub(super) struct Candidate<'a> {
    entry: &'a TransparencyLogEntry,
    /// The tree head of its inclusion proof, and the logs that may have signed it.
    proof: Option<(&'a Checkpoint, Vec<&'a Log>)>,
    /// The log that must have signed its promise.
    promise: Option<&'a Log>,
}

impl Logs {
    pub(super) fn new(logs: &[Log]) -> Self {
        Self(logs.to_vec())
    }

    /// Checks that every one of `entries` has the proof that evidence of this `source` must have, by a log that is
    /// trusted.
    pub(super) fn inspect<'a>(
        &'a self,
        entries: &'a [TransparencyLogEntry],
        source: Source,
    ) -> Result<Vec<Candidate<'a>>, Refusal> {
        if entries.is_empty() {
            return Err(Refusal::NoLogEntry);
        }
        let inspect = |(at, entry)| self.inspect_one(at + 1, entry, source);
        entries.iter().enumerate().map(inspect).collect()
    }

    fn inspect_one<'a>(
        &'a self,
        position: usize,
        entry: &'a TransparencyLogEntry,
        source: Source,
    ) -> Result<Candidate<'a>, Refusal> {
        let is_proven = entry.inclusion_proof.is_some();
        let is_promised = entry.inclusion_promise.is_some();
        let is_enough = match source {
            Source::Bundle(Origin::Registry) => is_proven,
            Source::Bundle(Origin::File) | Source::Annotations => is_proven || is_promised,
        };
        if !is_enough {
            return Err(Refusal::UnprovenEntry { position });
        }
        let proof = match &entry.inclusion_proof {
            None => None,
            Some(proof) => Some(self.signers(proof.checkpoint.checkpoint())?),
        };
        let promise = if is_promised { Some(self.by_id(entry.log_id.key_id.as_bytes())?) } else { None };
        if let (Some((_, signers)), Some(log)) = (&proof, promise)
            && !signers.iter().any(|signer| signer.log_id == log.log_id)
        {
            return Err(EntryProblem::DifferentLogs.into());
        }
        Ok(Candidate { entry, proof, promise })
    }

    fn by_id(&self, id: &[u8]) -> Result<&Log, Refusal> {
        let log = self.0.iter().find(|log| log.log_id.as_bytes() == id);
        log.ok_or_else(|| Refusal::UnknownLog { log: hex::encode(id.get(..32).unwrap_or(id)) })
    }

    /// The logs whose IDs begin as one of the checkpoint's key hints (C2SP `signed-note.md`).
    fn signers<'a>(
        &'a self,
        checkpoint: Option<&'a Checkpoint>,
    ) -> Result<(&'a Checkpoint, Vec<&'a Log>), Refusal> {
        let checkpoint = checkpoint.ok_or(EntryProblem::Checkpoint)?;
        let hints = || checkpoint.signatures().iter().map(|signature| signature.key_id.as_slice());
        let is_hinted = |id: &LogId| hints().any(|hint| id.as_bytes().starts_with(hint));
        let logs: Vec<_> = self.0.iter().filter(|log| is_hinted(&log.log_id)).collect();
        match (logs.is_empty(), hints().next()) {
            (false, _) => Ok((checkpoint, logs)),
            (true, Some(hint)) => Err(Refusal::UnknownLog { log: hex::encode(hint) }),
            (true, None) => Err(EntryProblem::Checkpoint.into()),
        }
    }
}

impl Candidate<'_> {
    /// The time that the log has put its promise to; Rekor v2 makes none.
    pub(super) fn integrated_time(&self) -> Option<Timestamp> {
        self.promise.filter(|_| !self.is_v2()).and(self.entry.integrated_time)
    }

    pub(super) fn is_v2(&self) -> bool {
        is_v2(self.entry)
    }

    /// The body of an entry of Rekor v2, once it is proven that a trusted log holds it whose time has begun by `now`.
    ///
    /// Index and root are those that are proven: what the proof says of them besides is vouched for by nobody.
    pub(super) fn included(&self, now: Timestamp) -> Result<&[u8], EntryProblem> {
        if self.promise.is_some() {
            // This log makes none.
            return Err(EntryProblem::Promise);
        }
        let (Some(proof), Some((checkpoint, signers))) = (&self.entry.inclusion_proof, &self.proof) else {
            return Err(EntryProblem::Inclusion);
        };
        let (root, size) = (checkpoint.root_hash().as_bytes(), checkpoint.tree_size());
        let (body, index) = (self.entry.canonicalized_body.as_bytes(), self.entry.log_index.get());
        let path = proof.hashes.iter().map(|hash| hash.as_bytes().as_slice());
        if !rekor2::includes(root, size, body, index, path) {
            return Err(EntryProblem::Inclusion);
        }
        let has_begun = |log: &Log| {
            let start = log.valid_for.as_ref().and_then(|window| window.start);
            start.is_none_or(|start| start <= now)
        };
        let mut signers = signers.iter().filter(|log| has_begun(log));
        if signers.any(|log| is_signed(checkpoint, log)) { Ok(body) } else { Err(EntryProblem::Checkpoint) }
    }

    /// What holds of the entry now that it has been verified. `times` are those of the signature: where the
    /// log says none itself, one of them must fall into the time in which its key was valid.
    pub(super) fn proven(&self, times: &[Timestamp]) -> Result<LogEntry, Refusal> {
        let log = match (&self.proof, self.promise) {
            (_, Some(log)) => log,
            (Some((checkpoint, signers)), None) => {
                signer(checkpoint, signers).ok_or(EntryProblem::Checkpoint)?
            }
            (None, None) => return Err(Refusal::NoLogEntry),
        };
        let integrated_time = self.integrated_time();
        let times = integrated_time.as_ref().map_or(times, std::slice::from_ref);
        let is_valid = |at: &Timestamp| log.valid_for.as_ref().is_none_or(|window| window.contains(*at));
        if let Some(at) = times.first().filter(|_| !times.iter().any(is_valid)) {
            return Err(EntryProblem::OutsideLogValidity { at: *at }.into());
        }
        let index = match &self.entry.inclusion_proof {
            // Only a promise, or a proof of Rekor v2, is over the entry's own index.
            Some(proof) if self.promise.is_none() && !self.is_v2() => proof.log_index,
            _ => self.entry.log_index,
        };
        Ok(LogEntry {
            log_id: log.log_id,
            base_url: log.base_url.clone(),
            index: index.get(),
            integrated_time,
            proof: if self.proof.is_some() { LogProof::Inclusion } else { LogProof::Promise },
        })
    }
}

/// Whether an entry is one of Rekor v2.
pub(super) fn is_v2(entry: &TransparencyLogEntry) -> bool {
    entry.kind_version == KindVersion::HashedRekordV002
}

/// The log that has signed the checkpoint. One has been found among those of its hints, so that only where hints
/// collide it has to be found again.
fn signer<'a>(checkpoint: &Checkpoint, candidates: &[&'a Log]) -> Option<&'a Log> {
    if let [only] = candidates {
        return Some(only);
    }
    candidates.iter().copied().find(|log| is_signed(checkpoint, log))
}

/// Whether one of the signatures under `checkpoint` is `log`'s (C2SP `signed-note.md`).
fn is_signed(checkpoint: &Checkpoint, log: &Log) -> bool {
    let key = DerPublicKey::new(log.public_key.spki_der().to_vec());
    let Ok(key) = VerificationKey::from_spki(&key) else { return false };
    let id = log.log_id.as_bytes();
    let is_by_it = |signature: &&CheckpointSignature| id.starts_with(signature.key_id.as_slice());
    let mut signatures = checkpoint.signatures().iter().filter(is_by_it);
    signatures.any(|signature| key.verify(checkpoint.signed_data(), &signature.signature).is_ok())
}
