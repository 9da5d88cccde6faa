//! Which policies and trust roots are in force in every live webhook replica?
//!
//! Each replica reports one digest of everything that it has in force on a Lease of its own. The leader knows what
//! should be in force, and takes note of the moments at which every live replica has just that. What was in force once
//! stays so until it changes itself: a replica that lags with something else takes nothing back, and one that joins
//! has loaded everything before it is ready.

mod replicas;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, MissedTickBehavior},
};
use trustwright_api::names::REPORT_SECONDS;
use trustwright_policy::{Version, state};
use trustwright_roots::Root;

pub(crate) use replicas::watch as watch_replicas;

/// Most names of policies in the status of a trust root.
pub(crate) const MOST_USERS: usize = 20;
/// For how long what a new leader does not know yet is not taken for missing.
const BEGINNING: Duration = Duration::from_secs(5);
/// How long changes are collected before anybody looks at them.
const SETTLING: Duration = Duration::from_millis(50);
/// How often replicas that have fallen silent, and the users of trust roots, are looked at.
const TICK: Duration = Duration::from_secs(1);
/// For how long a report counts.
const REPORT_LIFE: Duration = Duration::from_secs(REPORT_SECONDS);

/// What should be in force, and where it is.
#[derive(Debug)]
pub(crate) struct Enforcement {
    inner: Mutex<Inner>,
    /// Something has changed that may bring something into force.
    pub(crate) changed: Notify,
    since: Instant,
}

impl Default for Enforcement {
    fn default() -> Self {
        Self { inner: Mutex::default(), changed: Notify::new(), since: Instant::now() }
    }
}

#[derive(Debug, Default)]
struct Inner {
    policies: BTreeMap<String, Policy>,
    /// How many of them are not in force.
    on_their_way: usize,
    trust: BTreeMap<String, Trust>,
    /// What each trust root comes to.
    roots: Arc<BTreeMap<String, Arc<Root>>>,
    replicas: BTreeMap<String, Replica>,
    /// Which policies rest on each trust root, as was last told.
    told: BTreeMap<String, (usize, Vec<String>)>,
}

#[derive(Debug)]
struct Policy {
    version: Version,
    /// Since when it should be in force.
    since: Instant,
    in_force: bool,
    /// The trust roots that it rests on.
    trust_roots: BTreeSet<String>,
    ready: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Trust {
    /// What should be in force, or why nothing is.
    usable: Result<String, String>,
    in_force: bool,
}

#[derive(Debug)]
struct Replica {
    state: String,
    heard: Instant,
}

/// How far a policy or trust root has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Every live replica has it.
    InForce,
    /// Not every live replica has it yet, since this long.
    Spreading(Duration),
    /// There is no live replica.
    NoReplica,
}

/// What changed, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) policies: BTreeSet<String>,
    pub(crate) trust: BTreeSet<String>,
}

impl Enforcement {
    /// A policy should be in force in this version; returns how far it has come. `told` is whether its status says
    /// already that it is: a new leader takes an earlier one's word, and rewrites nothing.
    pub(crate) fn policy(
        &self,
        name: &str,
        version: Version,
        trust_roots: BTreeSet<String>,
        ready: bool,
        told: bool,
    ) -> Reach {
        let mut inner = self.inner();
        let now = Instant::now();
        let known = inner.take(name);
        let policy = match known {
            Some(known) if known.version == version => Policy { trust_roots, ready, ..known },
            Some(_) => Policy { version, since: now, in_force: false, trust_roots, ready },
            None => Policy { version, since: now, in_force: told, trust_roots, ready },
        };
        let (in_force, since) = (policy.in_force, policy.since);
        inner.put(name, policy);
        let reach = inner.reach(in_force, now.duration_since(since), now);
        drop(inner);
        if reach != Reach::InForce {
            self.changed.notify_one();
        }
        reach
    }

