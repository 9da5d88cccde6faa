//! What time does to verified metadata.

use jiff::{SignedDuration, Timestamp};
use trustwright_trust::tuf::RoleState;

/// What becomes of expired metadata, in the words of `spec.onExpiry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExpiry {
    /// What was verified stays in force.
    Keep,
    /// It is taken out of force.
    Reject,
}

/// What a spec says about expired metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What becomes of it.
    pub on_expiry: OnExpiry,
    /// For how long after the first expiry [`OnExpiry::Keep`] holds; `None` is without end.
    pub max_staleness: Option<SignedDuration>,
}

/// Whether verified metadata is in force at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No role has expired.
    Current,
    /// A role has, and it stays in force.
    Kept,
    /// A role has, and nothing is in force.
    Rejected,
    /// A role has, longer ago than is kept.
    Stale,
}

impl Rule {
    /// Returns the standing of metadata with these roles.
    pub fn standing(&self, roles: &[RoleState], now: Timestamp) -> Standing {
        let Some(first) = first_end(roles).filter(|end| *end <= now) else { return Standing::Current };
        match (self.on_expiry, self.max_staleness) {
            (OnExpiry::Reject, _) => Standing::Rejected,
            (OnExpiry::Keep, Some(staleness)) if now >= later(first, staleness) => Standing::Stale,
            (OnExpiry::Keep, _) => Standing::Kept,
        }
    }

    /// Returns when time alone takes these roles out of force, where it does.
    pub fn until(&self, roles: &[RoleState]) -> Option<Timestamp> {
        let first = first_end(roles)?;
        match self.on_expiry {
            OnExpiry::Reject => Some(first),
            OnExpiry::Keep => self.max_staleness.map(|staleness| later(first, staleness)),
        }
    }
}

fn first_end(roles: &[RoleState]) -> Option<Timestamp> {
    roles.iter().map(|role| role.expires).min()
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expired_metadata_is_kept_rejected_or_stale_as_the_spec_says() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let role = |expires| RoleState { role: "timestamp".into(), version: 1, expires: at(expires) };
        let roles = [role(200), role(100)];
        let keep = Rule { on_expiry: OnExpiry::Keep, max_staleness: None };
        let stale = Rule { max_staleness: Some(SignedDuration::from_secs(50)), ..keep };
        let reject = Rule { on_expiry: OnExpiry::Reject, ..stale };
        for (rule, seconds, standing) in [
            (keep, 99, Standing::Current),
            (keep, 100, Standing::Kept),
            (keep, 1_000_000, Standing::Kept),
            (stale, 149, Standing::Kept),
            (stale, 150, Standing::Stale),
            (reject, 99, Standing::Current),
            (reject, 100, Standing::Rejected),
        ] {
            assert_eq!(rule.standing(&roles, at(seconds)), standing, "{rule:?} at {seconds}");
        }
        assert_eq!(
            [keep, stale, reject].map(|rule| rule.until(&roles)),
            [None, Some(at(150)), Some(at(100))]
        );
        assert_eq!(keep.standing(&[], at(0)), Standing::Current);
    }
}
