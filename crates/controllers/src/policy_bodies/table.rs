//! Which texts are wanted, and when each is asked for. No I/O, and the time is an argument.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use super::Source;

/// The first pause after a failure, and the longest.
pub(super) const FIRST: Duration = Duration::from_secs(5);
pub(super) const LONGEST: Duration = Duration::from_mins(10);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Table {
    policies: BTreeMap<String, Wish>,
    /// Those that are not kept.
    missing: BTreeMap<Source, Attempt>,
}

/// What one policy wants.
#[derive(Debug)]
struct Wish {
    sources: BTreeSet<Source>,
    since: Instant,
}

#[derive(Debug)]
struct Attempt {
    under_way: bool,
    /// In a row.
    failures: u32,
    /// Not before this.
    due: Instant,
    /// Why the last one failed.
    problem: Option<String>,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// What to fetch now; counted as under way until it is done.
    pub(super) start: Vec<Source>,
    /// When to look again, if nothing happens before.
    pub(super) next: Option<Instant>,
    /// Policies of which a text is there now that was missing.
    pub(super) arrived: BTreeSet<String>,
}

/// Whom the end of a fetch concerns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Policies that have to say something else now.
    pub(super) policies: BTreeSet<String>,
    /// Whether the problem is another one than before.
    pub(super) is_news: bool,
}

impl Table {
    /// A policy wants these from `now` on; returns whether it wanted others before.
    pub(super) fn want(&mut self, policy: &str, sources: BTreeSet<Source>, now: Instant) -> bool {
        if sources.is_empty() {
            return self.policies.remove(policy).is_some();
        }
        match self.policies.get(policy) {
            Some(known) if known.sources == sources => false,
            _ => {
                self.policies.insert(policy.to_owned(), Wish { sources, since: now });
                true
            }
        }
    }

    pub(super) fn retain(&mut self, policies: &BTreeSet<String>) {
        self.policies.retain(|policy, _| policies.contains(policy));
    }

    /// For how long a policy has wanted what it wants.
    pub(super) fn age(&self, policy: &str, now: Instant) -> Option<Duration> {
        Some(now.duration_since(self.policies.get(policy)?.since))
    }

    /// Why a text could not be fetched the last time.
    pub(super) fn problem(&self, source: &Source) -> Option<&str> {
        self.missing.get(source)?.problem.as_deref()
    }

    /// What is to be done at `now`, with at most `at_once` fetches under way.
    pub(super) fn look(&mut self, now: Instant, at_once: usize, is_kept: impl Fn(&Source) -> bool) -> Look {
        let mut arrived = BTreeSet::new();
        let wanted: BTreeSet<Source> = self.policies.values().flat_map(|wish| wish.sources.clone()).collect();
        // What is under way stays until it is done, so that nothing is under way twice.
        self.missing.retain(|source, attempt| attempt.under_way || wanted.contains(source));
        for source in wanted {
            if !is_kept(&source) {
                let new = Attempt { under_way: false, failures: 0, due: now, problem: None };
                self.missing.entry(source).or_insert(new);
            } else if self.missing.get(&source).is_some_and(|attempt| !attempt.under_way) {
                arrived.extend(self.users(&source));
                self.missing.remove(&source);
            }
        }
        let under_way = self.missing.values().filter(|attempt| attempt.under_way).count();
        // Who has waited longest comes first.
        let mut waiting: Vec<_> = self.missing.iter_mut().filter(|(_, attempt)| !attempt.under_way).collect();
        waiting.sort_by_key(|(_, attempt)| attempt.due);
        // Of those that are due and find no place, the end of another reminds us.
        let next = waiting.iter().map(|(_, attempt)| attempt.due).find(|due| *due > now);
        let due = waiting.into_iter().take_while(|(_, attempt)| attempt.due <= now);
        let start = due.take(at_once.saturating_sub(under_way)).map(|(source, attempt)| {
            attempt.under_way = true;
            source.clone()
        });
        Look { start: start.collect(), next, arrived }
    }

    /// A fetch has ended at `now`, with a problem or with the text kept.
    pub(super) fn done(&mut self, source: &Source, problem: Option<String>, now: Instant) -> Told {
        let Some(attempt) = self.missing.get_mut(source) else { return Told::default() };
        attempt.under_way = false;
        attempt.failures = if problem.is_some() { attempt.failures.saturating_add(1) } else { 0 };
        let doubled = 2_u32.saturating_pow(attempt.failures.saturating_sub(1));
        // Also after a success: what is kept arrives a little later, by the watch.
        attempt.due = now + FIRST.saturating_mul(doubled).min(LONGEST);
        let is_news = problem.is_some() && attempt.problem != problem;
        attempt.problem = problem;
        let policies = if is_news { self.users(source).collect() } else { BTreeSet::new() };
        Told { policies, is_news }
    }

    fn users(&self, source: &Source) -> impl Iterator<Item = String> {
        let users = self.policies.iter().filter(|(_, wish)| wish.sources.contains(source));
        users.map(|(policy, _)| policy.clone())
    }
}
