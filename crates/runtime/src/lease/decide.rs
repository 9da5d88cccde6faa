//! What to do about a lease. No I/O and no clock.

use std::time::Duration;

/// What matters of a Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Who holds it; empty if nobody does.
    pub holder: String,
    /// How long it is valid without a renewal. None of sense in the object: zero.
    pub duration: Duration,
    /// How often it changed hands.
    pub transitions: i32,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Take it; it changes hands.
    Acquire,
    /// There is no Lease: create it, held by us.
    Create,
    /// It is ours: renew it.
    Renew,
    /// Another one holds it.
    Wait,
}

/// Decides over a lease that was seen unchanged for `unchanged_for`, by the observer's own monotonic clock.
///
/// A lease is free if nobody holds it or its holder has not renewed it for its whole duration. One that says it
/// is ours is renewed even then: nobody else has taken it.
pub fn decide(lease: Option<&LeaseRecord>, unchanged_for: Duration, identity: &str) -> Step {
    match lease {
        None => Step::Create,
        Some(lease) if lease.holder == identity => Step::Renew,
        Some(lease) if lease.holder.is_empty() || unchanged_for >= lease.duration => Step::Acquire,
        Some(_) => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_taken_when_free_and_never_before() {
        let seconds = Duration::from_secs;
        let held = |holder: &str| {
            Some(LeaseRecord { holder: holder.to_owned(), duration: seconds(15), transitions: 3 })
        };
        for (lease, unchanged_for, step) in [
            (None, seconds(0), Step::Create),
            (held("me"), seconds(0), Step::Renew),
            (held("me"), seconds(60), Step::Renew),
            (held(""), seconds(0), Step::Acquire),
            (held("other"), seconds(0), Step::Wait),
            (held("other"), Duration::from_millis(14_999), Step::Wait),
            (held("other"), seconds(15), Step::Acquire),
        ] {
            assert_eq!(decide(lease.as_ref(), unchanged_for, "me"), step, "{lease:?} {unchanged_for:?}");
        }
    }

    #[test]
    fn a_lease_without_a_duration_is_free() {
        let lease = LeaseRecord { holder: "other".to_owned(), ..LeaseRecord::default() };
        assert_eq!(decide(Some(&lease), Duration::ZERO, "me"), Step::Acquire);
    }
}
