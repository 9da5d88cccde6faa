//! What an authority verifies with, and what has been verified already.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use trustwright_policy::{Freshness, NotReady, Part, Roots, RootsKey, Signatory, Signed, Snapshot, Wanted};
use trustwright_verify::{
    Artifact, Claim, Facts, Refusal, Request, Requirements, Signature, Signer, Verifier, check,
    check_attestation,
};

use crate::judgement::Subject;

/// Verifiers that are kept: more than a cluster has trust roots, and they are made anew where that is wrong.
const MAX_VERIFIERS: usize = 64;

/// What an authority verifies with, besides whom it accepts.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    /// Its key by itself.
    Key,
    /// Its key, and what a log or a timestamp authority says.
    Witnessed(Arc<Verifier>),
    /// Certificates.
    Certificate(Arc<Verifier>),
}

/// What was found of one piece of evidence, by what was asked: several authorities ask the same.
#[derive(Debug, Default)]
pub(crate) struct Verified(HashMap<([u8; 32], Requirements, Claim), Result<Facts, Refusal>>);

/// The verifiers of trust roots, each made once for what it trusts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verifiers(Arc<Mutex<BTreeMap<RootsKey, Arc<Verifier>>>>);

/// What verifies by certain roots, what is trusted in them, and when time alone takes one of them out of force.
#[derive(Debug, Clone)]
struct Trusted {
    verifier: Arc<Verifier>,
    key: RootsKey,
    freshness: [Option<Freshness>; 3],
    until: Option<Timestamp>,
}

type Found = Result<Trusted, NotReady>;

/// What an authority verifies with, what is trusted in that, and when time alone takes it out of force.
pub(crate) struct Proven {
    pub(crate) proof: Proof,
    pub(crate) roots: RootsKey,
    pub(crate) freshness: [Option<Freshness>; 3],
    pub(crate) until: Option<Timestamp>,
}

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
    pub(crate) fn prove(&self, signed: &Signed) -> Result<Proven, Vec<NotReady>> {
        let find = |roots: Roots<'_>| {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            let known = found.entry(roots.addresses()).or_insert_with(|| self.verifiers.verifier(&roots));
            known.clone().map_err(|problem| vec![problem])
        };
        let trusted = signed.roots(&self.snapshot.trust)?.map(find).transpose()?;
        let Some(Trusted { verifier, key, freshness, until }) = trusted else {
            return match signed.signatory {
                Signatory::Key(_) => {
                    let (roots, freshness) = Default::default();
                    Ok(Proven { proof: Proof::Key, roots, freshness, until: None })
                }
                // A certificate always rests on a root, so this is only ever reached by a bug; it refuses all the same.
                Signatory::Keyless(_) => Err(vec![unusable("no trust root")]),
            };
        };
        let proof = match signed.signatory {
            Signatory::Key(_) => Proof::Witnessed(verifier),
            Signatory::Keyless(_) => Proof::Certificate(verifier),
        };
        Ok(Proven { proof, roots: key, freshness, until })
    }
}

impl Verifiers {
    fn verifier(&self, roots: &Roots<'_>) -> Found {
        let (key, freshness, until) = (roots.key(), roots.freshness(), roots.until());
        // What another thread did before it panicked is whole: entries are put in at once.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verifier) = known.get(&key) {
            return Ok(Trusted { verifier: Arc::clone(verifier), key, freshness, until });
        }
        let made = roots.verifier().ok_or_else(|| unusable("nothing of the trust root is in force"))?;
        let verifier = Arc::new(made.map_err(|error| unusable(&error.to_string()))?);
        if known.len() >= MAX_VERIFIERS {
            known.clear();
        }
        known.insert(key, Arc::clone(&verifier));
        Ok(Trusted { verifier, key, freshness, until })
    }
}

fn unusable(problem: &str) -> NotReady {
    NotReady { part: Part::TrustRoots, field: "spec.authorities".into(), problem: problem.to_owned() }
}

impl Proof {
    /// Verifies `signature`.
    pub(crate) fn check(
        &self,
        signature: &Signature,
        signed: &Signed,
        subject: &Subject,
        known: &mut Verified,
    ) -> Result<Facts, Refusal> {
        let claim = claim(&signed.wanted);
        let requirements = signed.requirements;
        let (artifact, now) = (Artifact::Digest(subject.digest), subject.now);
        let request = Request { artifact, claim, requirements, now };
        match (self, &signed.signatory) {
            (Self::Key, Signatory::Key(key)) => {
                let check = match claim {
                    Claim::Signature => check,
                    Claim::Attestation => check_attestation,
                };
                check(signature, &subject.digest, key)
            }
            (Self::Witnessed(verifier), Signatory::Key(key)) => verifier.verify_key(signature, key, &request),
            (Self::Certificate(verifier), Signatory::Keyless(identities)) => {
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
                Ok(facts.clone())
            }
            // A proof is made for its signatory, so this is only ever reached by a bug.
            (Self::Key | Self::Witnessed(_) | Self::Certificate(_), _) => Err(Refusal::NoCertificate),
        }
    }
}

/// As what evidence has to be signed.
pub(crate) const fn claim(wanted: &Wanted) -> Claim {
    match wanted {
        Wanted::Signature => Claim::Signature,
        Wanted::Attestations(_) => Claim::Attestation,
    }
}
