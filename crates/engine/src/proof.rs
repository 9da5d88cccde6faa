//! What an authority verifies with, and what has been verified already.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use trustwright_policy::{NotReady, Part, Roots, RootsKey, Signatory, Signed, Snapshot, Wanted};
use trustwright_verify::{
    Artifact, Claim, Facts, IdentityPattern, PublicKey, Refusal, Request, Requirements, Signature, Signer,
    Verifier, check, check_attestation,
};

use crate::judgement::Subject;

/// Verifiers that are kept: more than a cluster has trust roots, and they are made anew where that is wrong.
const MAX_VERIFIERS: usize = 64;

/// What an authority verifies with.
pub(crate) enum Proof<'s> {
    /// A key by itself.
    Key(&'s PublicKey),
    /// A key, and what a log or a timestamp authority says.
    Witnessed(&'s PublicKey, Arc<Verifier>),
    /// Certificates of these.
    Certificate(&'s [IdentityPattern], Arc<Verifier>),
}

/// What was found of one piece of evidence, by what was asked: several authorities ask the same.
#[derive(Debug, Default)]
pub(crate) struct Verified(HashMap<([u8; 32], Requirements, Claim), Result<Facts, Refusal>>);

/// The verifiers of trust roots, each made once for what it trusts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verifiers(Arc<Mutex<BTreeMap<RootsKey, Arc<Verifier>>>>);

type Found = Result<Arc<Verifier>, NotReady>;

/// The verifiers of one request, found once for each set of roots: to take fingerprints is work.
pub(crate) struct Provers<'s> {
    verifiers: &'s Verifiers,
    snapshot: &'s Snapshot,
    found: Mutex<HashMap<[usize; 3], Found>>,
}

impl<'s> Provers<'s> {
    pub(crate) fn new(verifiers: &'s Verifiers, snapshot: &'s Snapshot) -> Self {
        Self { verifiers, snapshot, found: Mutex::default() }
    }

    pub(crate) const fn snapshot(&self) -> &'s Snapshot {
        self.snapshot
    }

    /// Finds what `signed` verifies with.
    pub(crate) fn prove(&self, signed: &'s Signed) -> Result<Proof<'s>, Vec<NotReady>> {
        let find = |roots: Roots<'_>| {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            let known = found.entry(roots.addresses()).or_insert_with(|| self.verifiers.verifier(&roots));
            known.clone().map_err(|problem| vec![problem])
        };
        let verifier = signed.roots(&self.snapshot.trust)?.map(find).transpose()?;
        match (&signed.signatory, verifier) {
            (Signatory::Key(key), None) => Ok(Proof::Key(key)),
            (Signatory::Key(key), Some(verifier)) => Ok(Proof::Witnessed(key, verifier)),
            (Signatory::Keyless(identities), Some(verifier)) => Ok(Proof::Certificate(identities, verifier)),
            // A certificate always rests on a root, so this is only ever reached by a bug; it refuses all the same.
            (Signatory::Keyless(_), None) => Err(vec![unusable("no trust root")]),
        }
    }
}

impl Verifiers {
    fn verifier(&self, roots: &Roots<'_>) -> Found {
        let key = roots.key();
        // What another thread did before it panicked is whole: entries are put in at once.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verifier) = known.get(&key) {
            return Ok(Arc::clone(verifier));
        }
        let made = roots.verifier().ok_or_else(|| unusable("nothing of the trust root is in force"))?;
        let verifier = Arc::new(made.map_err(|error| unusable(&error.to_string()))?);
        if known.len() >= MAX_VERIFIERS {
            known.clear();
        }
        known.insert(key, Arc::clone(&verifier));
        Ok(verifier)
    }
}

fn unusable(problem: &str) -> NotReady {
    NotReady { part: Part::TrustRoots, field: "spec.authorities".into(), problem: problem.to_owned() }
}

impl Proof<'_> {
    /// Verifies `signature`. Returns the predicate type, where it is an attestation.
    pub(crate) fn check(
        &self,
        signature: &Signature,
        signed: &Signed,
        subject: &Subject<'_>,
        known: &mut Verified,
    ) -> Result<Option<String>, Refusal> {
        let claim = match signed.wanted {
            Wanted::Signature => Claim::Signature,
            Wanted::Attestations(_) => Claim::Attestation,
        };
        let requirements = signed.requirements;
        let (artifact, now) = (Artifact::Digest(subject.digest), subject.now);
        let request = Request { artifact, claim, requirements, now };
        let predicate_type =
            |facts: &Facts| facts.statement.as_ref().map(|statement| statement.predicate_type.clone());
        match self {
            Self::Key(key) => {
                let check = match claim {
                    Claim::Signature => check,
                    Claim::Attestation => check_attestation,
                };
                check(signature, &subject.digest, key).map(|facts| predicate_type(&facts))
            }
            Self::Witnessed(key, verifier) => {
                verifier.verify_key(signature, key, &request).map(|facts| predicate_type(&facts))
            }
            Self::Certificate(identities, verifier) => {
                let asked = (*verifier.fingerprint().as_bytes(), requirements, claim);
                let facts = known
                    .0
                    .entry(asked)
                    .or_insert_with(|| verifier.verify_certificate(signature, &request))
                    .as_ref()
                    .map_err(Clone::clone)?;
                match &facts.signer {
                    Signer::Certificate(identity) => identity.check(identities)?,
                    // What has no certificate does not verify as one, so this is only ever reached by a bug.
                    Signer::Key(_) => return Err(Refusal::NoCertificate),
                }
                Ok(predicate_type(facts))
            }
        }
    }
}
