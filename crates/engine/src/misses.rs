//! Evidence that speaks of what a trust root does not know. A newer root may: see [`Misses`].

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use trustwright_policy::Fingerprint;

/// How often a trust root is told of, at most, while what is in force of it is the same.
const EVERY: Duration = Duration::from_mins(1);
/// Trust roots that are told of: more than a cluster has.
const MAX_ROOTS: usize = 1024;

/// Hears of trust roots that do not know a log, a key or an authority that evidence speaks of. Whoever has that root
/// refreshed ends the refusal: under a new fingerprint the same question is another one.
///
/// Anybody who may push to a registry can bring such evidence, so that a refresh needs a budget of its own.
pub trait Misses: fmt::Debug + Send + Sync {
    /// The trust root of this name, with this in force, missed something; at most once a minute for each. Must not
    /// block.
    fn missed(&self, root: &str, fingerprint: Fingerprint);
}

/// Tells of each trust root once a minute. Cheap to clone; all clones share the time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    misses: Option<Arc<dyn Misses>>,
    last: Arc<Mutex<HashMap<String, (Fingerprint, Instant)>>>,
}

impl Told {
    pub(crate) fn new(misses: Arc<dyn Misses>) -> Self {
        Self { misses: Some(misses), last: Arc::default() }
    }

    /// Tells of `root`, unless the same was told less than a minute before `now`.
    pub(crate) fn tell(&self, root: &str, fingerprint: Fingerprint, now: Instant) {
        let Some(misses) = &self.misses else { return };
        {
            // What another thread did before it panicked is whole: entries are put in at once.
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let is_told = |(known, at): &(Fingerprint, Instant)| {
                *known == fingerprint && now.saturating_duration_since(*at) < EVERY
            };
            if last.get(root).is_some_and(is_told) {
                return;
            }
            if last.len() >= MAX_ROOTS {
                last.clear();
            }
            last.insert(root.to_owned(), (fingerprint, now));
        }
        misses.missed(root, fingerprint);
    }
}
