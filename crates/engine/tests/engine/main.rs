//! The engine on what registries really hold and cosign really writes, and on what a broken registry answers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod accounts;
mod attestations;
mod credentials;
mod evidence;
mod fake;
mod faults;
mod keyless;
mod keys;
mod languages;
mod limits;
mod memory;
mod misses;
mod policies;
mod prefetch;
mod private;
mod requests;
mod rules;
mod witnesses;

use std::{collections::BTreeMap, fmt::Display, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use trustwright_core::{Cause, Finding, Reason, Verdict};
use trustwright_engine::{Anonymous, Credentials, Engine, ImageField, Review};
use trustwright_policy::{NoReferences, Snapshot, Workload, compile};
use trustwright_registry::{Client, ClientConfig, Operation, Proxies, Retries};

use languages::Scripts;

/// Long enough never to matter.
const PATIENCE: Duration = Duration::from_mins(1);

/// An engine, and the client whose requests are counted.
struct Subject {
    engine: Engine,
    client: Client,
}

/// What else a verdict may depend on.
struct Circumstances<'a> {
    object: Option<&'a Value>,
    credentials: &'a dyn Credentials,
    now: Timestamp,
    patience: Duration,
}

impl Default for Circumstances<'_> {
    fn default() -> Self {
        Self { object: None, credentials: &Anonymous, now: Timestamp::now(), patience: PATIENCE }
    }
}

impl Subject {
    fn new() -> Self {
        Self::trusting(Vec::new())
    }

    /// One that trusts these certificates, in PEM, besides the platform's.
    fn trusting(extra_roots: Vec<String>) -> Self {
        let config = ClientConfig {
            extra_roots,
            retries: Retries { attempts: 1, backoff: Duration::from_millis(2) },
            proxies: Proxies::None,
            ..ClientConfig::default()
        };
        let client = Client::new(&config).unwrap();
        Self { engine: Engine::forgetful(client.clone()), client }
    }

    /// One that remembers, as the webhook's does.
    fn remembering() -> Self {
        let Self { client, .. } = Self::new();
        Self { engine: Engine::new(client.clone()), client }
    }

    async fn judge(&self, snapshot: &Snapshot, image: impl Display) -> Verdict {
        self.judge_all(snapshot, &[image.to_string()], PATIENCE).await
    }

    async fn judge_all(&self, snapshot: &Snapshot, images: &[String], patience: Duration) -> Verdict {
        self.judge_at(snapshot, images, Timestamp::now(), patience).await
    }

    async fn judge_at(
        &self,
        snapshot: &Snapshot,
        images: &[String],
        now: Timestamp,
        patience: Duration,
    ) -> Verdict {
        self.judge_in(snapshot, images, Circumstances { now, patience, ..Circumstances::default() }).await
    }

    async fn judge_in(
        &self,
        snapshot: &Snapshot,
        images: &[String],
        circumstances: Circumstances<'_>,
    ) -> Verdict {
        reviewed(images, circumstances, async |review| self.engine.judge(snapshot, review).await).await
    }

    async fn prefetch(&self, snapshot: &Snapshot, images: &[String], credentials: &dyn Credentials) {
        let circumstances = Circumstances { credentials, ..Circumstances::default() };
        reviewed(images, circumstances, async |review| self.engine.prefetch(snapshot, review).await).await;
    }

    /// How many HTTP requests were made so far.
    fn requests(&self) -> u64 {
        Operation::ALL.into_iter().map(|operation| self.client.metrics().requests(operation)).sum()
    }

    /// Judges, and counts the requests that it took.
    async fn count(&self, snapshot: &Snapshot, image: impl Display) -> (Verdict, u64) {
        let before = self.requests();
        let verdict = self.judge(snapshot, image).await;
        (verdict, self.requests() - before)
    }
}

/// A pod with these images, under review.
async fn reviewed<T>(
    images: &[String],
    circumstances: Circumstances<'_>,
    then: impl AsyncFnOnce(&Review<'_>) -> T,
) -> T {
    let Circumstances { object, credentials, now, patience } = circumstances;
    let labels = BTreeMap::new();
    let pod = Workload { group: "", version: "v1", resource: "pods", labels: &labels };
    let field = |(index, image): (usize, &String)| ImageField {
        path: format!("spec.containers[{index}].image"),
        image: image.clone(),
    };
    let fields: Vec<_> = images.iter().enumerate().map(field).collect();
    let deadline = Instant::now() + patience;
    then(&Review { workload: &pod, images: &fields, object, credentials, now, deadline }).await
}

/// Policies by name, each of them for every image.
fn snapshot<const N: usize>(policies: [(&str, Value); N]) -> Snapshot {
    let policies = policies.into_iter().map(|(name, mut spec)| {
        spec["images"] = spec.get("images").cloned().unwrap_or(json!([{"glob": "**"}]));
        (
            name.to_owned(),
            Arc::new(compile(name, &serde_json::from_value(spec).unwrap(), &NoReferences, &Scripts)),
        )
    });
    Snapshot { policies: policies.collect(), ..Snapshot::default() }
}

/// One policy `p` with one authority `a`.
fn only(authority: &Value) -> Snapshot {
    snapshot([("p", json!({"authorities": [authority]}))])
}

fn key(name: &str, pem: &str) -> Value {
    json!({"name": name, "key": {"data": pem}})
}

/// The findings of a denial.
#[track_caller]
fn denied(verdict: &Verdict) -> Vec<&Finding> {
    match verdict {
        Verdict::Deny { findings, .. } => findings.iter().collect(),
        other => panic!("not denied: {other:?}"),
    }
}

/// The one cause of a denial that has one.
#[track_caller]
fn only_cause(verdict: &Verdict) -> Cause {
    let causes: Vec<_> = denied(verdict).into_iter().flat_map(|finding| finding.causes.iter()).collect();
    let [cause] = causes.as_slice() else { panic!("not one cause: {causes:?}") };
    (*cause).clone()
}

#[track_caller]
fn assert_allowed(verdict: &Verdict, what: impl Display) {
    assert_eq!(*verdict, Verdict::Allow, "{what}");
}

#[track_caller]
fn assert_contains(text: &str, part: impl Display) {
    let part = part.to_string();
    assert!(text.contains(&part), "{text:?} does not contain {part:?}");
}

/// Checks the one cause of a denial, its text and its hint.
#[track_caller]
fn assert_refused(verdict: &Verdict, reason: Reason, text: &str, hint: &str) -> Cause {
    let cause = only_cause(verdict);
    assert_eq!(cause.reason, reason, "{cause:?}");
    assert_contains(&cause.text, text);
    assert_contains(cause.hint.as_deref().unwrap_or_default(), hint);
    cause
}
