//! The series of single trust roots, made when they are asked for: none is left behind by an object that is gone.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::{companion::Users, enforcement::Enforcement, trust_root::Shown};

/// The trust roots as they were last seen.
#[derive(Debug)]
pub(super) struct Collected(pub(super) Arc<Mutex<BTreeMap<String, Shown>>>);

/// One series: its labels besides `trustroot`, and its value.
type Series = (Vec<(&'static str, String)>, f64);

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, help, series) in FAMILIES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (trustroot, shown) in &shown {
                for (labels, value) in series(shown) {
                    let mut all = vec![("trustroot", trustroot.clone())];
                    all.extend(labels);
                    ConstGauge::new(value).encode(family.encode_family(&all)?)?;
                }
            }
        }
        Ok(())
    }
}

/// Name, help, and the series of one trust root.
type Family = (&'static str, &'static str, fn(&Shown) -> Vec<Series>);

const FAMILIES: [Family; 8] = [
    ("trustwright_trustroot_ready", "Whether policies can rest on it", |shown| {
        vec![(Vec::new(), f64::from(u8::from(shown.ready)))]
    }),
    ("trustwright_trustroot_refreshed", "Whether the last refresh succeeded", |shown| {
        shown.refreshed.iter().map(|met| (Vec::new(), f64::from(u8::from(*met)))).collect()
    }),
    ("trustwright_trustroot_fingerprint_info", "What is trusted", |shown| {
        shown.fingerprint.iter().map(|of| (vec![("fingerprint", of.clone())], 1.0)).collect()
    }),
    ("trustwright_trustroot_expiry_timestamp_seconds", "When a role of its TUF metadata ends", |shown| {
        let series = |(role, _, expires): &(String, u64, Timestamp)| (role_label(role), seconds(*expires));
        shown.roles.iter().map(series).collect()
    }),
    ("trustwright_trustroot_metadata_version", "Version of a role of its TUF metadata", |shown| {
        // Versions are far below 2^53.
        #[allow(clippy::cast_precision_loss)]
        let series = |(role, version, _): &(String, u64, Timestamp)| (role_label(role), *version as f64);
        shown.roles.iter().map(series).collect()
    }),
    ("trustwright_trustroot_key_expiry_timestamp_seconds", "When the window of a key ends", |shown| {
        let mut series: Vec<Series> = Vec::new();
        for (kind, name, id, end) in &shown.keys {
            let labels = vec![("kind", kind.as_str().to_owned()), ("name", name.clone()), ("id", id.clone())];
            // A source may list a key twice; a metric may not.
            if !series.iter().any(|(known, _)| *known == labels) {
                series.push((labels, seconds(*end)));
            }
        }
        series
    }),
    (
        "trustwright_trustroot_last_refresh_timestamp_seconds",
        "When the mirror last said something that was accepted",
        |shown| shown.refreshed_at().map(|at| (Vec::new(), seconds(at))).into_iter().collect(),
    ),
    (
        "trustwright_trustroot_next_refresh_timestamp_seconds",
        "When the mirror will be asked again",
        |shown| shown.next_at().map(|at| (Vec::new(), seconds(at))).into_iter().collect(),
    ),
];

fn role_label(role: &str) -> Vec<(&'static str, String)> {
    vec![("role", role.to_owned())]
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

/// Where the leader's view of policies is, while we lead.
#[derive(Debug)]
pub(super) struct Policies(pub(super) Arc<Mutex<Option<Arc<Enforcement>>>>);

impl Collector for Policies {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let enforcement = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Another replica's view would be as old as its lead.
        let Some(enforcement) = enforcement else { return Ok(()) };
        let summary = enforcement.summary();
        let mut gauge = |name, help, series: &[(Vec<(&'static str, String)>, usize)]| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (labels, value) in series {
                let value = i64::try_from(*value).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(family.encode_family(labels)?)?;
            }
            Ok(())
        };
        let of_policy = |name: &str| vec![("policy", name.to_owned())];
        let ready = summary.policies.iter().map(|(name, ready, _)| (of_policy(name), usize::from(*ready)));
        let reached = summary.policies.iter().map(|(name, _, reached)| (of_policy(name), *reached));
        gauge(
            "trustwright_policy_ready",
            "Whether every part of a policy can be used",
            &ready.collect::<Vec<_>>(),
        )?;
        gauge(
            "trustwright_policy_enforced_replicas",
            "Live webhook replicas that have a policy in force as it is now",
            &reached.collect::<Vec<_>>(),
        )?;
        let state = |state: &str| vec![("state", state.to_owned())];
        gauge(
            "trustwright_webhook_replicas",
            "Webhook replicas that report, and those of them that have everything in force",
            &[(state("live"), summary.replicas), (state("in_step"), summary.in_step)],
        )?;
        gauge(
            "trustwright_signature_checks_ready",
            "Whether every policy can be used, and is in force in every live webhook replica",
            &[(Vec::new(), usize::from(summary.ready))],
        )
    }
}

/// Who rests on each trust root beside another system.
#[derive(Debug)]
pub(super) struct PeerPolicies(pub(super) Arc<Mutex<BTreeMap<String, Users>>>);

impl Collector for PeerPolicies {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if users.is_empty() {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(
            "trustwright_peer_policies",
            "Policies that rest on a trust root beside the Policy Controller, by what it has loaded of them",
            None,
            MetricType::Gauge,
        )?;
        for (trustroot, users) in &users {
            for (state, count) in users.counts() {
                let labels = [("trustroot", trustroot.as_str()), ("state", state)];
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
