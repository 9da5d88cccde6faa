//! What is known so far of those authorities of one policy that want evidence of one image.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use trustwright_core::{Digest, ImageRef, Repository};
use trustwright_policy::{
    Attestation, Attested, Fingerprint, Freshness, Match, Outcome, RootsKey, Signed, SignedBy, Wanted,
};
use trustwright_verify::{Facts, Refusal, Signature, Statement};

use crate::{
    account::{Judged, Judging, Trace},
    cache::{AuthorityKey, Voucher},
    collect::{Appetite, Event, Listing, Shelf, Source},
    evaluation::Refused,
    proof::{self, Proof, Verified},
    refuse::{self, Refusals},
};

/// The image, and when it is judged.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) image: ImageRef,
    pub(crate) digest: Digest,
    pub(crate) now: Timestamp,
}

/// What an authority wants to know.
#[derive(Debug)]
pub(crate) struct Question {
    /// The authority's name.
    pub(crate) name: String,
    pub(crate) signed: Arc<Signed>,
    /// What verifies the evidence.
    pub(crate) proof: Proof,
    /// What it trusts for that.
    pub(crate) roots: RootsKey,
    /// How that keeps up.
    pub(crate) freshness: [Option<Freshness>; 3],
    /// Where it may be.
    pub(crate) sources: Vec<Source>,
    /// What an answer rests on.
    pub(crate) key: AuthorityKey,
    /// When time alone takes a trust root out of force that the proof rests on.
    pub(crate) until: Option<Timestamp>,
}

/// What is known so far of one policy.
#[derive(Debug)]
pub(crate) struct Judgement {
    /// Whether everything that is there is wanted, and not only until one authority vouches.
    is_exhaustive: bool,
    states: Vec<EvidenceState>,
}

/// What is known so far of one authority.
#[derive(Debug)]
pub(crate) struct EvidenceState {
    pub(crate) question: Arc<Question>,
    /// What counts.
    found: Found,
    /// Until when what counts does.
    valid_until: Option<Timestamp>,
    /// For each attestation that is asked for, why a statement of its type was refused first.
    pub(crate) errors: Vec<Option<Refused>>,
    /// The predicate types of what verified.
    pub(crate) verified_types: BTreeSet<String>,
    pub(crate) refusals: Refusals,
    /// What became of everything that was found, where somebody wants to know.
    trace: Option<Trace>,
}

/// What counts, of one authority.
#[derive(Debug)]
enum Found {
    Signatures(Vec<SignedBy>),
    /// For each attestation that is asked for.
    Attestations(Vec<Vec<Counted>>),
}

/// An attestation that counts, and the document that complied with its rule.
#[derive(Debug, Clone)]
struct Counted {
    attested: Attested,
    document: Option<Arc<[u8]>>,
}

/// An attestation that has verified, whose statement is to be held against its rule.
pub(crate) struct Task {
    state: usize,
    index: usize,
    pub(crate) attestation: Attestation,
    pub(crate) statement: Statement,
    attested: Attested,
    valid_until: Option<Timestamp>,
    /// Which of the traced pieces of evidence it is.
    traced: Option<usize>,
}

impl Judgement {
    /// The questions of one policy. `is_exhaustive` where everything that is there is wanted.
    pub(crate) fn new(questions: Vec<Arc<Question>>, is_exhaustive: bool) -> Self {
        Self { is_exhaustive, states: questions.into_iter().map(EvidenceState::new).collect() }
    }

    /// The same, keeping account of everything that it hears.
    #[must_use]
    pub(crate) fn traced(mut self) -> Self {
        for state in &mut self.states {
            state.trace = Some(Trace::new(&state.question.sources));
        }
        self
    }

    /// What became of everything that was found, of each authority in the order of the questions; empty unless
    /// [`Judgement::traced`].
    pub(crate) fn traces(&self) -> Vec<Trace> {
        self.states.iter().filter_map(|state| state.trace.clone()).collect()
    }

