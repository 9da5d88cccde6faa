//! What this replica has missed in trust roots, noted for the leader: see [`Miss`].

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::Notify;
use trustwright_api::{MOST_MISSES, Miss};
use trustwright_engine::Misses;
use trustwright_policy::Fingerprint;

use crate::Metrics;

/// For how long a miss is noted: long enough for the next leader, and as long as none is noted again.
const LIFE: Duration = Duration::from_mins(1);

/// Takes note of misses, for [`report`](crate::report()) to tell. Cheap to clone; all clones share what is noted.
#[derive(Debug, Clone)]
pub struct Missed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    noted: Mutex<Vec<Miss>>,
    changed: Notify,
    metrics: Metrics,
    clock: fn() -> Timestamp,
}

impl Missed {
    /// One that counts what it notes.
    pub fn new(metrics: Metrics, clock: fn() -> Timestamp) -> Self {
        Self(Arc::new(Inner { noted: Mutex::default(), changed: Notify::new(), metrics, clock }))
    }

    /// What was missed within the last minute, the newest last.
    pub(crate) fn recent(&self) -> Vec<Miss> {
        let mut noted = self.noted();
        forget(&mut noted, (self.0.clock)());
        noted.clone()
    }

    /// Waits until something is missed.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn noted(&self) -> MutexGuard<'_, Vec<Miss>> {
        self.0.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Misses for Missed {
    fn missed(&self, root: &str, fingerprint: Fingerprint) {
        self.0.metrics.missed(root);
        let (trust_root, fingerprint) = (root.to_owned(), fingerprint.to_string());
        note(&mut self.noted(), Miss { trust_root, fingerprint, time: (self.0.clock)() });
        self.0.changed.notify_one();
    }
}

/// Notes a miss, in place of an earlier one of the same root; the oldest makes room.
fn note(noted: &mut Vec<Miss>, miss: Miss) {
    noted.retain(|one| one.trust_root != miss.trust_root);
    noted.push(miss);
    let excess = noted.len().saturating_sub(MOST_MISSES);
    noted.drain(..excess);
}

fn forget(noted: &mut Vec<Miss>, now: Timestamp) {
    let is_recent =
        |miss: &Miss| Duration::try_from(now.duration_since(miss.time)).unwrap_or_default() < LIFE;
    noted.retain(is_recent);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn miss(trust_root: &str, second: i64) -> Miss {
        let time = Timestamp::from_second(second).unwrap();
        Miss { trust_root: trust_root.into(), fingerprint: "sha256:00".into(), time }
    }

    #[test]
    fn the_last_miss_of_each_root_is_noted_and_the_oldest_makes_room() {
        let mut noted = Vec::new();
        for (root, second) in [("a", 1), ("b", 2), ("a", 3)] {
            note(&mut noted, miss(root, second));
        }
        assert_eq!(noted, [miss("b", 2), miss("a", 3)]);
        for number in 2..=MOST_MISSES {
            note(&mut noted, miss(&number.to_string(), 4));
        }
        assert_eq!((noted.len(), noted.first()), (MOST_MISSES, Some(&miss("a", 3))));
    }

    #[test]
    fn a_miss_is_noted_for_a_minute() {
        let left = |now| {
            let mut noted = vec![miss("a", 1), miss("b", 2)];
            forget(&mut noted, Timestamp::from_second(now).unwrap());
            noted.len()
        };
        // The last: a clock that was put back.
        assert_eq!([60, 61, 62, 0].map(left), [2, 1, 0, 2]);
    }
}
