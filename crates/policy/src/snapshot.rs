//! All that admission knows, as one immutable value.

use std::{collections::BTreeMap, sync::Arc};

use trustwright_roots::Root;

use crate::{Policy, Version, Workload, state};

/// What happens to an image that no policy matches (`no-match-policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoMatch {
    /// It is denied.
    #[default]
    Deny,
    /// It is admitted with a warning.
    Warn,
    /// It is admitted.
    Allow,
}

/// Settings that hold for all policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// What happens to an image that no policy matches.
    pub no_match: NoMatch,
}

/// Policies, trust roots and settings as of one moment. A request loads it once and sees one consistent world.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The policies by name; the order of the names is the order of findings.
    pub policies: BTreeMap<String, Arc<Policy>>,
    /// The trust roots by name, each with what is in force of it or why nothing is. The default root is among them
    /// under [`DEFAULT_NAME`](trustwright_roots::DEFAULT_NAME), unless it is disabled.
    pub trust: BTreeMap<String, Arc<Root>>,
    /// What each policy was made from.
    pub versions: BTreeMap<String, Version>,
    /// The settings.
    pub settings: Settings,
}

impl Snapshot {
    /// Returns a digest of all that is in force; see [`state`](crate::state). A trust root of which nothing is in
    /// force counts like one that is not there.
    pub fn state(&self) -> String {
        let fingerprints: Vec<(&str, String)> = self
            .trust
            .iter()
            .filter_map(|(name, root)| {
                let material = root.trusted.as_ref().ok()?;
                Some((name.as_str(), material.fingerprint().to_string()))
            })
            .collect();
        state(
            self.versions.iter().map(|(name, version)| (name.as_str(), version)),
            fingerprints.iter().map(|(name, fingerprint)| (*name, fingerprint.as_str())),
        )
    }
}

/// The policies of `snapshot` that speak of `image` (its full name) in `workload`, by name.
pub fn select<'s>(snapshot: &'s Snapshot, workload: &Workload<'_>, image: &str) -> Vec<&'s Arc<Policy>> {
    snapshot.policies.values().filter(|policy| policy.speaks_of(workload, image)).collect()
}