    /// Whether evidence from `source` could change the verdict.
    pub(crate) fn wants(&self, source: &Source) -> bool {
        self.hungry().any(|state| state.question.sources.contains(source))
    }

    /// What is wanted of `source`.
    pub(crate) fn appetite(&self, source: &Source) -> Appetite {
        let mut appetite = Appetite::default();
        for state in self.hungry().filter(|state| state.question.sources.contains(source)) {
            appetite.extend(&state.appetite());
        }
        appetite
    }

    /// Takes in what is at `source`. `known` keeps what is verified for several authorities. What it returns is to be
    /// evaluated, and handed to [`Judgement::accept`].
    pub(crate) fn hear(
        &mut self,
        source: &Source,
        subject: &Subject,
        event: &Event,
        known: &mut Verified,
    ) -> Vec<Task> {
        let mut tasks = Vec::new();
        for index in 0..self.states.len() {
            if self.is_settled() {
                break;
            }
            let is_exhaustive = self.is_exhaustive;
            let Some(state) = self.states.get_mut(index) else { break };
            if state.question.sources.contains(source) && (is_exhaustive || !state.vouches()) {
                tasks.extend(state.hear(index, source, subject, event, known));
            }
        }
        tasks
    }

    /// Takes in what became of an attestation: the document that complies, or why it does not count.
    pub(crate) fn accept(&mut self, task: Task, evaluated: Result<Option<Arc<[u8]>>, Refused>) {
        let Some(state) = self.states.get_mut(task.state) else { return };
        if let (Some(trace), Some(traced)) = (&mut state.trace, task.traced) {
            trace.judged(traced, Judged::of(&task.attestation, evaluated.as_ref().err()));
        }
        match evaluated {
            Ok(document) => {
                state.outlives(task.valid_until);
                if let Found::Attestations(named) = &mut state.found
                    && let Some(counted) = named.get_mut(task.index)
                {
                    counted.push(Counted { attested: task.attested, document });
                }
            }
            Err(refused) => {
                if let Some(error) = state.errors.get_mut(task.index) {
                    error.get_or_insert(refused);
                }
            }
        }
    }

    /// What each authority found, in the order of the questions. Where it `is_over` is told for what has no answer.
    pub(crate) fn outcomes(&self, image: &ImageRef, is_over: bool) -> Vec<Outcome> {
        let outcome = |state: &EvidenceState| match state.vouches().then(|| state.found()) {
            Some(found) => Outcome::Vouched(found),
            None => Outcome::Refused(refuse::unproven(state, image, is_over)),
        };
        self.states.iter().map(outcome).collect()
    }

    /// What may be remembered: of each authority that vouches, by what it rests on. Where everything is wanted, only if
    /// nothing was hidden by a fault, or refused by a policy that may think otherwise tomorrow.
    pub(crate) fn vouchers(&self) -> impl Iterator<Item = (AuthorityKey, Voucher)> {
        let is_whole =
            |state: &&EvidenceState| !state.refusals.has_fault() && state.errors.iter().all(Option::is_none);
        let states = self.states.iter().filter(|state| state.vouches());
        states.filter(move |state| !self.is_exhaustive || is_whole(state)).map(EvidenceState::voucher)
    }

    /// The trust roots, as they were, that do not know what evidence speaks of, of authorities that do not vouch.
    pub(crate) fn misses(&self) -> impl Iterator<Item = (&str, Fingerprint)> {
        let states = self.states.iter().filter(|state| !state.vouches());
        states.flat_map(|state| state.refusals.unknown(&state.question.signed, &state.question.roots))
    }

    /// Whether the same would be found again in a moment: nothing depends on time, on the text of a policy or on a fault.
    pub(crate) fn is_lasting(&self) -> bool {
        self.states.iter().all(|state| {
            let is_fixed = state.valid_until.is_none() && state.errors.iter().all(Option::is_none);
            is_fixed && !state.refusals.has_fault() && state.documents().next().is_none()
        })
    }

