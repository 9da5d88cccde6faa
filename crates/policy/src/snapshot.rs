//! All that admission knows, as one immutable value.

use std::{collections::BTreeMap, ops::Deref, sync::Arc};

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

/// Policies by name, and what they ask for together. It is read like the map that it is.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    by_name: BTreeMap<String, Arc<Policy>>,
    include_workload: bool,
}

impl Policies {
    /// Puts `policy` in force under `name`, in the place of one that has that name.
    pub fn insert(&mut self, name: String, policy: Arc<Policy>) {
        let asks = policy.includes.workload();
        let replaced = self.by_name.insert(name, policy);
        self.include_workload = asks
            || match replaced {
                Some(_) => self.by_name.values().any(|policy| policy.includes.workload()),
                None => self.include_workload,
            };
    }

    /// Keeps the policies of these names only.
    pub fn retain(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.by_name.retain(|name, _| is_kept(name));
        self.include_workload = self.by_name.values().any(|policy| policy.includes.workload());
    }

    /// Whether any policy may look at the workload itself, and not only at its images. Known without a look at each,
    /// as it is asked for every request.
    pub const fn include_workload(&self) -> bool {
        self.include_workload
    }
}

impl Deref for Policies {
    type Target = BTreeMap<String, Arc<Policy>>;

    fn deref(&self) -> &Self::Target {
        &self.by_name
    }
}

impl FromIterator<(String, Arc<Policy>)> for Policies {
    fn from_iter<I: IntoIterator<Item = (String, Arc<Policy>)>>(policies: I) -> Self {
        let by_name: BTreeMap<_, _> = policies.into_iter().collect();
        let include_workload = by_name.values().any(|policy| policy.includes.workload());
        Self { by_name, include_workload }
    }
}

impl<const N: usize> From<[(String, Arc<Policy>); N]> for Policies {
    fn from(policies: [(String, Arc<Policy>); N]) -> Self {
        policies.into_iter().collect()
    }
}

/// Policies, trust roots and settings as of one moment. A request loads it once and sees one consistent world.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The policies by name; the order of the names is the order of findings.
    pub policies: Policies,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Includes;

    fn policy(includes: Includes) -> Arc<Policy> {
        Arc::new(Policy { includes, ..Policy::unreadable("p", "") })
    }

    #[test]
    fn a_workload_is_asked_for_as_long_as_one_policy_asks() {
        let (asks, image_only) = (
            policy(Includes { metadata: true, ..Includes::default() }),
            policy(Includes { config: true, ..Includes::default() }),
        );
        let mut policies = Policies::default();
        let mut after = |name: &str, policy: &Arc<Policy>| {
            policies.insert(name.to_owned(), policy.clone());
            let again: Policies =
                policies.iter().map(|(name, policy)| (name.clone(), policy.clone())).collect();
            assert_eq!(again.include_workload(), policies.include_workload());
            policies.include_workload()
        };
        assert!(!after("a", &image_only));
        assert!(after("b", &asks));
        assert!(after("c", &image_only), "another policy changes nothing of that");
        assert!(after("a", &asks) && after("a", &image_only), "another still asks");
        assert!(!after("b", &image_only), "the last one that asked is replaced");
        assert!(after("c", &asks));
        policies.retain(|name| name != "c");
        assert!(!policies.include_workload() && policies.len() == 2, "the last one that asked is gone");
    }
}
