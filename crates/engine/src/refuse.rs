//! The words of a refusal: the field's text first, then what a person can do.

mod explain;

use trustwright_core::{Cause, ImageRef, Reason, Repository};
use trustwright_policy::{Authority, Check, Fingerprint, NotReady, RootsKey, Signatory, Signed, Wanted};
use trustwright_verify::Refusal;

use crate::{
    collect::{Shelf, Source},
    judgement::{EvidenceState, Question},
};

/// Different refusals that a message quotes.
const MAX_TEXTS: usize = 5;
/// Different explanations of ours that a message has.
const MAX_HINTS: usize = 3;

/// What stood against an authority while evidence was looked at.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    list: Vec<Refusal>,
    /// The first fault of the registry, which may hide evidence.
    fault: Option<(Reason, String)>,
    /// Evidence beyond the limit that nobody looked at.
    skipped: usize,
    /// Evidence that is listed as of a type that nobody asks for.
    unwanted: usize,
    /// Attestations that verified.
    verified: usize,
}

impl Refusals {
    pub(crate) fn refused(&mut self, refusal: Refusal) {
        self.list.push(refusal);
    }

    pub(crate) fn verified(&mut self) {
        self.verified += 1;
    }

    pub(crate) fn failed(&mut self, reason: Reason, text: &str) {
        self.fault.get_or_insert_with(|| (reason, text.to_owned()));
    }

    /// The trust roots that do not know what evidence speaks of, with what was in force of them.
    pub(crate) fn unknown<'s>(
        &'s self,
        signed: &'s Signed,
        roots: &'s RootsKey,
    ) -> impl Iterator<Item = (&'s str, Fingerprint)> {
        self.list.iter().filter_map(|refusal| explain::unknown(refusal, signed, roots))
    }

    pub(crate) fn has_fault(&self) -> bool {
        self.fault.is_some()
    }

    pub(crate) fn skipped(&mut self, count: usize) {
        self.skipped += count;
    }

    pub(crate) fn unwanted(&mut self, count: usize) {
        self.unwanted += count;
    }
}

/// Why an authority does not vouch for any image.
pub(crate) fn cause(authority: &Authority) -> Cause {
    let name = authority.name.as_str();
    match &authority.check {
        Check::Fail(message) => {
            of(name, Reason::StaticFail, format!("disallowed by static policy: {message}"), None)
        }
        Check::NotReady(problem) => of(
            name,
            Reason::AuthorityNotReady,
            format!("failed to process authority: {name}"),
            Some(format!("authority {name} cannot be used: {problem}")),
        ),
        // A static pass vouches, and whoever wants evidence has looked for it, so this is only ever reached by a bug;
        // it refuses all the same.
        Check::Pass | Check::Signed(_) => broken(name),
    }
}

/// Why an authority whose trust roots cannot be used vouches for no image.
pub(crate) fn rootless(name: &str, signed: &Signed, problems: &[NotReady]) -> Cause {
    let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let hint = format!("authority {name} cannot be used: {}", all.join("; "));
    of(name, Reason::TrustRootNotReady, without_roots(name, signed, problems), Some(hint))
}

/// Why an authority does not vouch for the image, by the evidence that was looked at. Unless that `is_over`, there was
/// no time for more.
pub(crate) fn unproven(evidence: &EvidenceState, image: &ImageRef, is_over: bool) -> Cause {
    let name = evidence.question.name.as_str();
    let (reason, text) = text(name, evidence, image, is_over);
    of(name, reason, text, Some(format!("authority {name}: {}", hint(evidence, image, is_over))))
}

/// Why one piece of evidence does not count for an authority.
pub(crate) fn evidence(question: &Question, refusal: &Refusal) -> Cause {
    let reason = explain::reason(refusal).reason().unwrap_or(match question.signed.wanted {
        Wanted::Signature => Reason::NoMatchingSignatures,
        Wanted::Attestations(_) => Reason::NoMatchingAttestations,
    });
    of(&question.name, reason, refusal.to_string(), explain::hint(refusal, question))
}

/// A bug has kept an authority from answering. It refuses.
pub(crate) fn broken(name: &str) -> Cause {
    of(name, Reason::Internal, format!("failed to process authority: {name}"), None)
}

fn of(name: &str, reason: Reason, text: String, hint: Option<String>) -> Cause {
    Cause { authority: Some(name.to_owned()), reason, text, hint }
}

/// The field's words for a trust root that cannot be used.
fn without_roots(name: &str, signed: &Signed, problems: &[NotReady]) -> String {
    let (field, problem) =
        problems.first().map_or(("", ""), |one| (one.field.as_str(), one.problem.as_str()));
    let is_for = |reference: &Option<trustwright_policy::TrustRef>| {
        reference.as_ref().is_some_and(|reference| reference.field == field)
    };
    let cause = if is_for(&signed.trust.certificates) {
        format!("getting Fulcio certs: {name}: {problem}")
    } else if is_for(&signed.trust.log) {
        format!("getting Rekor public keys: {name}: {problem}")
    } else {
        format!("fetching keys for trustRootRef: {problem}")
    };
    match signed.wanted {
        Wanted::Signature => format!("constructing checkOpts for {name}: {cause}"),
        Wanted::Attestations(_) => format!("creating CheckOpts: {cause}"),
    }
}

