//! What is known so far of one policy and one image.

use std::collections::BTreeSet;

use jiff::Timestamp;
use trustwright_core::{Digest, ImageRef, Repository};
use trustwright_policy::{Authority, Check, NotReady, Outcome, Policy, Signed, Wanted};
use trustwright_verify::{Refusal, Signature};

use crate::{
    collect::{Appetite, Event, Shelf, Source},
    proof::{Proof, Verified},
    refuse::{self, Refusals},
};

/// The image, and when it is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) image: &'a ImageRef,
    pub(crate) digest: Digest,
    pub(crate) now: Timestamp,
}

/// What is known so far of one policy.
pub(crate) struct Judgement<'s> {
    policy: &'s Policy,
    authorities: Vec<AuthorityState<'s>>,
}

/// What is known so far of one authority.
pub(crate) struct AuthorityState<'s> {
    pub(crate) authority: &'s Authority,
    vouched: bool,
    evidence: Option<EvidenceState<'s>>,
}

/// What is known so far of one authority that wants evidence.
pub(crate) struct EvidenceState<'s> {
    pub(crate) signed: &'s Signed,
    /// Where it may be; nowhere, where nothing could be verified.
    pub(crate) sources: Vec<Source>,
    /// What verifies it, or which trust roots are missing.
    pub(crate) proof: Result<Proof<'s>, Vec<NotReady>>,
    /// Whether a signature has been found.
    signed_by_them: bool,
    /// For each attestation that is asked for, whether it has been found.
    pub(crate) satisfied: Vec<bool>,
    /// The predicate types of what verified.
    pub(crate) verified_types: BTreeSet<String>,
    pub(crate) refusals: Refusals,
}

impl<'s> Judgement<'s> {
    /// `prove` finds what an authority verifies with.
    pub(crate) fn new(
        policy: &'s Policy,
        subject: &Subject<'_>,
        mut prove: impl FnMut(&'s Signed) -> Result<Proof<'s>, Vec<NotReady>>,
    ) -> Self {
        let authorities = policy
            .authorities
            .iter()
            .map(|authority| AuthorityState {
                authority,
                vouched: matches!(authority.check, Check::Pass),
                evidence: match &authority.check {
                    // Of a policy with a problem of its own nobody looks for evidence.
                    Check::Signed(signed) if policy.problems.is_empty() => {
                        Some(EvidenceState::new(signed, subject, prove(signed)))
                    }
                    Check::Signed(_) | Check::Pass | Check::Fail(_) | Check::NotReady(_) => None,
                },
            })
            .collect();
        Self { policy, authorities }
    }

    /// The places in which evidence could change the verdict.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.hungry().flat_map(|state| &state.sources)
    }

    /// Whether evidence from `source` could change the verdict.
    pub(crate) fn wants(&self, source: &Source) -> bool {
        self.hungry().any(|state| state.sources.contains(source))
    }

    /// What is wanted of `source`.
    pub(crate) fn appetite(&self, source: &Source) -> Appetite {
        let mut appetite = Appetite::default();
        for state in self.hungry().filter(|state| state.sources.contains(source)) {
            appetite.extend(&state.appetite());
        }
        appetite
    }

    /// Takes in what is at `source`. `known` keeps what is verified for several authorities.
    pub(crate) fn hear(
        &mut self,
        source: &Source,
        subject: &Subject<'_>,
        event: &Event,
        known: &mut Verified,
    ) {
        if self.settled() {
            return;
        }
        for state in &mut self.authorities {
            let Some(evidence) = &mut state.evidence else { continue };
            if !state.vouched && evidence.sources.contains(source) {
                evidence.hear(subject, event, known);
                state.vouched = evidence.vouches();
            }
        }
    }

