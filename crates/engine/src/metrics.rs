//! What the engine counts.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Authorities whose answer was remembered.
    Hit,
    /// Authorities whose answer was not.
    Miss,
    /// Flights: images whose evidence was looked for.
    Flight,
    /// Images for which a flight was under way, or had refused them a moment ago.
    Joined,
    /// Images for whose flight there was not enough time.
    Late,
}

impl Counter {
    /// Every counter.
    pub const ALL: [Self; 5] = [Self::Hit, Self::Miss, Self::Flight, Self::Joined, Self::Late];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Flight => "flight",
            Self::Joined => "joined",
            Self::Late => "late",
        }
    }
}

/// The counts of an engine. Cheap to clone; all clones share them.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<[AtomicU64; Counter::ALL.len()]>);

impl Metrics {
    /// How often it happened so far.
    pub fn count(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(crate) fn add(&self, counter: Counter) {
        if let Some(count) = self.0.get(counter as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
