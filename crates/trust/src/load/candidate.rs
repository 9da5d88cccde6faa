//! One entry of a source on its way to the material.

use jiff::Timestamp;

use crate::chain::{self, Purpose};
use crate::key::PublicKey;
use crate::log_id::{self, LogId};
use crate::material::{Authority, Entry, HashAlgorithm, Log, Subject, Window};
use crate::problem::KeyProblem;
use crate::report::{KeyKind, KeyReport, Phase, Usability};

/// An entry's report, and the entry itself unless it is unusable.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) report: KeyReport,
    pub(super) entry: Option<Entry>,
}

/// An authority as its source describes it.
pub(super) struct AuthorityInput {
    pub(super) subject: Subject,
    pub(super) uri: String,
    pub(super) chain: Result<Vec<Vec<u8>>, KeyProblem>,
    pub(super) valid_for: Option<Window>,
}

/// A log as its source describes it.
pub(super) struct LogInput {
    pub(super) base_url: String,
    pub(super) hash_algorithm: HashAlgorithm,
    pub(super) key: Result<PublicKey, KeyProblem>,
    /// The ID that the source states; computed when it states none.
    pub(super) log_id: Option<LogId>,
    pub(super) valid_for: Option<Window>,
}

/// What a log is for, which decides its algorithms and its ID.
#[derive(Clone, Copy)]
enum LogRole {
    Certificates,
    Signatures,
}

impl LogRole {
    fn kind(self) -> KeyKind {
        match self {
            Self::Certificates => KeyKind::CtLog,
            Self::Signatures => KeyKind::TransparencyLog,
        }
    }

    fn check(self, key: &PublicKey) -> Result<(), KeyProblem> {
        match self {
            Self::Certificates => key.check_for_ct_log(),
            Self::Signatures => key.check_for_transparency_log(),
        }
    }

    /// Returns the log's ID and origin. A stated ID counts, since the log's operator knows the origin; the base URL's
    /// host is the origin only where the ID says so.
    fn identity(
        self,
        base_url: &str,
        key: &PublicKey,
        stated: Option<LogId>,
    ) -> Option<(LogId, Option<String>)> {
        let computed = match self {
            Self::Certificates => Some((LogId::of_key(key), None)),
            Self::Signatures => log_id::of_transparency_log(base_url, key),
        };
        match stated {
            None => computed,
            Some(stated) => computed.filter(|(log_id, _)| *log_id == stated).or(Some((stated, None))),
        }
    }
}

impl Candidate {
    /// Judges a certificate authority.
    pub(super) fn certificate_authority(input: AuthorityInput, now: Timestamp) -> Self {
        let (report, authority) =
            judge_authority(input, KeyKind::CertificateAuthority, Purpose::Issuing, now);
        Self { report, entry: authority.map(Entry::CertificateAuthority) }
    }

    /// Judges a timestamp authority.
    pub(super) fn timestamp_authority(input: AuthorityInput, now: Timestamp) -> Self {
        let (report, authority) =
            judge_authority(input, KeyKind::TimestampAuthority, Purpose::Timestamping, now);
        Self { report, entry: authority.map(Entry::TimestampAuthority) }
    }

    /// Judges a log of signatures.
    pub(super) fn transparency_log(input: LogInput, now: Timestamp) -> Self {
        let (report, log) = judge_log(input, LogRole::Signatures, now);
        Self { report, entry: log.map(Entry::TransparencyLog) }
    }

    /// Judges a log of certificates.
    pub(super) fn ct_log(input: LogInput, now: Timestamp) -> Self {
        let (report, log) = judge_log(input, LogRole::Certificates, now);
        Self { report, entry: log.map(Entry::CtLog) }
    }

    /// Reports an entry of which nothing but the name could be read.
    pub(super) fn unreadable(kind: KeyKind, name: String, problem: KeyProblem) -> Self {
        let report = KeyReport {
            kind,
            name,
            id: None,
            algorithm: None,
            not_before: None,
            not_after: None,
            phase: Phase::Current,
            usability: Usability::Unusable(problem),
        };
        Self { report, entry: None }
    }
}

fn judge_authority(
    input: AuthorityInput,
    kind: KeyKind,
    purpose: Purpose,
    now: Timestamp,
) -> (KeyReport, Option<Authority>) {
    let AuthorityInput { subject, uri, chain, valid_for } = input;
    let chain = match chain {
        Ok(chain) if chain.is_empty() => Err(KeyProblem::NoPemBlock),
        chain => chain,
    };
    let (facts, outcome) = match &chain {
        Ok(chain) => chain::inspect(chain, purpose),
        Err(problem) => (chain::Facts::default(), Err(problem.clone())),
    };
    let outcome = outcome.and_then(|()| check_window(valid_for.as_ref()));
    let window = valid_for.as_ref().map_or_else(|| facts.window.clone(), |own| facts.window.intersect(own));
    let report = KeyReport {
        kind,
        name: uri.clone(),
        id: facts.id.map(hex::encode),
        algorithm: facts.algorithm,
        phase: Phase::at(&window, now),
        not_before: window.start,
        not_after: window.end,
        usability: usability(&outcome),
    };
    let authority = outcome.and(chain).ok().map(|chain| Authority { chain, uri, valid_for, subject });
    (report, authority)
}

fn judge_log(input: LogInput, role: LogRole, now: Timestamp) -> (KeyReport, Option<Log>) {
    let LogInput { base_url, hash_algorithm, key, log_id, valid_for } = input;
    let algorithm = key.as_ref().ok().map(|key| key.algorithm().clone());
    let identity = key.as_ref().ok().and_then(|key| role.identity(&base_url, key, log_id));
    let checked = key.and_then(|key| {
        role.check(&key)?;
        let (log_id, origin) = identity.clone().ok_or(KeyProblem::MissingOrigin)?;
        check_window(valid_for.as_ref())?;
        Ok((key, log_id, origin))
    });
    let window = valid_for.clone().unwrap_or_default();
    let report = KeyReport {
        kind: role.kind(),
        name: base_url.clone(),
        id: identity.map(|(log_id, _)| log_id.to_string()),
        algorithm,
        phase: Phase::at(&window, now),
        not_before: window.start,
        not_after: window.end,
        usability: usability(&checked),
    };
    let log = checked.ok().map(|(public_key, log_id, origin)| Log {
        log_id,
        public_key,
        base_url,
        valid_for,
        origin,
        hash_algorithm,
    });
    (report, log)
}

fn check_window(window: Option<&Window>) -> Result<(), KeyProblem> {
    match window {
        Some(Window { start: Some(start), end: Some(end) }) if end < start => {
            Err(KeyProblem::InvertedWindow { start: *start, end: *end })
        }
        _ => Ok(()),
    }
}

fn usability<T>(outcome: &Result<T, KeyProblem>) -> Usability {
    match outcome {
        Ok(_) => Usability::Usable,
        Err(problem) => Usability::Unusable(problem.clone()),
    }
}
