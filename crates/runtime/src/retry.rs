//! Waiting between attempts, timeouts, and telling of a fault once.

use std::{
    error::Error,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// How long a request to the API server may take.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_mins(1);

/// Why a request to the API server brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("request to the API server failed")]
    Kube(#[from] kube::Error),
    #[error("no answer from the API server within {} s", CALL_TIMEOUT.as_secs())]
    Timeout,
}

impl CallError {
    /// Whether the object changed (or came to be) since it was read, so that reading again may help.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Kube(kube::Error::Api(status)) if status.code == 409)
    }
}

/// Runs one request to the API server under [`CALL_TIMEOUT`].
pub(crate) async fn call<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match tokio::time::timeout(CALL_TIMEOUT, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(CallError::Timeout),
    }
}

/// Returns the wait before attempt `failures + 1`: one second doubling up to a minute, before jitter.
pub(crate) fn backoff(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.saturating_sub(1).min(6)).min(LAST)
}

/// Stretches `base` by up to a fifth, so that replicas do not act in step.
pub(crate) fn jittered(base: Duration) -> Duration {
    // Every `RandomState` has keys of its own, which is random enough to spread load.
    let random = RandomState::new().hash_one(0_u8) % 1_000;
    base + base.mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 5_000.0)
}

/// Whether something works, told to the log on transitions only.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failures: u32,
}

impl Health {
    /// Notes an attempt that went well.
    pub(crate) fn succeeded(&mut self, what: &'static str, object: &str) {
        if self.failures > 0 {
            tracing::info!(what, object, failures = self.failures, "Working again");
        }
        self.failures = 0;
    }

    /// Notes a failed attempt; the first in a row is a warning, the others are for debugging.
    pub(crate) fn failed(&mut self, what: &'static str, object: &str, error: &(dyn Error + 'static)) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            tracing::warn!(what, object, error, "Failed, will be retried");
        } else {
            tracing::debug!(what, object, error, failures = self.failures, "Failed again, will be retried");
        }
    }

    /// Returns the wait before the next attempt if the last one failed.
    pub(crate) fn retry_in(&self) -> Option<Duration> {
        (self.failures > 0).then(|| jittered(backoff(self.failures)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_from_a_second_to_a_minute() {
        let seconds: Vec<u64> = (0..10).map(|n| backoff(n).as_secs()).collect();
        assert_eq!(seconds, [1, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff(u32::MAX), LAST);
    }

    #[test]
    fn jitter_adds_at_most_a_fifth() {
        for _ in 0..1_000 {
            let wait = jittered(Duration::from_secs(10));
            assert!(wait >= Duration::from_secs(10) && wait <= Duration::from_secs(12), "{wait:?}");
        }
    }
}
