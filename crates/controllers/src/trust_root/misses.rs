//! Mirrors that are asked since a webhook replica has missed something in what is in force.
//!
//! Anybody who may push to a registry can have a replica miss something, so that this has a budget of its own, and asks
//! no mirror that fails: that one is asked by its own schedule.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use trustwright_api::Miss;

use super::TrustRoots;

/// How long a mirror is left alone after it was asked for a miss.
const EVERY: Duration = Duration::from_mins(1);
/// Most mirrors that are asked for misses within that time.
const MOST: usize = 10;
/// How long the word of a replica is remembered. One that is silent for longer starts anew.
const MEMORY: Duration = Duration::from_mins(5);

/// What replicas have missed, until it is done something about.
#[derive(Debug, Default)]
pub(crate) struct Misses {
    queue: Mutex<Queue>,
    changed: Notify,
}

impl Misses {
    /// A replica has reported that it missed this within the last minute.
    pub(crate) fn heard(&self, replica: &str, misses: Vec<Miss>) {
        if self.queue().hear(replica, misses, Instant::now()) {
            self.changed.notify_one();
        }
    }

    /// A replica has gone.
    pub(crate) fn gone(&self, replica: &str) {
        self.queue().reported.remove(replica);
    }

    /// Has mirrors of `roots` asked, within the budget. Never returns.
    pub(crate) async fn run(&self, roots: &TrustRoots) {
        loop {
            let (due, next) = {
                let mut queue = self.queue();
                let due = queue.take(Instant::now(), |name| roots.refreshable(name));
                (due, queue.next())
            };
            for name in due {
                tracing::info!(
                    trustroot = name,
                    "Evidence speaks of what is not in the trust root: its mirror is asked"
                );
                roots.refresh_for_miss(&name);
            }
            let wait = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = wait => {}
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits, and who had a turn.
#[derive(Debug, Default)]
struct Queue {
    /// The trust roots in which something was missed, with the fingerprint, in the order of their coming.
    waiting: Vec<(String, String)>,
    /// Whose mirrors were asked within the last minute, the first at the front.
    asked: VecDeque<(Instant, String)>,
    /// The last word of each replica: it says the same for a minute.
    reported: BTreeMap<String, (Instant, Vec<Miss>)>,
}

impl Queue {
    /// Puts what is new in a report into the queue; returns whether anything is.
    fn hear(&mut self, replica: &str, misses: Vec<Miss>, now: Instant) -> bool {
        self.reported.retain(|_, (heard, _)| now.duration_since(*heard) < MEMORY);
        let known = self.reported.get(replica).map(|(_, known)| known.as_slice()).unwrap_or_default();
        let mut is_new = false;
        for miss in misses.iter().filter(|miss| !known.contains(miss)) {
            is_new = true;
            match self.waiting.iter_mut().find(|(name, _)| *name == miss.trust_root) {
                Some((_, fingerprint)) => fingerprint.clone_from(&miss.fingerprint),
                None => self.waiting.push((miss.trust_root.clone(), miss.fingerprint.clone())),
            }
        }
        self.reported.insert(replica.to_owned(), (now, misses));
        is_new
    }

    /// Takes those whose turn it is. Drops those of which `in_force` says something else than when they were missed:
    /// they are newer already, or nobody can have them refreshed.
    fn take(&mut self, now: Instant, in_force: impl Fn(&str) -> Option<String>) -> Vec<String> {
        self.asked.retain(|(at, _)| now.duration_since(*at) < EVERY);
        self.waiting.retain(|(name, missed)| in_force(name).as_ref() == Some(missed));
        let mut due = Vec::new();
        let asked = &mut self.asked;
        self.waiting.retain(|(name, _)| {
            let waits = asked.len() >= MOST || asked.iter().any(|(_, known)| known == name);
            if !waits {
                asked.push_back((now, name.clone()));
                due.push(name.clone());
            }
            waits
        });
        due
    }

    /// When the next turn is of those who wait.
    fn next(&self) -> Option<Instant> {
        let first = self.asked.front().filter(|_| self.asked.len() >= MOST).map(|(at, _)| *at);
        let turn = |(name, _): &(String, String)| {
            let own = self.asked.iter().find(|(_, known)| known == name).map(|(at, _)| *at);
            own.max(first).map(|at| at + EVERY)
        };
        self.waiting.iter().filter_map(turn).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn miss(trust_root: &str, second: i64) -> Miss {
        let time = jiff::Timestamp::from_second(second).unwrap();
        Miss { trust_root: trust_root.into(), fingerprint: "old".into(), time }
    }

    /// Whose turn it is, as long as nothing new is in force.
    fn take(queue: &mut Queue, now: Instant) -> Vec<String> {
        queue.take(now, |_| Some("old".to_owned()))
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_miss_has_its_mirror_asked_once_however_often_it_is_reported() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        assert!(queue.hear("w0", vec![miss("a", 1)], start));
        assert_eq!(take(&mut queue, start), ["a"]);
        for second in [5, 10, 55, 65] {
            let now = start + seconds(second);
            assert!(!queue.hear("w0", vec![miss("a", 1)], now));
            assert_eq!((take(&mut queue, now), queue.next()), (vec![], None));
        }
        // The next one, which the replica tells from the last by its time.
        assert!(queue.hear("w0", vec![miss("a", 70)], start + seconds(70)));
        assert_eq!(take(&mut queue, start + seconds(70)), ["a"]);
    }

    #[test]
    fn within_a_minute_a_mirror_is_asked_once_and_what_came_meanwhile_has_its_turn_then() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        for (second, replica, expected) in [(0, "w0", vec!["a"]), (20, "w1", vec![]), (30, "w2", vec![])] {
            let now = start + seconds(second);
            assert!(queue.hear(replica, vec![miss("a", 1)], now));
            assert_eq!(take(&mut queue, now), expected, "{second}");
        }
        assert_eq!(queue.next(), Some(start + EVERY));
        assert_eq!(take(&mut queue, start + seconds(59)), [""; 0]);
        assert_eq!(take(&mut queue, start + EVERY), ["a"]);
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn ten_mirrors_are_asked_within_a_minute_and_the_others_in_their_order_after_it() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let names: Vec<String> = (0..16).map(|number| format!("r{number:02}")).collect();
        queue.hear("w0", names.iter().map(|name| miss(name, 1)).collect(), start);
        assert_eq!(take(&mut queue, start), names[..10]);
        assert_eq!(queue.next(), Some(start + EVERY));
        // One that has waited for less comes later, whatever its name.
        queue.hear("w1", vec![miss("a", 1)], start + seconds(30));
        assert_eq!(take(&mut queue, start + seconds(59)), [""; 0]);
        let expected: Vec<_> = names[10..].iter().cloned().chain(["a".to_owned()]).collect();
        assert_eq!(take(&mut queue, start + EVERY), expected);
    }

    #[test]
    fn what_is_newer_already_or_cannot_be_refreshed_is_not_waited_for() {
        for (in_force, expected) in [(Some("old"), vec!["a"]), (Some("new"), vec![]), (None, vec![])] {
            let (mut queue, start) = (Queue::default(), Instant::now());
            queue.hear("w0", vec![miss("a", 1)], start);
            assert_eq!(queue.take(start, |_| in_force.map(str::to_owned)), expected, "{in_force:?}");
            assert_eq!((queue.waiting.len(), queue.asked.len()), (0, expected.len()));
        }
    }

    #[test]
    fn a_replica_that_is_silent_for_long_is_forgotten() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.hear("w0", vec![miss("a", 1)], start);
        queue.hear("w1", Vec::new(), start + MEMORY.saturating_sub(seconds(1)));
        assert_eq!(queue.reported.len(), 2);
        queue.hear("w1", Vec::new(), start + MEMORY);
        assert_eq!(queue.reported.keys().collect::<Vec<_>>(), ["w1"]);
    }
}
