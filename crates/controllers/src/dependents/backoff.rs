//! When a workload is tried again whose write has failed.

use std::time::Duration;

use jiff::Timestamp;

/// The first pause, and the longest.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(10);

/// A write that failed, once or more often in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backoff {
    failures: u32,
    /// Not before this.
    pub(crate) until: Timestamp,
    /// What the API server refused with; `None` where it gave no answer or could not take one more request.
    pub(crate) refusal: Option<String>,
}

impl Backoff {
    /// One more failure, at `now`.
    pub(crate) fn after(previous: Option<&Self>, refusal: Option<String>, now: Timestamp) -> Self {
        let failures = previous.map_or(0, |previous| previous.failures).saturating_add(1);
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(failures - 1)).min(LONGEST);
        let until = now.checked_add(pause).unwrap_or(Timestamp::MAX);
        Self { failures, until, refusal }
    }

    /// Whether it is the first failure of its cause.
    pub(crate) fn is_news(&self, previous: Option<&Self>) -> bool {
        previous.is_none_or(|previous| previous.refusal != self.refusal)
    }
}
