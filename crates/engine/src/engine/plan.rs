//! What is known of a policy before anybody has looked for evidence, and what remains to be asked.

use std::sync::Arc;

use trustwright_policy::{Check, Match, Outcome, Policy, Wanted};

use super::Review;
use crate::{
    Counter, Engine,
    cache::{AuthorityKey, Kept, Voucher},
    judgement::{Question, Subject},
    proof::{Proven, Provers},
    refuse,
};

/// What is known of one policy, and what remains to be asked.
pub(super) struct Plan<'s> {
    pub(super) policy: &'s Arc<Policy>,
    /// Each authority that has a say, in order.
    standings: Vec<(String, Standing)>,
}

enum Standing {
    /// What it found.
    Known(Outcome),
    /// It wants evidence.
    Open(Arc<Question>),
}

impl<'s> Plan<'s> {
    /// Of a policy with a problem of its own only the authorities speak that need no evidence: nobody looks for any.
    pub(super) fn new(policy: &'s Arc<Policy>, subject: &Subject, provers: &Provers<'_>) -> Self {
        let standing = |authority: &'s trustwright_policy::Authority| {
            let standing = match &authority.check {
                Check::Pass => Standing::Known(Outcome::Vouched(Match::Static)),
                Check::Fail(_) | Check::NotReady(_) => {
                    Standing::Known(Outcome::Refused(refuse::cause(authority)))
                }
                Check::Signed(_) if !policy.problems.is_empty() => return None,
                Check::Signed(signed) => match provers.prove(signed) {
                    Err(problems) => {
                        let cause = refuse::rootless(&authority.name, signed, &problems);
                        Standing::Known(Outcome::Refused(cause))
                    }
                    Ok(Proven { proof, roots, until }) => {
                        let place = signed.place.repository.as_ref();
                        let repository = place.unwrap_or(subject.image.repository());
                        let all = policy.rule.is_some();
                        let key = AuthorityKey::of(repository, &subject.digest, signed, &roots, all);
                        let sources = Question::sources(signed, subject);
                        let (name, signed) = (authority.name.clone(), Arc::clone(signed));
                        Standing::Open(Arc::new(Question { name, signed, proof, roots, sources, key, until }))
                    }
                },
            };
            Some((authority.name.clone(), standing))
        };
        Self { policy, standings: policy.authorities.iter().filter_map(standing).collect() }
    }

    /// Whether every authority has to be asked, and not only until one vouches: a rule is given what each of them found.
    pub(super) fn is_exhaustive(&self) -> bool {
        self.policy.rule.is_some()
    }

    /// Whether nothing that a registry could say would change the verdict.
    fn is_settled(&self) -> bool {
        !self.policy.problems.is_empty() || !self.is_exhaustive() && self.is_vouched()
    }

    /// Whether an authority vouches for the image, as far as is known.
    pub(super) fn is_vouched(&self) -> bool {
        self.matches().next().is_some()
    }

    /// What the authorities found that vouch for the image, by name.
    pub(super) fn matches(&self) -> impl Iterator<Item = (&str, &Match)> {
        self.standings.iter().filter_map(|(name, standing)| match standing {
            Standing::Known(Outcome::Vouched(found)) => Some((name.as_str(), found)),
            Standing::Known(Outcome::Refused(_)) | Standing::Open(_) => None,
        })
    }

    /// Answers what it can from what `engine` remembers.
    pub(super) async fn recall(&mut self, engine: &Engine, review: &Review<'_>) {
        for index in 0..self.standings.len() {
            if self.is_settled() {
                return;
            }
            let Some((_, standing)) = self.standings.get_mut(index) else { return };
            let Standing::Open(question) = &*standing else { continue };
            let recalled = recall(engine, question, review).await;
            engine.metrics.add(if recalled.is_some() { Counter::Hit } else { Counter::Miss });
            if let Some(voucher) = recalled {
                *standing = Standing::Known(Outcome::Vouched(voucher.found.clone()));
            }
        }
    }

    /// What remains to be asked.
    pub(super) fn questions(&self) -> Vec<Arc<Question>> {
        let open = self.standings.iter().filter_map(|(_, standing)| match standing {
            Standing::Open(question) => Some(Arc::clone(question)),
            Standing::Known(_) => None,
        });
        if self.is_settled() { Vec::new() } else { open.collect() }
    }

    /// Takes in the answers to what was asked, in the order of [`Plan::questions`].
    pub(super) fn accept(&mut self, outcomes: Vec<Outcome>) {
        let open = self.standings.iter_mut().filter(|(_, standing)| matches!(standing, Standing::Open(_)));
        for ((_, standing), outcome) in open.zip(outcomes) {
            *standing = Standing::Known(outcome);
        }
    }

    /// What each authority found. What was not asked is left out: it changes nothing.
    pub(super) fn outcomes(self) -> Vec<Outcome> {
        let known = self.standings.into_iter().filter_map(|(_, standing)| match standing {
            Standing::Known(outcome) => Some(outcome),
            Standing::Open(_) => None,
        });
        known.collect()
    }
}

/// What is remembered, where every document complies with its rule once more: a rule may ask for the time.
async fn recall(engine: &Engine, question: &Question, review: &Review<'_>) -> Option<Arc<Voucher>> {
    let at = tokio::time::Instant::now();
    let Some(Kept::Voucher(voucher)) = engine.cache.get(&question.key, at, review.now) else { return None };
    for (index, document) in &voucher.documents {
        let Wanted::Attestations(attestations) = &question.signed.wanted else { return None };
        let attestation = attestations.get(*index)?;
        if !engine.evaluator.again(attestation, Arc::clone(document), review.deadline).await {
            return None;
        }
    }
    Some(voucher)
}