    /// A trust root comes to this; returns whether every live replica has it, and the policies that must hear of a
    /// change. `told` is the fingerprint of which its status says already that they have.
    pub(crate) fn trust_root(&self, name: &str, root: Root, told: Option<&str>) -> (bool, BTreeSet<String>) {
        let usable = match &root.trusted {
            Ok(material) => Ok(material.fingerprint().to_string()),
            Err(refusal) => Err(refusal.message.clone()),
        };
        let mut inner = self.inner();
        let known = inner.trust.get(name).cloned();
        let same = known.as_ref().is_some_and(|known| known.usable == usable);
        let concerned = if same { BTreeSet::new() } else { inner.users(name).map(str::to_owned).collect() };
        let in_force = match &known {
            Some(known) => same && known.in_force,
            None => usable.as_ref().is_ok_and(|fingerprint| told == Some(fingerprint.as_str())),
        };
        if !same {
            Arc::make_mut(&mut inner.roots).insert(name.to_owned(), Arc::new(root));
        }
        inner.trust.insert(name.to_owned(), Trust { usable, in_force });
        drop(inner);
        if !in_force {
            self.changed.notify_one();
        }
        (in_force, concerned)
    }

    /// Whether we have only begun to lead, so that what is not known may still come.
    pub(crate) fn is_new(&self) -> bool {
        self.since.elapsed() < BEGINNING
    }

    /// Returns what each trust root comes to.
    pub(crate) fn roots(&self) -> Arc<BTreeMap<String, Arc<Root>>> {
        self.inner().roots.clone()
    }

    /// The fingerprint of what should be in force of a trust root.
    pub(crate) fn fingerprint(&self, name: &str) -> Option<String> {
        self.inner().trust.get(name)?.usable.clone().ok()
    }

    /// Returns how many policies rest on a trust root, and the first of their names.
    pub(crate) fn users(&self, name: &str, most: usize) -> (usize, Vec<String>) {
        let inner = self.inner();
        (inner.users(name).count(), inner.users(name).take(most).map(str::to_owned).collect())
    }

    /// Returns the trust roots that other policies rest on than at the last call.
    pub(crate) fn users_changed(&self, most: usize) -> Vec<String> {
        let mut inner = self.inner();
        let mut users: BTreeMap<String, (usize, Vec<String>)> = BTreeMap::new();
        for (name, policy) in &inner.policies {
            for root in policy.trust_roots.iter().filter(|root| inner.trust.contains_key(*root)) {
                let (count, names) = users.entry(root.clone()).or_default();
                *count += 1;
                if names.len() < most {
                    names.push(name.clone());
                }
            }
        }
        let told = std::mem::replace(&mut inner.told, users);
        let all: BTreeSet<&String> = told.keys().chain(inner.told.keys()).collect();
        all.into_iter().filter(|root| told.get(*root) != inner.told.get(*root)).cloned().collect()
    }

    /// Forgets a policy that is gone.
    pub(crate) fn forget_policy(&self, name: &str) {
        self.inner().take(name);
        self.changed.notify_one();
    }

    /// How many policies are not in force in every live replica.
    pub(crate) fn on_their_way(&self) -> usize {
        self.inner().on_their_way
    }

    /// Forgets every policy but these.
    pub(crate) fn retain_policies(&self, names: &BTreeSet<String>) {
        let mut inner = self.inner();
        inner.policies.retain(|name, _| names.contains(name));
        inner.on_their_way = inner.policies.values().filter(|policy| !policy.in_force).count();
        drop(inner);
        self.changed.notify_one();
    }

    /// Forgets a trust root that is gone; returns the policies that must hear of it.
    pub(crate) fn forget_trust_root(&self, name: &str) -> BTreeSet<String> {
        let mut inner = self.inner();
        inner.trust.remove(name);
        Arc::make_mut(&mut inner.roots).remove(name);
        let users = inner.users(name).map(str::to_owned).collect();
        drop(inner);
        self.changed.notify_one();
        users
    }

    /// Forgets every trust root but these.
    pub(crate) fn retain_trust_roots(&self, names: &BTreeSet<String>) {
        let mut inner = self.inner();
        inner.trust.retain(|name, _| names.contains(name));
        Arc::make_mut(&mut inner.roots).retain(|name, _| names.contains(name));
        drop(inner);
        self.changed.notify_one();
    }

    /// A replica has reported.
    pub(crate) fn heard(&self, replica: &str, state: String) {
        self.inner().replicas.insert(replica.to_owned(), Replica { state, heard: Instant::now() });
        self.changed.notify_one();
    }

    /// A replica has gone.
    pub(crate) fn gone(&self, replica: &str) {
        self.inner().replicas.remove(replica);
        self.changed.notify_one();
    }

