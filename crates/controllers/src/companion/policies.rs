//! Which policies rest on a trust root, and whether the other system has them loaded as they are now. Pure.
//!
//! Its `ConfigMap` `config-image-policies` has an entry for each `ClusterImagePolicy` that it has loaded, with the UID
//! and the resourceVersion of the object that it was compiled from. It writes an entry again whenever the object
//! changes, its own status included, so that at rest the two are the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use kube::{ResourceExt as _, core::DynamicObject};
use serde_json::Value;

/// How long an entry may differ from its object before that is said: each change of an object makes it so for a moment.
const GRACE: Duration = Duration::from_secs(10);

/// A policy, as it is loaded or as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Policy {
    uid: String,
    version: String,
    /// The names of the trust roots that it rests on.
    roots: BTreeSet<String>,
}

/// Why a policy is not in force as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// It is not loaded.
    NotLoaded,
    /// What is loaded is another state of it.
    Outdated,
    /// It is loaded, and there is no such object.
    Deleted,
}

/// The policies that rest on one trust root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Users {
    /// Those that are loaded and name it, in order.
    pub(super) loaded: Vec<String>,
    /// Those that are not in force as they are written; `None` where the objects cannot be seen.
    pub(super) faults: Option<Vec<(String, Fault)>>,
    /// When time alone may change it.
    pub(super) again: Option<Timestamp>,
}

/// What is known of policies.
#[derive(Debug, Default)]
pub(super) struct Policies {
    /// By name, as the other system has them; `None` until that is known.
    loaded: Option<BTreeMap<String, Policy>>,
    /// By name, as the objects are; `None` until they are listed.
    written: Option<BTreeMap<String, Policy>>,
    /// Since when a policy is known to differ.
    since: BTreeMap<String, Timestamp>,
}

impl Policy {
    /// Reads an entry. One that cannot be read is that of no object.
    pub(super) fn of_entry(text: &str) -> Self {
        let entry: Value = serde_json::from_str(text).unwrap_or_default();
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        Self { uid: text("uid"), version: text("resourceVersion"), roots: roots(&entry["authorities"]) }
    }

    pub(super) fn of_object(object: &DynamicObject) -> Self {
        Self {
            uid: object.uid().unwrap_or_default(),
            version: object.resource_version().unwrap_or_default(),
            roots: roots(&object.data["spec"]["authorities"]),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.uid, &self.version) == (&other.uid, &other.version)
    }
}

/// Every trust root that authorities name, wherever they do.
fn roots(authorities: &Value) -> BTreeSet<String> {
    match authorities {
        Value::Array(values) => values.iter().flat_map(roots).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(root) if name == "trustRootRef" && !root.is_empty() => {
                    BTreeSet::from([root.clone()])
                }
                other => roots(other),
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeSet::new(),
    }
}

impl Users {
    /// How many there are of each state, by its name in metrics.
    pub(crate) fn counts(&self) -> [(&'static str, usize); 4] {
        let of = |wanted| self.faults.iter().flatten().filter(|(_, fault)| *fault == wanted).count();
        [
            ("loaded", self.loaded.len()),
            ("not_loaded", of(Fault::NotLoaded)),
            ("outdated", of(Fault::Outdated)),
            ("deleted", of(Fault::Deleted)),
        ]
    }
}

impl Policies {
    /// These are loaded, and no others. Returns the trust roots that this may matter to.
    pub(super) fn load(&mut self, entries: &BTreeMap<String, String>) -> BTreeSet<String> {
        let loaded = entries.iter().map(|(name, text)| (name.clone(), Policy::of_entry(text))).collect();
        let before = self.loaded.replace(loaded);
        self.forgive();
        self.concerned(before.as_ref(), self.loaded.as_ref())
    }

    /// These are written, and no others. Returns the trust roots that this may matter to.
    pub(super) fn list(&mut self, objects: BTreeMap<String, Policy>) -> BTreeSet<String> {
        let before = self.written.replace(objects);
        self.forgive();
        self.concerned(before.as_ref(), self.written.as_ref())
    }

    /// One is written like this, or gone. Returns the trust roots that this may matter to.
    pub(super) fn write(&mut self, name: &str, policy: Option<Policy>) -> BTreeSet<String> {
        let Some(written) = &mut self.written else { return BTreeSet::new() };
        let before = match policy {
            Some(policy) => written.insert(name.to_owned(), policy),
            None => written.remove(name),
        };
        let mut concerned = self.roots_of(name);
        concerned.extend(before.into_iter().flat_map(|before| before.roots));
        self.forgive();
        concerned
    }

    /// Returns the trust roots of every policy that is another in `now` than in `before`, two states of one map.
    fn concerned(
        &self,
        before: Option<&BTreeMap<String, Policy>>,
        now: Option<&BTreeMap<String, Policy>>,
    ) -> BTreeSet<String> {
        let get =
            |map: Option<&BTreeMap<String, Policy>>, name: &str| map.and_then(|map| map.get(name)).cloned();
        let names: BTreeSet<&String> = before.into_iter().chain(now).flat_map(BTreeMap::keys).collect();
        let changed = names.into_iter().filter(|name| get(before, name) != get(now, name));
        changed
            .flat_map(|name| {
                let mut roots = self.roots_of(name);
                roots.extend(get(before, name).into_iter().flat_map(|policy| policy.roots));
                roots
            })
            .collect()
    }

    fn roots_of(&self, name: &str) -> BTreeSet<String> {
        let policies = [&self.loaded, &self.written].into_iter().flatten().filter_map(|map| map.get(name));
        policies.flat_map(|policy| policy.roots.iter().cloned()).collect()
    }

    /// Forgets since when those differ that do not any more.
    fn forgive(&mut self) {
        let mut since = std::mem::take(&mut self.since);
        since.retain(|name, _| self.fault(name).is_some());
        self.since = since;
    }

    fn fault(&self, name: &str) -> Option<Fault> {
        let (loaded, written) = (self.loaded.as_ref()?.get(name), self.written.as_ref()?.get(name));
        match (loaded, written) {
            (None, None) => None,
            (None, Some(_)) => Some(Fault::NotLoaded),
            (Some(_), None) => Some(Fault::Deleted),
            (Some(loaded), Some(written)) => (!loaded.is_same(written)).then_some(Fault::Outdated),
        }
    }

    /// Returns who rests on the trust root called `root`; `None` while nobody knows.
    pub(super) fn users(&mut self, root: &str, now: Timestamp) -> Option<Users> {
        let names = |map: &BTreeMap<String, Policy>| -> Vec<String> {
            let named = map.iter().filter(|(_, policy)| policy.roots.contains(root));
            named.map(|(name, _)| name.clone()).collect()
        };
        let mut users = Users { loaded: names(self.loaded.as_ref()?), ..Users::default() };
        let Some(written) = &self.written else { return Some(users) };
        let mut concerned: BTreeSet<String> = names(written).into_iter().collect();
        concerned.extend(users.loaded.iter().cloned());
        let mut faults = Vec::new();
        for name in concerned {
            let Some(fault) = self.fault(&name) else { continue };
            let since = *self.since.entry(name.clone()).or_insert(now);
            match since.checked_add(GRACE) {
                Ok(due) if due > now => users.again = Some(users.again.map_or(due, |again| again.min(due))),
                Ok(_) | Err(_) => faults.push((name, fault)),
            }
        }
        users.faults = Some(faults);
        Some(users)
    }
}

#[cfg(test)]
mod tests;