    fn hungry(&self) -> impl Iterator<Item = &EvidenceState> {
        let settled = self.is_settled();
        self.states.iter().filter(move |_| !settled)
    }

    /// Whether nothing that a registry could say would change the verdict.
    pub(crate) fn is_settled(&self) -> bool {
        !self.is_exhaustive && self.states.iter().any(EvidenceState::vouches)
    }
}

impl Question {
    /// Where the evidence may be.
    pub(crate) fn sources(signed: &Signed, subject: &Subject) -> Vec<Source> {
        let place = &signed.place;
        let repository: &Repository = place.repository.as_ref().unwrap_or(subject.image.repository());
        let tag = |end: &str| format!("{}sha256-{}.{end}", place.tag_prefix, subject.digest.hex());
        let legacy = match &signed.wanted {
            Wanted::Signature => Shelf::Signatures(tag("sig")),
            Wanted::Attestations(_) => Shelf::Attestations(tag("att")),
        };
        let bundles = signed.formats.bundle.then_some(Shelf::Referrers);
        let shelves = bundles.into_iter().chain(signed.formats.legacy.then_some(legacy));
        let pull_secrets = &place.pull_secrets;
        let source =
            |shelf| Source { repository: repository.clone(), shelf, pull_secrets: pull_secrets.clone() };
        shelves.map(source).collect()
    }

    fn attestations(&self) -> &[Attestation] {
        match &self.signed.wanted {
            Wanted::Signature => &[],
            Wanted::Attestations(attestations) => attestations,
        }
    }
}

impl EvidenceState {
    fn new(question: Arc<Question>) -> Self {
        let wanted = question.attestations().len();
        let found = match &question.signed.wanted {
            Wanted::Signature => Found::Signatures(Vec::new()),
            Wanted::Attestations(_) => Found::Attestations(vec![Vec::new(); wanted]),
        };
        Self {
            question,
            found,
            valid_until: None,
            errors: vec![None; wanted],
            verified_types: BTreeSet::new(),
            refusals: Refusals::default(),
            trace: None,
        }
    }

    fn appetite(&self) -> Appetite {
        Appetite {
            signatures: self.question.signed.wanted == Wanted::Signature,
            predicates: self.question.attestations().iter().map(|wanted| wanted.uri.clone()).collect(),
        }
    }

    fn hear(
        &mut self,
        index: usize,
        source: &Source,
        subject: &Subject,
        event: &Event,
        known: &mut Verified,
    ) -> Vec<Task> {
        match event {
            Event::Found { listing, .. } if !self.appetite().accepts(listing.declared.as_deref()) => {
                self.trace(source, listing, || Judging::NotAskedFor);
            }
            Event::Found { signature, listing } => match signature {
                Ok(signature) => return self.check(index, source, signature, listing, subject, known),
                Err(refusal) => self.refuse(source, listing, refusal.clone()),
            },
            Event::Fault(reason, text) => {
                if let Some(trace) = &mut self.trace {
                    trace.failed(*reason, text);
                }
                self.refusals.failed(*reason, text);
            }
            Event::Skipped(count) => {
                if let Some(trace) = &mut self.trace {
                    trace.skipped += count;
                }
                self.refusals.skipped(*count);
            }
            Event::Unwanted(listings) => {
                for listing in listings {
                    self.trace(source, listing, || Judging::NotAskedFor);
                }
                self.refusals.unwanted(listings.len());
            }
        }
        Vec::new()
    }

    /// Takes note of what became of a piece of evidence, where somebody wants to know; returns its number.
    fn trace(
        &mut self,
        source: &Source,
        listing: &Listing,
        judging: impl FnOnce() -> Judging,
    ) -> Option<usize> {
        Some(self.trace.as_mut()?.found(source, listing, judging()))
    }

    fn refuse(&mut self, source: &Source, listing: &Listing, refusal: Refusal) {
        if let Some(trace) = &mut self.trace {
            let cause = refuse::evidence(&self.question, &refusal);
            trace.found(source, listing, Judging::Refused(cause));
        }
        self.refusals.refused(refusal);
    }

