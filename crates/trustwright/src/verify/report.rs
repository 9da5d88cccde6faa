//! What a verdict comes to, in a form for people and programs. Pure.

use jiff::Timestamp;
use serde::Serialize;
use trustwright_core::{Cause, Decision, ImageRef, Reason, Verdict};
use trustwright_engine::{
    AuthorityAccount, Explanation, Judged, Judging, Piece, Place, PolicyAccount, Trace,
};
use trustwright_policy::{Check, Mode, Outcome as Opinion, Policy, Ruling, Snapshot, Wanted};
use trustwright_verify::{Facts, LogEntry, LogProof, Signer, TimeSource};

/// What is to be told of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The image as the user named it.
    pub(super) image: String,
    /// The image by digest, as policies match it.
    pub(super) resolved: String,
    /// The time at which it was judged.
    pub(super) time: Timestamp,
    pub(super) outcome: Outcome,
    /// Every policy that speaks of the image, by name.
    pub(super) policies: Vec<PolicyReport>,
    /// What stands against the image besides policies.
    pub(super) causes: Vec<CauseReport>,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Outcome {
    /// Every policy that enforces admits it.
    Admitted,
    /// A policy refuses it.
    Refused,
    /// A policy would have to refuse it, because something did not answer that might have spoken for it.
    Undecided,
    /// No policy speaks of it.
    Unmatched,
}

/// What one policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyReport {
    pub(super) name: String,
    /// `enforce` or `warn`.
    pub(super) mode: String,
    /// `allow`, `warn` or `deny`.
    pub(super) decision: String,
    /// What keeps the policy as a whole from working.
    pub(super) problems: Vec<String>,
    pub(super) authorities: Vec<AuthorityReport>,
    /// What its own rule says of what the authorities found; absent where it has none, or none vouches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<RuleReport>,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleReport {
    /// `cue`, `rego` or `cel`.
    pub(super) language: String,
    /// Why it refuses; absent where it accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<CauseReport>,
}

/// What one authority says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthorityReport {
    pub(super) name: String,
    pub(super) vouches: bool,
    /// What of it counts: who signed, and what witnesses that.
    pub(super) counted: Vec<EvidenceReport>,
    /// Why it does not vouch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<CauseReport>,
    /// Everything that was found; with `--explain` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) explanation: Option<ExplanationReport>,
}

/// Everything that was found for an authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExplanationReport {
    /// Where evidence was looked for.
    pub(super) places: Vec<String>,
    pub(super) evidence: Vec<EvidenceReport>,
    /// What may hide evidence.
    pub(super) faults: Vec<CauseReport>,
    /// How many pieces more nobody looked at.
    pub(super) skipped: usize,
}

/// A piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvidenceReport {
    /// Its digest; that of its manifest where nobody has looked into it.
    pub(super) digest: String,
    /// Where it is.
    pub(super) place: String,
    /// The manifest that holds it, where that was found by its subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) manifest: Option<String>,
    /// Its size in bytes, as the registry claims.
    pub(super) size: u64,
    /// As what the registry lists it. Nobody has signed that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) listed_as: Option<String>,
    /// Whether it counts for the authority.
    pub(super) counts: bool,
    /// What verified; absent where it does not verify, or nobody asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verified: Option<VerifiedReport>,
    /// Why it does not verify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<CauseReport>,
}

/// What holds of evidence that verifies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VerifiedReport {
    /// `legacy` or `bundle`.
    pub(super) form: String,
    pub(super) signer: SignerReport,
    /// Proven entries of transparency logs.
    pub(super) log_entries: Vec<LogEntryReport>,
    /// Who says when it was signed.
    pub(super) times: Vec<TimeReport>,
    /// The type of what an attestation says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) predicate_type: Option<String>,
    /// What each of the policy's `attestations` of that type says.
    pub(super) attestations: Vec<AttestationReport>,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(super) enum SignerReport {
    /// The holder of a key, by its fingerprint.
    Key { key: String },
    /// Whom a certificate names.
    Certificate { subjects: Vec<String>, issuer: Option<String> },
}

/// A proven entry of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogEntryReport {
    /// The log's ID, in hexadecimal.
    pub(super) log_id: String,
    /// Where the log is served; may be empty.
    pub(super) url: String,
    pub(super) index: u64,
    /// When it was put in, where the log signed that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) integrated_time: Option<Timestamp>,
    /// `inclusion proof` or `promise`.
    pub(super) proof: &'static str,
}

/// When something was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimeReport {
    pub(super) time: Timestamp,
    /// `timestamp authority` or `transparency log`.
    pub(super) source: &'static str,
}

/// What an entry of `attestations` says of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttestationReport {
    pub(super) name: String,
    /// The language of its policy, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) language: Option<String>,
    /// Why it refuses; absent where it accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<CauseReport>,
}