    /// The policy and what each of its authorities found. Of a policy with a problem of its own only the
    /// authorities speak that need no evidence: nobody has looked for any.
    pub(crate) fn outcomes(self, image: &ImageRef) -> (&'s Policy, Vec<Outcome>) {
        let is_heard = |state: &AuthorityState<'_>| {
            self.policy.problems.is_empty() || !matches!(state.authority.check, Check::Signed(_))
        };
        let outcome = |state: AuthorityState<'_>| {
            if state.vouched {
                return Outcome::Vouched;
            }
            Outcome::Refused(refuse::cause(state.authority, state.evidence.as_ref(), image))
        };
        (self.policy, self.authorities.into_iter().filter(is_heard).map(outcome).collect())
    }

    fn hungry(&self) -> impl Iterator<Item = &EvidenceState<'s>> {
        let settled = self.settled();
        self.authorities.iter().filter(move |_| !settled).filter_map(|state| state.evidence.as_ref())
    }

    /// Whether nothing that a registry could say would change the verdict.
    fn settled(&self) -> bool {
        !self.policy.problems.is_empty() || self.authorities.iter().any(|state| state.vouched)
    }
}

impl<'s> EvidenceState<'s> {
    fn new(signed: &'s Signed, subject: &Subject<'_>, proof: Result<Proof<'s>, Vec<NotReady>>) -> Self {
        let wanted = match &signed.wanted {
            Wanted::Signature => 0,
            Wanted::Attestations(attestations) => attestations.len(),
        };
        let sources = if proof.is_ok() { sources(signed, subject) } else { Vec::new() };
        Self {
            signed,
            sources,
            proof,
            signed_by_them: false,
            satisfied: vec![false; wanted],
            verified_types: BTreeSet::new(),
            refusals: Refusals::default(),
        }
    }

    fn appetite(&self) -> Appetite {
        match &self.signed.wanted {
            Wanted::Signature => Appetite { signatures: true, predicates: BTreeSet::new() },
            Wanted::Attestations(attestations) => Appetite {
                signatures: false,
                predicates: attestations.iter().map(|attestation| attestation.uri.clone()).collect(),
            },
        }
    }

    fn hear(&mut self, subject: &Subject<'_>, event: &Event, known: &mut Verified) {
        match event {
            Event::Found { declared, .. } if !self.appetite().accepts(declared.as_deref()) => {}
            Event::Found { signature, .. } => match signature {
                Ok(signature) => self.check(signature, subject, known),
                Err(refusal) => self.refusals.refused(refusal.clone()),
            },
            Event::Fault(reason, text) => self.refusals.failed(*reason, text),
            Event::Skipped(count) => self.refusals.skipped(*count),
            Event::Unwanted(count) => self.refusals.unwanted(*count),
        }
    }

    fn check(&mut self, signature: &Signature, subject: &Subject<'_>, known: &mut Verified) {
        let Ok(proof) = &self.proof else { return };
        let found = proof.check(signature, self.signed, subject, known);
        match (&self.signed.wanted, found) {
            // Not an attestation at all, but some signature that lies in the same place.
            (Wanted::Attestations(_), Err(Refusal::NoStatement)) => {}
            (_, Err(refusal)) => self.refusals.refused(refusal),
            (Wanted::Signature, Ok(_)) => self.signed_by_them = true,
            (Wanted::Attestations(attestations), Ok(predicate_type)) => {
                for (attestation, satisfied) in attestations.iter().zip(&mut self.satisfied) {
                    *satisfied |= predicate_type.as_deref() == Some(attestation.uri.as_str());
                }
                self.refusals.verified();
                self.verified_types.extend(predicate_type);
            }
        }
    }

    fn vouches(&self) -> bool {
        match &self.signed.wanted {
            Wanted::Signature => self.signed_by_them,
            Wanted::Attestations(_) => {
                !self.satisfied.is_empty() && self.satisfied.iter().all(|found| *found)
            }
        }
    }
}

/// Where the evidence may be that an authority asks for.
fn sources(signed: &Signed, subject: &Subject<'_>) -> Vec<Source> {
    let place = &signed.place;
    let repository: &Repository = place.repository.as_ref().unwrap_or(subject.image.repository());
    let tag = |end: &str| format!("{}sha256-{}.{end}", place.tag_prefix, subject.digest.hex());
    let legacy = match &signed.wanted {
        Wanted::Signature => Shelf::Signatures(tag("sig")),
        Wanted::Attestations(_) => Shelf::Attestations(tag("att")),
    };
    let bundles = signed.formats.bundle.then_some(Shelf::Referrers);
    let shelves = bundles.into_iter().chain(signed.formats.legacy.then_some(legacy));
    shelves.map(|shelf| Source { repository: repository.clone(), shelf }).collect()
}