    fn check(
        &mut self,
        index: usize,
        source: &Source,
        signature: &Signature,
        listing: &Listing,
        subject: &Subject,
        known: &mut Verified,
    ) -> Vec<Task> {
        let question = Arc::clone(&self.question);
        let signed = &question.signed;
        let facts = match question.proof.check(signature, signed, subject, known) {
            Ok(facts) => facts,
            // Not an attestation at all, but some signature that lies in the same place.
            Err(Refusal::NoStatement) if !question.attestations().is_empty() => {
                self.trace(source, listing, || Judging::NotAskedFor);
                return Vec::new();
            }
            Err(refusal) => {
                self.refuse(source, listing, refusal);
                return Vec::new();
            }
        };
        let traced = self.trace(source, listing, || Judging::Verified(Box::new(facts.clone()), Vec::new()));
        let Facts { signer, statement, valid_until, .. } = facts;
        let by = SignedBy { id: signature.id(proof::claim(&signed.wanted)).hex(), signer };
        if let Found::Signatures(signatures) = &mut self.found {
            signatures.push(by);
            self.outlives(valid_until);
            return Vec::new();
        }
        self.refusals.verified();
        let Some(statement) = statement else { return Vec::new() };
        self.verified_types.insert(statement.predicate_type.clone());
        let task = |(at, attestation): (usize, &Attestation)| Task {
            state: index,
            index: at,
            attestation: attestation.clone(),
            statement: statement.clone(),
            attested: Attested {
                by: by.clone(),
                predicate_type: attestation.predicate_type.clone(),
                digest: listing.digest,
            },
            valid_until,
            traced,
        };
        let wanted = question.attestations().iter().enumerate();
        wanted.filter(|(_, attestation)| attestation.uri == statement.predicate_type).map(task).collect()
    }

    /// Takes note that something counts until then only.
    fn outlives(&mut self, valid_until: Option<Timestamp>) {
        self.valid_until = self.valid_until.into_iter().chain(valid_until).min();
    }

    pub(crate) fn vouches(&self) -> bool {
        match &self.found {
            Found::Signatures(signatures) => !signatures.is_empty(),
            Found::Attestations(named) => {
                !named.is_empty() && named.iter().all(|counted| !counted.is_empty())
            }
        }
    }

    /// The first attestation that is asked for and not there, and why a statement of its type was refused.
    pub(crate) fn missing(&self) -> Option<(&Attestation, Option<&Refused>)> {
        let Found::Attestations(named) = &self.found else { return None };
        let index = named.iter().position(Vec::is_empty)?;
        Some((self.question.attestations().get(index)?, self.errors.get(index).and_then(Option::as_ref)))
    }

    fn found(&self) -> Match {
        match &self.found {
            Found::Signatures(signatures) => Match::Signatures(signatures.clone()),
            Found::Attestations(named) => {
                let mut found: BTreeMap<String, Vec<Attested>> = BTreeMap::new();
                for (wanted, counted) in self.question.attestations().iter().zip(named) {
                    let attested = counted.iter().map(|counted| counted.attested.clone());
                    found.entry(wanted.name.clone()).or_default().extend(attested);
                }
                Match::Attestations(found)
            }
        }
    }

    /// The documents that complied with a rule, by the index of the attestation.
    fn documents(&self) -> impl Iterator<Item = (usize, Arc<[u8]>)> {
        let named = match &self.found {
            Found::Signatures(_) => &[],
            Found::Attestations(named) => named.as_slice(),
        };
        named.iter().enumerate().flat_map(|(index, counted)| {
            counted.iter().filter_map(move |one| Some((index, Arc::clone(one.document.as_ref()?))))
        })
    }

    fn voucher(&self) -> (AuthorityKey, Voucher) {
        let valid_until = self.valid_until.into_iter().chain(self.question.until).min();
        let voucher = Voucher { found: self.found(), documents: self.documents().collect(), valid_until };
        (self.question.key, voucher)
    }
}