    /// Takes note of what has come into force; returns what did.
    pub(crate) fn settle(&self) -> Changed {
        let mut inner = self.inner();
        let now = Instant::now();
        inner.replicas.retain(|_, replica| now.duration_since(replica.heard) < REPORT_LIFE);
        let mut changed = Changed::default();
        let waits = inner.on_their_way > 0
            || inner.trust.values().any(|trust| trust.usable.is_ok() && !trust.in_force);
        if !waits || inner.replicas.is_empty() {
            return changed;
        }
        let wanted = inner.state();
        if inner.replicas.values().any(|replica| replica.state != wanted) {
            return changed;
        }
        for (name, policy) in inner.policies.iter_mut().filter(|(_, policy)| !policy.in_force) {
            policy.in_force = true;
            changed.policies.insert(name.clone());
        }
        inner.on_their_way = 0;
        for (name, trust) in
            inner.trust.iter_mut().filter(|(_, trust)| trust.usable.is_ok() && !trust.in_force)
        {
            trust.in_force = true;
            changed.trust.insert(name.clone());
        }
        changed
    }

    /// What metrics show.
    pub(crate) fn summary(&self) -> Summary {
        let inner = self.inner();
        let wanted = inner.state();
        let replicas = inner.replicas.len();
        let in_step = inner.replicas.values().filter(|replica| replica.state == wanted).count();
        let policies = inner
            .policies
            .iter()
            .map(|(name, policy)| {
                let reached = if policy.in_force { replicas } else { in_step };
                (name.clone(), policy.ready, reached)
            })
            .collect();
        let all_ready = inner.policies.values().all(|policy| policy.ready && policy.in_force);
        Summary { replicas, in_step, ready: all_ready && replicas > 0, policies }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes note of what comes into force, for ever, and sends the names of what must be looked at again.
pub(crate) async fn run(
    enforcement: &Enforcement,
    policies: &mpsc::UnboundedSender<String>,
    trust_roots: &mpsc::UnboundedSender<String>,
) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut users_changed = Vec::new();
        tokio::select! {
            () = enforcement.changed.notified() => tokio::time::sleep(SETTLING).await,
            _ = tick.tick() => users_changed = enforcement.users_changed(MOST_USERS),
        }
        let changed = enforcement.settle();
        // Nobody listens once we no longer lead.
        for name in changed.policies {
            drop(policies.send(name));
        }
        for name in changed.trust.into_iter().chain(users_changed) {
            drop(trust_roots.send(name));
        }
    }
}

/// What metrics show.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    /// Live webhook replicas.
    pub(crate) replicas: usize,
    /// Those that have everything in force.
    pub(crate) in_step: usize,
    /// Whether every policy can be used, and is in force in every live replica, of which there is one at least.
    pub(crate) ready: bool,
    /// Name, whether it can be used, and how many live replicas have it.
    pub(crate) policies: Vec<(String, bool, usize)>,
}

impl Inner {
    fn put(&mut self, name: &str, policy: Policy) {
        self.on_their_way += usize::from(!policy.in_force);
        self.policies.insert(name.to_owned(), policy);
    }

    fn take(&mut self, name: &str) -> Option<Policy> {
        let policy = self.policies.remove(name)?;
        self.on_their_way -= usize::from(!policy.in_force);
        Some(policy)
    }

    fn reach(&self, in_force: bool, since: Duration, now: Instant) -> Reach {
        let live = self.replicas.values().any(|replica| now.duration_since(replica.heard) < REPORT_LIFE);
        match (in_force, live) {
            (true, _) => Reach::InForce,
            (false, true) => Reach::Spreading(since),
            (false, false) => Reach::NoReplica,
        }
    }

    fn users<'i>(&'i self, root: &'i str) -> impl Iterator<Item = &'i str> {
        let uses = move |(name, policy): (&'i String, &'i Policy)| {
            policy.trust_roots.contains(root).then_some(name.as_str())
        };
        self.policies.iter().filter_map(uses)
    }

    /// What every replica should report.
    fn state(&self) -> String {
        state(
            self.policies.iter().map(|(name, policy)| (name.as_str(), &policy.version)),
            self.trust
                .iter()
                .filter_map(|(name, trust)| Some((name.as_str(), trust.usable.as_ref().ok()?.as_str()))),
        )
    }
}

#[cfg(test)]
mod tests;
