//! The lowest versions that are accepted.

use std::collections::BTreeMap;

/// The versions below which no role may go (TUF specification 5.3.5, 5.4.3, 5.5.5); zero and absent mean anything.
///
/// A floor is numbers without signatures: it is as good as the place that it was kept in, and it can only have
/// something refused, never accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// Version of the last root.
    pub root: u64,
    /// The last root version that took a key from `timestamp` or `snapshot`; zero when none did. A floor that has
    /// not seen that root says nothing about the roles below it (fast-forward recovery, 5.3.11).
    pub recovery: u64,
    /// Version of the timestamp.
    pub timestamp: u64,
    /// Version of the snapshot.
    pub snapshot: u64,
    /// Version of each targets role, `targets` and delegated ones by name, as the snapshot lists them.
    pub targets: BTreeMap<String, u64>,
}

impl Floor {
    /// Returns the floor that refuses whatever either of the two refuses, except for versions that a fast-forward
    /// recovery of the other has overtaken.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        let root = self.root.max(other.root);
        let recovery = self.recovery.max(other.recovery);
        let mut merged = Self { root, recovery, ..Self::default() };
        for one in [self, other].into_iter().filter(|one| one.root >= recovery) {
            merged.timestamp = merged.timestamp.max(one.timestamp);
            merged.snapshot = merged.snapshot.max(one.snapshot);
            for (role, version) in &one.targets {
                let slot = merged.targets.entry(role.clone()).or_default();
                *slot = (*slot).max(*version);
            }
        }
        merged
    }

    /// Returns what is left of the floor below a root whose chain took keys from `timestamp` or `snapshot` last at
    /// version `recovery`.
    pub(super) fn below_root(&self, recovery: u64) -> Self {
        if recovery > self.root {
            return Self { root: self.root, recovery: self.recovery, ..Self::default() };
        }
        self.clone()
    }
}
