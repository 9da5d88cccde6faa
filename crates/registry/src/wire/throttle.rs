//! How often a host is asked, by how many requests at a time, and from when on again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout_at},
};

use super::Failure;
use crate::{config::HostLimits, error::Outage, memory::Memory};

/// How long a host without requests is remembered. A bucket that was emptied is full again after a second.
const LIFE: Duration = Duration::from_mins(10);

/// The throttles of all hosts.
pub(crate) struct Throttles(Memory<(String, HostLimits), Arc<Throttle>>);

/// The right to have one request under way. It belongs into the answer, so that it lasts until the body is read.
#[derive(Clone)]
pub(crate) struct Permit {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// The throttle of one host, shared by all callers.
pub(crate) struct Throttle {
    limits: HostLimits,
    slots: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    /// When the bucket will be full again. Each request takes its share out, which moves this on.
    full_at: Instant,
    paused_until: Instant,
}

impl Throttles {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Memory::new(capacity))
    }

    /// The throttle of a host, with its limits as they are now.
    pub(crate) fn of(&self, host: String, limits: HostLimits) -> Arc<Throttle> {
        self.0.get_or_put((host, limits), Instant::now(), LIFE, || Arc::new(Throttle::new(limits)))
    }
}

impl Throttle {
    fn new(limits: HostLimits) -> Self {
        let now = Instant::now();
        let slots = usize::try_from(limits.concurrent_requests.get()).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            limits,
            slots: Arc::new(Semaphore::new(slots.min(Semaphore::MAX_PERMITS))),
            state: Mutex::new(State { full_at: now, paused_until: now }),
        }
    }

    /// Waits until a request may be sent. Fails at once where that is known not to come before the deadline.
    pub(crate) async fn enter(&self, deadline: Instant) -> Result<Permit, Failure> {
        self.check_pause(deadline)?;
        // The semaphore is never closed.
        let Ok(Ok(permit)) = timeout_at(deadline, Arc::clone(&self.slots).acquire_owned()).await else {
            return Err(Failure::Outage(Outage::Limited));
        };
        let may_go = self.reserve(deadline)?;
        // A timer that is due already still takes a millisecond or two, on the way of every request.
        if may_go > Instant::now() {
            sleep_until(may_go).await;
        }
        // A pause may have begun while this one waited.
        loop {
            let resumes = self.check_pause(deadline)?;
            if resumes <= Instant::now() {
                return Ok(Permit { _permit: Arc::new(permit) });
            }
            sleep_until(resumes).await;
        }
    }

    /// Sends nothing to the host before `until`.
    pub(crate) fn pause(&self, until: Instant) {
        let mut state = self.state();
        state.paused_until = state.paused_until.max(until);
    }

    /// When the pause is over.
    fn check_pause(&self, deadline: Instant) -> Result<Instant, Failure> {
        let (until, now) = (self.state().paused_until, Instant::now());
        if until > now && until >= deadline {
            let left = until.duration_since(now);
            let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            return Err(Failure::Outage(Outage::Paused { seconds }));
        }
        Ok(until)
    }

    /// Takes a request's share out of the bucket, which holds those of one second: when it may be sent.
    fn reserve(&self, deadline: Instant) -> Result<Instant, Failure> {
        let mut state = self.state();
        let now = Instant::now();
        let share = Duration::from_secs(1) / self.limits.requests_per_second.get();
        let full_at = state.full_at.max(now) + share;
        // Empty is a second before it is full.
        let may_go = full_at.checked_sub(Duration::from_secs(1)).map_or(now, |at| at.max(now));
        if may_go > now && may_go >= deadline {
            return Err(Failure::Outage(Outage::Limited));
        }
        state.full_at = full_at;
        Ok(may_go)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Every state is whole at all times, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn throttle(requests_per_second: u32, concurrent_requests: u32) -> Throttle {
        let number = |number| NonZeroU32::new(number).unwrap();
        Throttle::new(HostLimits {
            requests_per_second: number(requests_per_second),
            concurrent_requests: number(concurrent_requests),
        })
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_s_worth_goes_at_once_and_then_one_share_at_a_time() {
        let (throttle, start) = (throttle(4, 100), Instant::now());
        let mut after = Vec::new();
        for _ in 0..6 {
            throttle.enter(start + seconds(60.0)).await.ok().unwrap();
            after.push(start.elapsed().as_millis());
        }
        // The timer has a resolution of a millisecond.
        let expected = [0, 0, 0, 0, 250, 500];
        assert!(after.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2), "{after:?}");
        tokio::time::advance(seconds(2.0)).await;
        let start = Instant::now();
        for _ in 0..4 {
            throttle.enter(start + seconds(60.0)).await.ok().unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_go_now_waits_for_no_timer() {
        let throttle = throttle(4, 100);
        // Between two ticks of the timer.
        tokio::time::advance(Duration::from_micros(300)).await;
        let start = Instant::now();
        throttle.enter(start + seconds(60.0)).await.ok().unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_go_before_its_deadline_fails_at_once_and_takes_nothing() {
        let (throttle, start) = (throttle(2, 100), Instant::now());
        for _ in 0..2 {
            throttle.enter(start + seconds(60.0)).await.ok().unwrap();
        }
        for _ in 0..10 {
            let refused = throttle.enter(start + seconds(0.4)).await.err().unwrap();
            assert!(matches!(refused, Failure::Outage(Outage::Limited)));
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        throttle.enter(start + seconds(0.6)).await.ok().unwrap();
        assert!(start.elapsed() >= seconds(0.5));
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_are_under_way_as_the_limit() {
        let (throttle, start) = (throttle(100, 2), Instant::now());
        let first = throttle.enter(start + seconds(5.0)).await.ok().unwrap();
        let _second = throttle.enter(start + seconds(5.0)).await.ok().unwrap();
        let refused = throttle.enter(start + seconds(5.0)).await.err().unwrap();
        assert!(matches!(refused, Failure::Outage(Outage::Limited)));
        let copy = first.clone();
        drop(first);
        assert!(throttle.enter(Instant::now() + seconds(1.0)).await.is_err());
        drop(copy);
        assert!(throttle.enter(Instant::now() + seconds(1.0)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everyone_and_names_itself_to_whoever_cannot_wait() {
        let (throttle, start) = (throttle(100, 2), Instant::now());
        throttle.pause(start + seconds(59.5));
        throttle.pause(start + seconds(10.0));
        let refused = throttle.enter(start + seconds(20.0)).await.err().unwrap();
        assert!(matches!(refused, Failure::Outage(Outage::Paused { seconds: 60 })));
        assert_eq!(start.elapsed(), Duration::ZERO);
        throttle.enter(start + seconds(60.0)).await.ok().unwrap();
        assert!(start.elapsed() >= seconds(59.5));
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_have_throttles_of_their_own_and_new_limits_count_at_once() {
        let throttles = Throttles::new(10);
        let limits = throttle(1, 1).limits;
        let one = throttles.of("a".into(), limits);
        assert!(Arc::ptr_eq(&one, &throttles.of("a".into(), limits)));
        assert!(!Arc::ptr_eq(&one, &throttles.of("b".into(), limits)));
        assert!(!Arc::ptr_eq(&one, &throttles.of("a".into(), throttle(1, 2).limits)));
        for _ in 0..3 {
            tokio::time::advance(LIFE / 2).await;
            assert!(Arc::ptr_eq(&one, &throttles.of("a".into(), limits)));
        }
    }
}