/// What stands against something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CauseReport {
    /// The closed reason, as metrics name it.
    pub(super) reason: &'static str,
    /// In the field's words.
    pub(super) message: String,
    /// What a person can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

impl Report {
    /// What is to be told of the image that the user named `given`, with all evidence if that `is_explained`.
    pub(super) fn of(
        given: &str,
        time: Timestamp,
        image: &ImageRef,
        snapshot: &Snapshot,
        explanation: &Explanation,
        is_explained: bool,
    ) -> Self {
        let policies = &explanation.policies;
        Self {
            image: given.to_owned(),
            resolved: image.digest().map_or_else(|| image.name(), |digest| image.pinned(digest)),
            time,
            outcome: outcome(explanation, snapshot.policies.is_empty()),
            policies: policies.iter().map(|account| policy(account, is_explained)).collect(),
            causes: own_causes(&explanation.verdict).map(CauseReport::of).collect(),
        }
    }
}

fn outcome(explanation: &Explanation, has_no_policies: bool) -> Outcome {
    if explanation.policies.is_empty() {
        let is_unmatched = |cause: &Cause| cause.reason == Reason::NoMatchingPolicy;
        let matches_none = has_no_policies || own_causes(&explanation.verdict).all(is_unmatched);
        return if matches_none { Outcome::Unmatched } else { Outcome::Refused };
    }
    match &explanation.verdict {
        Verdict::Allow | Verdict::Warn(_) => Outcome::Admitted,
        // Where one policy refuses whatever might still be heard, that is the answer.
        Verdict::Deny { findings, .. } => {
            let is_open = |finding: &trustwright_core::Finding| {
                finding.causes.iter().any(|cause| is_fault(cause.reason))
            };
            if findings.iter().all(is_open) { Outcome::Undecided } else { Outcome::Refused }
        }
    }
}

/// Whether somebody who did not answer might have brought another verdict.
const fn is_fault(reason: Reason) -> bool {
    match reason {
        Reason::RegistryUnauthorized
        | Reason::RegistryUnavailable
        | Reason::DeadlineExceeded
        | Reason::PullSecretUnusable
        | Reason::Internal => true,
        Reason::MalformedRequest
        | Reason::InvalidReference
        | Reason::NotADigest
        | Reason::NoMatchingPolicy
        | Reason::StaticFail
        | Reason::PolicyNotReady
        | Reason::AuthorityNotReady
        | Reason::NoSignatures
        | Reason::NoMatchingSignatures
        | Reason::NoAttestations
        | Reason::NoMatchingAttestations
        | Reason::AttestationRefused
        | Reason::PolicyRefused
        | Reason::EvaluationExhausted
        | Reason::TrustRootNotReady
        | Reason::WrongIdentity
        | Reason::UntrustedCertificate
        | Reason::UntrustedLogEntry
        | Reason::UntrustedTimestamp
        | Reason::RegistryInvalid => false,
    }
}

/// What stands against the image that no policy says.
fn own_causes(verdict: &Verdict) -> impl Iterator<Item = &Cause> {
    let findings: Vec<_> = match verdict {
        Verdict::Allow => Vec::new(),
        Verdict::Warn(findings) => findings.iter().collect(),
        Verdict::Deny { findings, warnings } => findings.iter().chain(warnings).collect(),
    };
    findings.into_iter().filter(|finding| finding.policy.is_none()).flat_map(|finding| finding.causes.iter())
}

fn policy(account: &PolicyAccount, is_explained: bool) -> PolicyReport {
    let PolicyAccount { policy, verdict, authorities, ruling } = account;
    let rule = policy.rule.as_ref().zip(ruling.as_ref()).map(|(rule, ruling)| RuleReport {
        language: rule.language.as_str().to_owned(),
        refused: match ruling {
            Ruling::Compliant => None,
            Ruling::Refused(cause) => Some(CauseReport::of(cause)),
        },
    });
    PolicyReport {
        name: policy.name.clone(),
        mode: match policy.mode {
            Mode::Enforce => "enforce",
            Mode::Warn => "warn",
        }
        .to_owned(),
        decision: verdict.decision().as_str().to_owned(),
        problems: policy.problems.iter().map(ToString::to_string).collect(),
        authorities: authorities.iter().map(|one| authority(policy, one, is_explained)).collect(),
        rule,
    }
}

