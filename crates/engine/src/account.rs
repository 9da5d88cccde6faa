//! What a verdict rests on, for a person who asks: see [`Engine::explain`](crate::Engine::explain).
//!
//! Admission keeps none of it.

use std::sync::Arc;

use trustwright_core::{Cause, Digest, Reason, Repository, Verdict};
use trustwright_policy::{Attestation, Language, Outcome, Policy, Ruling};
use trustwright_verify::Facts;

use crate::{
    ImageField,
    collect::{Listing, Shelf, Source},
    evaluation::Refused,
};

/// The verdict on an image, and what it rests on.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The image, and where it stands.
    pub field: ImageField,
    /// The verdict of all policies together.
    pub verdict: Verdict,
    /// Each policy that speaks of the image, by name.
    pub policies: Vec<PolicyAccount>,
}

/// What one policy says of an image.
#[derive(Debug, Clone)]
pub struct PolicyAccount {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Its own verdict.
    pub verdict: Verdict,
    /// Its authorities, in order; without those that nobody asked, because the policy has a problem of its own.
    pub authorities: Vec<AuthorityAccount>,
    /// What its rule says, where it has one and an authority vouches.
    pub ruling: Option<Ruling>,
}

/// What one authority found.
#[derive(Debug, Clone)]
pub struct AuthorityAccount {
    /// Its name.
    pub name: String,
    /// What that comes to.
    pub outcome: Outcome,
    /// What became of everything that was found; empty where no evidence is looked for.
    pub trace: Trace,
}

/// What became of everything that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Where evidence was looked for.
    pub places: Vec<Place>,
    /// What was there, in the order in which it was read.
    pub pieces: Vec<Piece>,
    /// Faults that may hide evidence.
    pub faults: Vec<(Reason, String)>,
    /// How many more pieces nobody looked at, because there are too many.
    pub skipped: usize,
}

/// A place in which evidence may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The repository.
    pub repository: Repository,
    /// Cosign's tag; none for the referrers of the image.
    pub tag: Option<String>,
}

/// A piece of evidence, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it is.
    pub place: Place,
    /// As what the registry lists it: an attestation's predicate type. Nobody has signed that.
    pub declared: Option<String>,
    /// Its digest; that of its manifest where nobody has looked into it.
    pub digest: Digest,
    /// The manifest that holds it, where that was found by its subject.
    pub manifest: Option<Digest>,
    /// Its size in bytes, as the registry claims.
    pub size: u64,
    /// What became of it.
    pub judging: Judging,
}

/// What became of a piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judging {
    /// The authority asks for something else.
    NotAskedFor,
    /// It does not verify, or somebody else has signed it.
    Refused(Cause),
    /// It verifies. A signature counts by that; an attestation where one of these is for it and accepts it.
    Verified(Box<Facts>, Vec<Judged>),
}

/// What an entry of `attestations` says of a statement of its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The entry's name.
    pub name: String,
    /// Its `predicateType`, as the policy has it.
    pub predicate_type: String,
    /// The language of its policy, where it has one.
    pub language: Option<Language>,
    /// Why it refuses, if it does.
    pub refused: Option<(Reason, String)>,
}

impl Judged {
    pub(crate) fn of(attestation: &Attestation, refused: Option<&Refused>) -> Self {
        Self {
            name: attestation.name.clone(),
            predicate_type: attestation.predicate_type.clone(),
            language: attestation.rule.as_ref().map(|rule| rule.language),
            refused: refused.cloned(),
        }
    }
}

impl Trace {
    /// One of nothing yet, of these places.
    pub(crate) fn new(sources: &[Source]) -> Self {
        Self { places: sources.iter().map(Place::of).collect(), ..Self::default() }
    }

    /// Takes note of a piece of evidence; returns its number.
    pub(crate) fn found(&mut self, source: &Source, listing: &Listing, judging: Judging) -> usize {
        let Listing { declared, digest, manifest, size } = listing.clone();
        self.pieces.push(Piece { place: Place::of(source), declared, digest, manifest, size, judging });
        self.pieces.len() - 1
    }

    /// Takes note of what an entry says of the piece of that number.
    pub(crate) fn judged(&mut self, number: usize, judged: Judged) {
        if let Some(Piece { judging: Judging::Verified(_, entries), .. }) = self.pieces.get_mut(number) {
            entries.push(judged);
        }
    }

    /// Takes note of a fault.
    pub(crate) fn failed(&mut self, reason: Reason, text: &str) {
        self.faults.push((reason, text.to_owned()));
    }
}

impl Place {
    fn of(source: &Source) -> Self {
        let tag = match &source.shelf {
            Shelf::Referrers => None,
            Shelf::Signatures(tag) | Shelf::Attestations(tag) => Some(tag.clone()),
        };
        Self { repository: source.repository.clone(), tag }
    }
}