/// The reason, and the words of the field for it.
fn text(name: &str, evidence: &EvidenceState, image: &ImageRef, is_over: bool) -> (Reason, String) {
    let (signed, refusals) = (&evidence.question.signed, &evidence.refusals);
    let by = match &signed.signatory {
        Signatory::Key(_) => "key",
        Signatory::Keyless(_) => "keyless",
    };
    let failed = |what: &str, cause: &str| {
        format!("{what} {by} validation failed for authority {name} for {}: {cause}", image.name())
    };
    let what = match &signed.wanted {
        Wanted::Signature => "signature",
        Wanted::Attestations(_) => "attestation",
    };
    if let Some((reason, text)) = &refusals.fault {
        return (*reason, failed(what, text));
    }
    if !is_over {
        return (Reason::DeadlineExceeded, failed(what, "no answer in time"));
    }
    let missing = evidence.missing();
    if let Some((_, Some((reason, text)))) = missing {
        return (*reason, text.clone());
    }
    if let Some((attestation, None)) = missing
        && (refusals.verified > 0 || refusals.list.is_empty() && refusals.unwanted > 0)
    {
        let types: Vec<_> = evidence.verified_types.iter().map(String::as_str).collect();
        let text = format!(
            "no matching attestations with type {}, checked the following predicateTypes: \"{}\"",
            attestation.predicate_type,
            types.join(",")
        );
        return (Reason::NoMatchingAttestations, text);
    }
    let texts = refusals.texts();
    match (&signed.wanted, refusals.list.iter().map(explain::reason).max()) {
        (Wanted::Signature, None) => (Reason::NoSignatures, failed(what, "no signatures found")),
        (Wanted::Attestations(_), None) => {
            (Reason::NoAttestations, failed(what, "no matching attestations: "))
        }
        (Wanted::Signature, Some(weight)) => {
            let reason = weight.reason().unwrap_or(Reason::NoMatchingSignatures);
            (reason, failed(what, &format!("no matching signatures: {texts}")))
        }
        (Wanted::Attestations(_), Some(weight)) => {
            let reason = weight.reason().unwrap_or(Reason::NoMatchingAttestations);
            (reason, failed(what, &format!("no matching attestations: {texts}")))
        }
    }
}

impl Refusals {
    fn texts(&self) -> String {
        let mut texts: Vec<String> = Vec::new();
        for text in self.list.iter().map(ToString::to_string) {
            if texts.len() < MAX_TEXTS && !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts.join("\n ")
    }
}

/// What was done, and what remains to do.
fn hint(evidence: &EvidenceState, image: &ImageRef, is_over: bool) -> String {
    let (signed, refusals) = (&evidence.question.signed, &evidence.refusals);
    let repository: &Repository = signed.place.repository.as_ref().unwrap_or(image.repository());
    let noun = match signed.wanted {
        Wanted::Signature => "signature(s)",
        Wanted::Attestations(_) => "attestation(s)",
    };
    let found = match (refusals.list.len(), refusals.verified, &refusals.fault) {
        (0, 0, Some(_)) => None,
        (0, 0, None) if !is_over => None,
        (0, 0, None) => {
            let places: Vec<_> =
                evidence.question.sources.iter().map(|source| place(source, image)).collect();
            Some(format!("looked for {} in {repository} and found none", places.join(" and ")))
        }
        (refused, 0, _) => {
            let whom = match &signed.signatory {
                Signatory::Key(key) => format!("under the key {}", key.fingerprint()),
                Signatory::Keyless(_) => "for a keyless authority".to_owned(),
            };
            Some(format!("{refused} {noun} found in {repository}, none of them good {whom}"))
        }
        (refused, verified, _) => {
            let but = if evidence.errors.iter().any(Option::is_some) {
                "refused by the policy over its statement, or of another type"
            } else {
                "of another type"
            };
            Some(format!(
                "{} {noun} found in {repository}, {verified} of them good, and {but}",
                refused + verified
            ))
        }
    };
    let is_silent = refusals.fault.is_some() || !is_over;
    let fault = is_silent.then(|| silence(evidence, image, repository));
    let mut explanations: Vec<String> = Vec::new();
    for text in refusals.list.iter().filter_map(|refusal| explain::hint(refusal, &evidence.question)) {
        if explanations.len() < MAX_HINTS && !explanations.contains(&text) {
            explanations.push(text);
        }
    }
    let skipped = (refusals.skipped > 0).then(|| format!("{} more not looked at", refusals.skipped));
    let unwanted = (refusals.unwanted > 0 && matches!(signed.wanted, Wanted::Attestations(_)))
        .then(|| format!("{} listed as of other types not looked at", refusals.unwanted));
    let parts = fault.into_iter().chain(found).chain(explanations).chain(skipped).chain(unwanted);
    parts.collect::<Vec<_>>().join("; ")
}

/// What has to be put right before the evidence can be read.
fn silence(evidence: &EvidenceState, image: &ImageRef, repository: &Repository) -> String {
    let registry = repository.registry();
    let secrets = &evidence.question.signed.place.pull_secrets;
    let secrets = if secrets.is_empty() {
        "the workload's pull secrets".to_owned()
    } else {
        format!("the policy's signaturePullSecrets {}", secrets.join(", "))
    };
    let reason = evidence.refusals.fault.as_ref().map(|(reason, _)| *reason);
    if reason == Some(Reason::RegistryUnauthorized) {
        return format!("the registry {registry} wants a login, or another one than that of {secrets}");
    }
    if reason == Some(Reason::PullSecretUnusable) {
        return format!("the registry {registry} is not asked before {secrets} can be used");
    }
    let digest = image.digest().map_or_else(|| image.name(), |digest| digest.to_string());
    format!("the registry {registry} has to answer before {digest} can be judged")
}

fn place(source: &Source, image: &ImageRef) -> String {
    match &source.shelf {
        Shelf::Referrers => {
            let digest = image.digest().map_or_else(|| image.name(), |digest| digest.to_string());
            format!("bundles among the referrers of {digest}")
        }
        Shelf::Signatures(tag) | Shelf::Attestations(tag) => format!("the tag {tag}"),
    }
}
