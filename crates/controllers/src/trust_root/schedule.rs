//! When a mirror is asked again. Pure.

use std::time::Duration;

/// The wait after the first failure.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wish of a mirror that is heard.
const LONGEST_WISH: Duration = Duration::from_hours(1);
/// The shortest wait, whatever is due.
const SHORTEST: Duration = Duration::from_secs(1);

/// What the next wait depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    /// How often the mirror is to be asked.
    pub(super) interval: Duration,
    /// Failures in a row; zero after a success.
    pub(super) failures: u32,
    /// What the mirror wishes.
    pub(super) retry_after: Option<Duration>,
    /// When metadata expires that has not yet: the mirror should have newer by then.
    pub(super) expiry: Option<Duration>,
}

/// Returns the wait until the next poll. `random` is between 0 and 1: waits are shorter by up to a tenth after a
/// success, so that an interval is never exceeded, and longer by up to a fifth after a failure.
pub(super) fn wait(due: Due, random: f64) -> Duration {
    let wait = if due.failures == 0 {
        due.interval.mul_f64(1.0 - random / 10.0)
    } else {
        let doubled = FIRST.saturating_mul(1 << (due.failures - 1).min(16));
        let backoff = doubled.min(due.interval).mul_f64(1.0 + random / 5.0);
        let wish = due.retry_after.unwrap_or_default().min(LONGEST_WISH);
        return backoff.max(wish).max(SHORTEST);
    };
    due.expiry.map_or(wait, |expiry| wait.min(expiry)).max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: Due = Due { interval: Duration::from_mins(10), failures: 0, retry_after: None, expiry: None };

    fn seconds(due: Due, random: f64) -> u64 {
        wait(due, random).as_secs()
    }

    #[test]
    fn a_success_waits_for_the_interval_or_a_little_less() {
        assert_eq!([seconds(DUE, 0.0), seconds(DUE, 1.0)], [600, 540]);
        let expiry = Some(Duration::from_secs(90));
        assert_eq!(seconds(Due { expiry, ..DUE }, 0.5), 90);
        assert_eq!(seconds(Due { expiry: Some(Duration::ZERO), ..DUE }, 0.5), 1);
    }

    #[test]
    fn failures_back_off_to_the_interval_and_a_wish_is_heard_up_to_an_hour() {
        let after = |failures| seconds(Due { failures, ..DUE }, 0.0);
        assert_eq!([1, 2, 3, 7, 8, 100].map(after), [5, 10, 20, 320, 600, 600]);
        assert_eq!(seconds(Due { failures: 1, ..DUE }, 1.0), 6);
        let wish = |seconds| Some(Duration::from_secs(seconds));
        let due = Due { failures: 1, ..DUE };
        assert_eq!(seconds(Due { retry_after: wish(120), ..due }, 0.0), 120);
        assert_eq!(seconds(Due { retry_after: wish(1), ..due }, 0.0), 5);
        assert_eq!(seconds(Due { retry_after: wish(86_400), ..due }, 0.0), 3_600);
        let short = Due { interval: Duration::from_secs(10), failures: 9, ..DUE };
        assert_eq!(seconds(short, 0.0), 10);
    }
}
