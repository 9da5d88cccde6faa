//! What the webhooks count.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use trustwright_core::{Decision, Reason, Verdict};

/// Upper bounds of durations, in seconds.
const BUCKETS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    endpoint: &'static str,
    decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    decision: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    endpoint: &'static str,
}

/// The metrics of the webhooks. Every label comes from a closed set.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    findings: Family<FindingLabels, Counter>,
    duration: Family<EndpointLabels, Histogram>,
    in_flight: Gauge,
    panics: Counter,
    policies: Gauge,
    broken_policies: Gauge,
}

impl Metrics {
    /// Registers the metrics, in the registry that puts `trustwright_` before each name.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            findings: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Gauge::default(),
            panics: Counter::default(),
            policies: Gauge::default(),
            broken_policies: Gauge::default(),
        };
        registry.register(
            "admission",
            "Requests answered, by endpoint and decision",
            metrics.requests.clone(),
        );
        registry.register(
            "admission_findings",
            "What stood against images, by the closed reason",
            metrics.findings.clone(),
        );
        registry.register(
            "admission_duration_seconds",
            "Time from a request's last byte to its answer",
            metrics.duration.clone(),
        );
        registry.register("admission_in_flight", "Requests being answered", metrics.in_flight.clone());
        registry.register("admission_panics", "Requests denied by a bug", metrics.panics.clone());
        registry.register("snapshot_policies", "Policies in force here", metrics.policies.clone());
        registry.register(
            "snapshot_broken_policies",
            "Policies in force here of which a part cannot be used",
            metrics.broken_policies.clone(),
        );
        for reason in Reason::ALL {
            for decision in [Decision::Warn, Decision::Deny] {
                metrics.finding(decision, reason);
            }
        }
        metrics
    }

    pub(crate) fn started(&self) -> InFlight {
        self.in_flight.inc();
        InFlight { gauge: self.in_flight.clone(), since: std::time::Instant::now() }
    }

    pub(crate) fn answered(&self, endpoint: &'static str, decision: &'static str, in_flight: &InFlight) {
        self.requests.get_or_create(&RequestLabels { endpoint, decision }).inc();
        self.duration
            .get_or_create(&EndpointLabels { endpoint })
            .observe(in_flight.since.elapsed().as_secs_f64());
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
        self.refused(Reason::Internal);
    }

    /// Counts a refusal that comes from no verdict.
    pub(crate) fn refused(&self, reason: Reason) {
        self.finding(Decision::Deny, reason).inc();
    }

    pub(crate) fn judged(&self, verdict: &Verdict) {
        let (denied, warned): (Vec<_>, Vec<_>) = match verdict {
            Verdict::Allow => return,
            Verdict::Warn(findings) => (Vec::new(), findings.iter().collect()),
            Verdict::Deny { findings, warnings } => (findings.iter().collect(), warnings.iter().collect()),
        };
        for (decision, findings) in [(Decision::Deny, denied), (Decision::Warn, warned)] {
            for cause in findings.into_iter().flat_map(|finding| finding.causes.iter()) {
                self.finding(decision, cause.reason).inc();
            }
        }
    }

    pub(crate) fn snapshot(&self, policies: usize, broken: usize) {
        self.policies.set(i64::try_from(policies).unwrap_or(i64::MAX));
        self.broken_policies.set(i64::try_from(broken).unwrap_or(i64::MAX));
    }

    fn finding(&self, decision: Decision, reason: Reason) -> Counter {
        let labels = FindingLabels { decision: decision.as_str(), reason: reason.as_str() };
        self.findings.get_or_create_owned(&labels)
    }
}

/// A request being answered; counted down when it is dropped.
pub(crate) struct InFlight {
    gauge: Gauge,
    since: std::time::Instant,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}
