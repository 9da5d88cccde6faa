//! Counts of requests.

use std::sync::atomic::{AtomicU64, Ordering};

/// How one HTTP request ended, judged by its status alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// 4xx that has no class of its own.
    ClientError,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 304.
    NotModified,
    /// 2xx.
    Ok,
    /// Any other 3xx.
    Redirect,
    /// Never sent, for its address is refused.
    Refused,
    /// 5xx.
    ServerError,
    /// 429.
    Throttled,
    /// No answer in time.
    Timeout,
    /// No connection, or a broken one.
    Transport,
    /// 401.
    Unauthorized,
}

/// The counts of a mirror since it was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests([u64; Outcome::ALL.len()]);

#[derive(Default)]
pub(crate) struct Counters([AtomicU64; Outcome::ALL.len()]);

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 12] = [
        Self::ClientError,
        Self::Forbidden,
        Self::NotFound,
        Self::NotModified,
        Self::Ok,
        Self::Redirect,
        Self::Refused,
        Self::ServerError,
        Self::Throttled,
        Self::Timeout,
        Self::Transport,
        Self::Unauthorized,
    ];

    /// The label of a metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientError => "client_error",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::NotModified => "not_modified",
            Self::Ok => "ok",
            Self::Redirect => "redirect",
            Self::Refused => "refused",
            Self::ServerError => "server_error",
            Self::Throttled => "throttled",
            Self::Timeout => "timeout",
            Self::Transport => "transport",
            Self::Unauthorized => "unauthorized",
        }
    }

    pub(crate) const fn of_status(status: u16) -> Self {
        match status {
            304 => Self::NotModified,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            429 => Self::Throttled,
            ..300 => Self::Ok,
            300..400 => Self::Redirect,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }
}

impl Requests {
    /// How many requests ended with `outcome`.
    pub const fn count(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize]
    }

    /// How many requests were made, redirects included, and what was refused left out.
    pub fn sent(&self) -> u64 {
        self.iter().filter(|(outcome, _)| *outcome != Outcome::Refused).map(|(_, count)| count).sum()
    }

    /// Every count, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().map(|outcome| (outcome, self.count(outcome)))
    }
}

impl Counters {
    pub(crate) fn add(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Requests {
        Requests(std::array::from_fn(|outcome| self.0[outcome].load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_has_a_counter_of_its_own() {
        let counters = Counters::default();
        for outcome in Outcome::ALL {
            counters.add(outcome);
        }
        assert!(counters.snapshot().iter().all(|(_, count)| count == 1));
        assert_eq!(counters.snapshot().sent(), 11);
    }
}
