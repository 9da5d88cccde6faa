//! What the webhooks count.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
    },
    registry::Registry,
};
use trustwright_core::{Decision, Reason, Verdict};
use trustwright_policy::Snapshot;

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

/// The fingerprints of the material in force, by trust root.
type Fingerprints = Arc<ArcSwap<BTreeMap<String, String>>>;

/// Writes [`Fingerprints`] as they are when asked, so that a trust root that is gone leaves nothing behind.
#[derive(Debug)]
struct FingerprintCollector(Fingerprints);

impl Collector for FingerprintCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let fingerprints = self.0.load();
        if fingerprints.is_empty() {
            return Ok(());
        }
        let one = ConstGauge::<i64>::new(1);
        let mut family = encoder.encode_descriptor(
            "webhook_trustroot_info",
            "Fingerprint of what is in force here of a trust root",
            None,
            one.metric_type(),
        )?;
        for (trustroot, fingerprint) in fingerprints.iter() {
            let labels = [("trustroot", trustroot.as_str()), ("fingerprint", fingerprint.as_str())];
            one.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// How often something was missed, by trust root.
#[derive(Debug, Clone, Default)]
struct Misses(Arc<Mutex<BTreeMap<String, u64>>>);

impl Misses {
    fn with<R>(&self, then: impl FnOnce(&mut BTreeMap<String, u64>) -> R) -> R {
        then(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Collector for Misses {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.with(|counts| counts.clone());
        let each = ConstCounter::<u64>::new(0);
        let mut family = encoder.encode_descriptor(
            "webhook_trustroot_misses",
            "Evidence of a log, key or authority that a trust root does not know, counted once a minute",
            None,
            each.metric_type(),
        )?;
        for (trustroot, count) in &counts {
            let count = ConstCounter::<u64>::new(*count);
            count.encode(family.encode_family(&[("trustroot", trustroot.as_str())])?)?;
        }
        Ok(())
    }
}

/// Writes what the engine has counted.
#[derive(Debug)]
struct EngineCollector(trustwright_engine::Metrics);

impl Collector for EngineCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let each = ConstCounter::<u64>::new(0);
        let mut family = encoder.encode_descriptor(
            "admission_evidence",
            "How evidence was come by: per authority hit and miss, per image flight, joined and late",
            None,
            each.metric_type(),
        )?;
        for counter in trustwright_engine::Counter::ALL {
            let count = ConstCounter::<u64>::new(self.0.count(counter));
            count.encode(family.encode_family(&[("answer", counter.as_str())])?)?;
        }
        Ok(())
    }
}

/// The metrics of the webhooks. Every label comes from a closed set, except for the names of trust roots.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    findings: Family<FindingLabels, Counter>,
    duration: Family<EndpointLabels, Histogram>,
    in_flight: Gauge,
    panics: Counter,
    policies: Gauge,
    broken_policies: Gauge,
    trust_roots: Gauge,
    unusable_trust_roots: Gauge,
    kept_trust_roots: Gauge,
    fingerprints: Fingerprints,
    misses: Misses,
    untold: Counter,
    engine: trustwright_engine::Metrics,
}

impl Metrics {
    /// What the engine counts with.
    pub fn engine(&self) -> trustwright_engine::Metrics {
        self.engine.clone()
    }

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
            trust_roots: Gauge::default(),
            unusable_trust_roots: Gauge::default(),
            kept_trust_roots: Gauge::default(),
            fingerprints: Fingerprints::default(),
            misses: Misses::default(),
            untold: Counter::default(),
            engine: trustwright_engine::Metrics::default(),
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
        registry.register("snapshot_trustroots", "Trust roots known here", metrics.trust_roots.clone());
        registry.register(
            "snapshot_unusable_trustroots",
            "Trust roots known here of which nothing is in force",
            metrics.unusable_trust_roots.clone(),
        );
        registry.register(
            "snapshot_kept_trustroots",
            "Trust roots whose status is not accepted here, while what was accepted before stays in force",
            metrics.kept_trust_roots.clone(),
        );
        registry.register(
            "denial_events_dropped",
            "Denials and warnings that were not told as events, since they came too fast or could not be written",
            metrics.untold.clone(),
        );
        registry.register_collector(Box::new(FingerprintCollector(metrics.fingerprints.clone())));
        registry.register_collector(Box::new(metrics.misses.clone()));
        registry.register_collector(Box::new(EngineCollector(metrics.engine.clone())));
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

    pub(crate) fn denial_not_told(&self) {
        self.untold.inc();
    }

    /// Counts what was missed in a trust root.
    pub(crate) fn missed(&self, trust_root: &str) {
        self.misses.with(|misses| *misses.entry(trust_root.to_owned()).or_default() += 1);
    }

    /// Notes what is in force from now on. `kept` trust roots rest on what was accepted before.
    pub(crate) fn snapshot(&self, snapshot: &Snapshot, kept: usize) {
        let Snapshot { policies, trust, versions: _, settings: _ } = snapshot;
        let broken = policies.values().filter(|policy| policy.not_ready().next().is_some()).count();
        let fingerprints: BTreeMap<_, _> = trust
            .iter()
            .filter_map(|(name, root)| Some((name, root.trusted.as_ref().ok()?)))
            .map(|(name, material)| (name.clone(), material.fingerprint().to_string()))
            .collect();
        for (gauge, count) in [
            (&self.policies, policies.len()),
            (&self.broken_policies, broken),
            (&self.trust_roots, trust.len()),
            (&self.unusable_trust_roots, trust.len() - fingerprints.len()),
            (&self.kept_trust_roots, kept),
        ] {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.fingerprints.store(Arc::new(fingerprints));
        // From zero on, so that the first miss is an increase; and nothing of a trust root that is gone.
        self.misses.with(|misses| {
            misses.retain(|name, _| trust.contains_key(name));
            for name in trust.keys() {
                misses.entry(name.clone()).or_default();
            }
        });
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
