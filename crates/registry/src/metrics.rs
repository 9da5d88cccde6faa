//! Counts of HTTP requests, by what they were for and how they ended.

use std::sync::atomic::{AtomicU64, Ordering};

/// What an HTTP request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `GET` of a blob.
    Blob,
    /// `GET` of a manifest.
    Manifest,
    /// `GET` of a page of the referrers API.
    Referrers,
    /// `HEAD` of a manifest, to resolve a tag.
    Resolve,
    /// `GET` or `POST` at a token service.
    Token,
}

/// How an HTTP request ended, judged by its status alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// 4xx that has no class of its own.
    ClientError,
    /// 403.
    Forbidden,
    /// Never sent, for the limits of its host or the pause that it asked for.
    Held,
    /// 404.
    NotFound,
    /// 2xx.
    Ok,
    /// 3xx.
    Redirect,
    /// Never sent, for its address or scheme is refused.
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

/// The counts of a client since it was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics([[u64; Outcome::ALL.len()]; Operation::ALL.len()]);

#[derive(Default)]
pub(crate) struct Counters([[AtomicU64; Outcome::ALL.len()]; Operation::ALL.len()]);

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 5] = [Self::Blob, Self::Manifest, Self::Referrers, Self::Resolve, Self::Token];

    /// The label of a metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Manifest => "manifest",
            Self::Referrers => "referrers",
            Self::Resolve => "resolve",
            Self::Token => "token",
        }
    }
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 12] = [
        Self::ClientError,
        Self::Forbidden,
        Self::Held,
        Self::NotFound,
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
            Self::Held => "held",
            Self::NotFound => "not_found",
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

impl Metrics {
    /// How many requests for `operation` ended with `outcome`.
    pub const fn count(&self, operation: Operation, outcome: Outcome) -> u64 {
        self.0[operation as usize][outcome as usize]
    }

    /// How many requests were made for `operation`.
    pub fn requests(&self, operation: Operation) -> u64 {
        self.0[operation as usize].iter().sum()
    }

    /// Every count, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (Operation, Outcome, u64)> {
        Operation::ALL.into_iter().flat_map(move |operation| {
            Outcome::ALL.into_iter().map(move |outcome| (operation, outcome, self.count(operation, outcome)))
        })
    }
}

impl Counters {
    pub(crate) fn add(&self, operation: Operation, outcome: Outcome) {
        self.0[operation as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Metrics {
        Metrics(std::array::from_fn(|operation| {
            std::array::from_fn(|outcome| self.0[operation][outcome].load(Ordering::Relaxed))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_has_a_counter_of_its_own() {
        let counters = Counters::default();
        for operation in Operation::ALL {
            for outcome in Outcome::ALL {
                counters.add(operation, outcome);
            }
        }
        assert!(counters.snapshot().iter().all(|(_, _, count)| count == 1));
        assert_eq!(counters.snapshot().requests(Operation::Blob), 12);
    }
}
