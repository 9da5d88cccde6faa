//! What is known of a policy before anybody has looked for evidence, and what remains to be asked.

use std::{collections::BTreeMap, sync::Arc};

use trustwright_policy::{Check, Match, Outcome, Policy, Wanted};

use super::Review;
use crate::{
    AuthorityAccount, Counter, Engine, Trace,
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
    /// What became of what those found that were asked, by their number, where somebody wants to know: then everything is
    /// looked at.
    traces: Option<BTreeMap<usize, Trace>>,
}

enum Standing {
    /// What it found.
    Known(Outcome),
    /// It wants evidence.
    Open(Arc<Question>),
}

impl<'s> Plan<'s> {
    /// Of a policy with a problem of its own only the authorities speak that need no evidence: nobody looks for any.
    pub(super) fn new(
        policy: &'s Arc<Policy>,
        subject: &Subject,
        provers: &Provers<'_>,
        is_traced: bool,
    ) -> Self {
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
                    Ok(Proven { proof, roots, freshness, until }) => {
                        let place = signed.place.repository.as_ref();
                        let repository = place.unwrap_or(subject.image.repository());
                        let all = policy.rule.is_some();
                        let key = AuthorityKey::of(repository, &subject.digest, signed, &roots, all);
                        let sources = Question::sources(signed, subject);
                        let (name, signed) = (authority.name.clone(), Arc::clone(signed));
                        let question =
                            Question { name, signed, proof, roots, freshness, sources, key, until };
                        Standing::Open(Arc::new(question))
                    }
                },
            };
            Some((authority.name.clone(), standing))
        };
        let standings = policy.authorities.iter().filter_map(standing).collect();
        Self { policy, standings, traces: is_traced.then(BTreeMap::new) }
    }

    /// Whether every authority has to be asked, and not only until one vouches: a rule is given what each of them found.
    pub(super) fn is_exhaustive(&self) -> bool {
        self.policy.rule.is_some() || self.traces.is_some()
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

    /// Whether its rule will want the image's configurations, as far as is known.
    pub(super) fn wants_configs(&self) -> bool {
        let is_ruled = self.policy.rule.is_some() && self.policy.problems.is_empty();
        is_ruled && self.policy.includes.config && (self.is_vouched() || !self.questions().is_empty())
    }

    /// Whether `engine` remembers anything of what is asked.
    pub(super) fn is_remembered(&self, engine: &Engine, review: &Review<'_>) -> bool {
        let at = tokio::time::Instant::now();
        self.questions().iter().any(|question| engine.cache.get(&question.key, at, review.now).is_some())
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

    /// Takes in the answers to what was asked, in the order of [`Plan::questions`], and what became of what was found;
    /// that is empty unless somebody wants to know.
    pub(super) fn accept(&mut self, outcomes: Vec<Outcome>, traces: Vec<Trace>) {
        let mut traces = traces.into_iter();
        let open = self.standings.iter_mut().enumerate();
        let open = open.filter(|(_, (_, standing))| matches!(standing, Standing::Open(_)));
        for ((index, (_, standing)), outcome) in open.zip(outcomes) {
            *standing = Standing::Known(outcome);
            if let (Some(kept), Some(trace)) = (&mut self.traces, traces.next()) {
                kept.insert(index, trace);
            }
        }
    }

    /// What each authority found, and what became of that; nothing unless somebody wants to know.
    pub(super) fn accounts(&self) -> Vec<AuthorityAccount> {
        let Some(traces) = &self.traces else { return Vec::new() };
        let account = |(index, (name, standing)): (usize, &(String, Standing))| {
            let Standing::Known(outcome) = standing else { return None };
            let trace = traces.get(&index).cloned().unwrap_or_default();
            Some(AuthorityAccount { name: name.clone(), outcome: outcome.clone(), trace })
        };
        self.standings.iter().enumerate().filter_map(account).collect()
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