fn authority(policy: &Policy, account: &AuthorityAccount, is_explained: bool) -> AuthorityReport {
    let AuthorityAccount { name, outcome, trace } = account;
    let check = policy.authorities.iter().find(|authority| authority.name == *name).map(|one| &one.check);
    let wanted = match check {
        Some(Check::Signed(signed)) => Some(&signed.wanted),
        Some(Check::Pass | Check::Fail(_) | Check::NotReady(_)) | None => None,
    };
    let of = |piece| EvidenceReport::of(piece, matches!(wanted, Some(Wanted::Signature)));
    let evidence: Vec<EvidenceReport> = trace.pieces.iter().map(of).collect();
    let (vouches, refused) = match outcome {
        Opinion::Vouched(_) => (true, None),
        Opinion::Refused(cause) => (false, Some(CauseReport::of(cause))),
    };
    let explanation = (is_explained && wanted.is_some()).then(|| {
        let Trace { places, pieces: _, faults, skipped } = trace;
        ExplanationReport {
            places: places.iter().map(place).collect(),
            evidence: evidence.clone(),
            faults: faults
                .iter()
                .map(|(reason, text)| CauseReport {
                    reason: reason.as_str(),
                    message: text.clone(),
                    hint: None,
                })
                .collect(),
            skipped: *skipped,
        }
    });
    AuthorityReport {
        name: name.clone(),
        vouches,
        counted: evidence.into_iter().filter(|one| one.counts).collect(),
        refused,
        explanation,
    }
}

fn place(place: &Place) -> String {
    match &place.tag {
        Some(tag) => format!("{}:{tag}", place.repository),
        None => format!("the referrers in {}", place.repository),
    }
}

impl EvidenceReport {
    /// Of several entries that speak of an attestation one is enough; a signature counts by itself.
    fn of(piece: &Piece, is_signature: bool) -> Self {
        let Piece { place: at, declared, digest, manifest, size, judging } = piece;
        let (counts, verified, refused) = match judging {
            Judging::NotAskedFor => (false, None, None),
            Judging::Refused(cause) => (false, None, Some(CauseReport::of(cause))),
            Judging::Verified(facts, judged) => {
                let counts = is_signature || judged.iter().any(|judged| judged.refused.is_none());
                (counts, Some(VerifiedReport::of(facts, judged)), None)
            }
        };
        Self {
            digest: digest.to_string(),
            place: place(at),
            manifest: manifest.as_ref().map(ToString::to_string),
            size: *size,
            listed_as: declared.clone(),
            counts,
            verified,
            refused,
        }
    }
}

impl VerifiedReport {
    fn of(facts: &Facts, judged: &[Judged]) -> Self {
        let Facts { form, signer, log_entries, times, statement, valid_until: _ } = facts;
        Self {
            form: form.as_str().to_owned(),
            signer: match signer {
                Signer::Key(fingerprint) => SignerReport::Key { key: fingerprint.to_string() },
                Signer::Certificate(identity) => SignerReport::Certificate {
                    subjects: identity.subjects.iter().map(ToString::to_string).collect(),
                    issuer: identity.issuer.clone(),
                },
            },
            log_entries: log_entries.iter().map(LogEntryReport::of).collect(),
            times: times
                .iter()
                .map(|time| TimeReport {
                    time: time.at,
                    source: match time.source {
                        TimeSource::TimestampAuthority => "timestamp authority",
                        TimeSource::TransparencyLog => "transparency log",
                    },
                })
                .collect(),
            predicate_type: statement.as_ref().map(|statement| statement.predicate_type.clone()),
            attestations: judged.iter().map(AttestationReport::of).collect(),
        }
    }
}

impl LogEntryReport {
    fn of(entry: &LogEntry) -> Self {
        let LogEntry { log_id, base_url, index, integrated_time, proof } = entry;
        Self {
            log_id: log_id.to_string(),
            url: base_url.clone(),
            index: *index,
            integrated_time: *integrated_time,
            proof: match proof {
                LogProof::Inclusion => "inclusion proof",
                LogProof::Promise => "promise",
            },
        }
    }
}

impl AttestationReport {
    fn of(judged: &Judged) -> Self {
        let Judged { name, predicate_type: _, language, refused } = judged;
        Self {
            name: name.clone(),
            language: language.map(|language| language.as_str().to_owned()),
            refused: refused.as_ref().map(|(reason, text)| CauseReport {
                reason: reason.as_str(),
                message: text.clone(),
                hint: None,
            }),
        }
    }
}

impl CauseReport {
    fn of(cause: &Cause) -> Self {
        let Cause { authority: _, reason, text, hint } = cause;
        Self { reason: reason.as_str(), message: text.clone(), hint: hint.clone() }
    }
}

impl Outcome {
    /// The whole of it, for a person.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Admitted => "Admitted.",
            Self::Refused => "Refused.",
            Self::Undecided => {
                "Undecided: somebody did not answer who might speak for it. Admission refuses it."
            }
            Self::Unmatched => {
                "No policy speaks of it. What becomes of it is the webhook's setting; by default it is refused."
            }
        }
    }
}

/// Whether a decision admits.
pub(super) fn admits(decision: &str) -> bool {
    decision != Decision::Deny.as_str()
}
