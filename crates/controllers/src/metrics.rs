//! What the reconcilers count. Where the meaning is the same, the names are those that controller-runtime gave the
//! field.

mod collector;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use trustwright_api::v1alpha1::TrustRootReason;

use crate::{
    companion::Users,
    enforcement::Enforcement,
    trust_root::{Cause, Shown},
};
use collector::{Collected, PeerPolicies, Policies};

/// Upper bounds of durations, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Upper bounds of durations of refreshes, in seconds.
const REFRESH_BUCKETS: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    controller: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefreshLabels {
    result: &'static str,
    reason: &'static str,
    cause: &'static str,
}

/// The metrics of the reconcilers.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconciles: Family<Labels, Counter>,
    duration: Family<ControllerLabels, Histogram>,
    writes: Family<ControllerLabels, Counter>,
    leader: Gauge,
    refreshes: Family<RefreshLabels, Counter>,
    refresh_duration: Histogram,
    restarts: Family<KindLabels, Counter>,
    shown: Arc<Mutex<BTreeMap<String, Shown>>>,
    enforcement: Arc<Mutex<Option<Arc<Enforcement>>>>,
    users: Arc<Mutex<BTreeMap<String, Users>>>,
}

impl Metrics {
    /// Registers the metrics, in a registry without a prefix.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconciles: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            writes: Family::default(),
            leader: Gauge::default(),
            refreshes: Family::default(),
            refresh_duration: Histogram::new(REFRESH_BUCKETS),
            restarts: Family::default(),
            shown: Arc::default(),
            enforcement: Arc::default(),
            users: Arc::default(),
        };
        registry.register(
            "controller_runtime_reconcile",
            "Reconciles, by result",
            metrics.reconciles.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "Time of a reconcile",
            metrics.duration.clone(),
        );
        registry.register("trustwright_status_writes", "Statuses written", metrics.writes.clone());
        registry.register(
            "leader_election_master_status",
            "Whether this replica leads",
            metrics.leader.clone(),
        );
        registry.register(
            "trustwright_trustroot_refreshes",
            "Refreshes of trust roots from their mirrors",
            metrics.refreshes.clone(),
        );
        registry.register(
            "trustwright_trustroot_refresh_duration_seconds",
            "Time of a refresh, the quiet ones included",
            metrics.refresh_duration.clone(),
        );
        registry.register(
            "trustwright_dependent_restarts",
            "Restarts of workloads because a trust root that they depend on has changed",
            metrics.restarts.clone(),
        );
        registry.register_collector(Box::new(Collected(metrics.shown.clone())));
        registry.register_collector(Box::new(Policies(metrics.enforcement.clone())));
        registry.register_collector(Box::new(PeerPolicies(metrics.users.clone())));
        metrics
    }

    pub(crate) fn reconciled(&self, controller: &'static str, succeeded: bool, seconds: f64) {
        let result = if succeeded { "success" } else { "error" };
        self.reconciles.get_or_create(&Labels { controller, result }).inc();
        self.duration.get_or_create(&ControllerLabels { controller }).observe(seconds);
    }

    pub(crate) fn wrote(&self, controller: &'static str) {
        self.writes.get_or_create(&ControllerLabels { controller }).inc();
    }

    /// Only the leader shows trust roots: another one's view would be as old as its lead.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
        if !leads {
            self.shown().clear();
            self.users().clear();
            self.enforces(None);
        }
    }

    /// Whose view of policies is shown.
    pub(crate) fn enforces(&self, enforcement: Option<Arc<Enforcement>>) {
        *self.enforcement.lock().unwrap_or_else(PoisonError::into_inner) = enforcement;
    }

    pub(crate) fn refreshed(&self, failure: Option<TrustRootReason>, cause: Cause, took: Duration) {
        let labels = RefreshLabels {
            result: if failure.is_none() { "success" } else { "failure" },
            reason: failure.unwrap_or(TrustRootReason::UpToDate).as_str(),
            cause: cause.as_str(),
        };
        self.refreshes.get_or_create(&labels).inc();
        self.refresh_duration.observe(took.as_secs_f64());
    }

    pub(crate) fn restarted(&self, kind: &'static str) {
        self.restarts.get_or_create(&KindLabels { kind }).inc();
    }

    pub(crate) fn show(&self, name: &str, shown: Shown) {
        self.shown().insert(name.to_owned(), shown);
    }

    /// Who rests on a trust root, beside another system.
    pub(crate) fn show_users(&self, name: &str, users: &Users) {
        self.users().insert(name.to_owned(), users.clone());
    }

    pub(crate) fn forget(&self, name: &str) {
        self.shown().remove(name);
        self.users().remove(name);
    }

    pub(crate) fn retain(&self, names: &BTreeSet<String>) {
        self.shown().retain(|name, _| names.contains(name));
        self.users().retain(|name, _| names.contains(name));
    }

    fn shown(&self) -> MutexGuard<'_, BTreeMap<String, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn users(&self) -> MutexGuard<'_, BTreeMap<String, Users>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
