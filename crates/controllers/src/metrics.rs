//! What the reconcilers count, under the names that controller-runtime gave the field.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Upper bounds of durations, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    controller: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

/// The metrics of the reconcilers.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconciles: Family<Labels, Counter>,
    duration: Family<ControllerLabels, Histogram>,
    writes: Family<ControllerLabels, Counter>,
    leader: Gauge,
}

impl Metrics {
    /// Registers the metrics, in a registry without a prefix.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconciles: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            writes: Family::default(),
            leader: Gauge::default(),
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

    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }
}
