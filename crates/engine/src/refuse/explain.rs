//! What a refusal of `verify` means to whoever has written the policy.

use trustwright_core::Reason;
use trustwright_policy::{Fingerprint, Freshness, RootsKey, Signed, TrustRef};
use trustwright_verify::{CertificateProblem, Refusal, SctProblem, TimestampProblem};

use crate::judgement::Question;

/// How near a piece of evidence came to counting. Of several the nearest is the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nearness {
    /// It is for somebody else, or for nothing.
    Other,
    /// Its certificate does not count.
    Certificate,
    /// Its log entry does not count.
    LogEntry,
    /// Its timestamp does not count.
    Timestamp,
    /// It verifies, and is somebody else's.
    Identity,
}

impl Nearness {
    /// The reason; none where nothing more can be said than that it does not match.
    pub(super) const fn reason(self) -> Option<Reason> {
        match self {
            Self::Other => None,
            Self::Certificate => Some(Reason::UntrustedCertificate),
            Self::LogEntry => Some(Reason::UntrustedLogEntry),
            Self::Timestamp => Some(Reason::UntrustedTimestamp),
            Self::Identity => Some(Reason::WrongIdentity),
        }
    }
}

pub(super) const fn reason(refusal: &Refusal) -> Nearness {
    match refusal {
        Refusal::Identity { .. } => Nearness::Identity,
        Refusal::Timestamp(_) | Refusal::NoTimestamp => Nearness::Timestamp,
        Refusal::NoLogEntry
        | Refusal::UnprovenEntry { .. }
        | Refusal::UnknownLog { .. }
        | Refusal::LogEntry(_)
        | Refusal::EntryType(_) => Nearness::LogEntry,
        Refusal::Certificate(_) | Refusal::Sct(_) | Refusal::NoTime => Nearness::Certificate,
        Refusal::Unreadable(..)
        | Refusal::SignatureCount(_)
        | Refusal::TooMany { .. }
        | Refusal::Signature
        | Refusal::NotPlainEd25519
        | Refusal::PayloadType(_)
        | Refusal::EnvelopeType(_)
        | Refusal::NoStatement
        | Refusal::Claim { .. }
        | Refusal::Subject { .. }
        | Refusal::MessageDigest
        | Refusal::NeedsMessage(_)
        | Refusal::KeyKind(_)
        | Refusal::NoCertificate => Nearness::Other,
    }
}

/// The trust root that does not know an authority, a log or a key that evidence speaks of, and what was in force of it:
/// it may have been rotated.
pub(super) fn unknown<'s>(
    refusal: &Refusal,
    signed: &'s Signed,
    roots: &RootsKey,
) -> Option<(&'s str, Fingerprint)> {
    let trust = &signed.trust;
    let [certificates, log, timestamps, _] = roots;
    let (root, fingerprint) = match refusal {
        Refusal::UnknownLog { .. } => (&trust.log, log),
        // The authorities are the policy's own, and no root brings others.
        Refusal::Certificate(_) if trust.authorities.is_some() => return None,
        Refusal::Timestamp(TimestampProblem::Untrusted) if trust.timestamps.is_some() => {
            (&trust.timestamps, timestamps)
        }
        Refusal::Certificate(
            CertificateProblem::UnknownAuthority | CertificateProblem::NoAuthority { .. },
        )
        | Refusal::Sct(SctProblem::UnknownLog)
        | Refusal::Timestamp(TimestampProblem::Untrusted) => (&trust.certificates, certificates),
        // Everything else is no better by a newer root.
        _ => return None,
    };
    Some((root.as_ref()?.name.as_str(), (*fingerprint)?))
}

/// What was found and what was expected, with the trust root where that decides; and how that keeps up, where a newer one
/// might help.
pub(super) fn hint(refusal: &Refusal, question: &Question) -> Option<String> {
    let trust = &question.signed.trust;
    let [of_certificates, of_log, of_timestamps] = question.freshness;
    let of = |reference: Option<&TrustRef>| {
        reference.map_or_else(|| "the trust root".to_owned(), |one| format!("trust root {:?}", one.name))
    };
    let with = |root: String, freshness: Option<Freshness>| match freshness {
        Some(freshness) => format!("{root} ({freshness})"),
        None => root,
    };
    let certificates = || of(trust.certificates.as_ref());
    let log = || of(trust.log.as_ref());
    let timestamps = || of(trust.timestamps.as_ref().or(trust.certificates.as_ref()));
    match refusal {
        Refusal::NoCertificate => Some("signed with a key, expected a certificate".into()),
        Refusal::Certificate(
            CertificateProblem::UnknownAuthority | CertificateProblem::NoAuthority { .. },
        ) => {
            let by = match &trust.authorities {
                Some(_) => "keyless.ca-cert".to_owned(),
                None => with(certificates(), of_certificates),
            };
            Some(format!("the certificate is by no authority of {by} that was valid then"))
        }
        Refusal::Sct(SctProblem::Missing) => {
            Some(format!("expected an SCT by a log of {}, or insecureIgnoreSCT", certificates()))
        }
        Refusal::Sct(SctProblem::UnknownLog) => {
            let root = with(certificates(), of_certificates);
            Some(format!("expected an SCT by a log of {root}, or insecureIgnoreSCT"))
        }
        Refusal::UnknownLog { log: id } => Some(format!("log {id} is not in {}", with(log(), of_log))),
        Refusal::NoLogEntry => {
            Some(format!("expected an entry of a log of {} beside the signature; no log is asked", log()))
        }
        Refusal::NoTimestamp => {
            Some(format!("expected a timestamp by an authority of {} beside the signature", timestamps()))
        }
        Refusal::Timestamp(TimestampProblem::Untrusted) => {
            let root = with(timestamps(), of_timestamps.or(of_certificates));
            Some(format!("expected a timestamp by an authority of {root}"))
        }
        Refusal::Timestamp(TimestampProblem::NoAuthority) => {
            Some(format!("expected a timestamp by an authority of {}", timestamps()))
        }
        Refusal::NoTime if trust.log.is_none() => {
            refusal.hint().map(|hint| format!("{hint}; the log's time would count with ctlog.trustRootRef"))
        }
        // The others say it themselves, or there is no more to say.
        _ => refusal.hint(),
    }
}
