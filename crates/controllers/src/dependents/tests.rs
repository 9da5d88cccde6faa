use serde_json::{Value, json};

use super::*;
use crate::dependents::decide::{Action, Waiting, decide};
use crate::dependents::known::Known;
use crate::dependents::rollout::Rollout;
use crate::dependents::roots::Roots;
use crate::dependents::wish::{OnChange, Selection, Wish};
use crate::dependents::workload::Workload;
use jiff::Timestamp;
use kube::core::DynamicObject;

mod applying;
mod deciding;
mod rolling;
mod tables;
mod wishes;

const INTERVAL: SignedDuration = SignedDuration::from_mins(5);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).unwrap()
}

/// A fingerprint that ends in `n`.
fn fingerprint(n: u8) -> String {
    format!("sha256:{n:064x}")
}

fn known(pairs: &[(&str, u8)]) -> Known {
    Known(pairs.iter().map(|(name, n)| ((*name).to_owned(), fingerprint(*n))).collect())
}

/// Trust roots that are ready with these fingerprints.
fn ready(pairs: &[(&str, u8)]) -> Roots {
    let judged = |(name, n): &(&str, u8)| ((*name).to_owned(), Judgement::Ready(fingerprint(*n)));
    Roots { listed: true, all: pairs.iter().map(judged).collect() }
}

fn with(mut roots: Roots, name: &str, judgement: Judgement) -> Roots {
    roots.all.insert(name.to_owned(), judgement);
    roots
}

fn wish(roots: &str, on_change: OnChange) -> Wish {
    Wish { roots: roots.parse().unwrap(), on_change }
}

/// A workload that stands still.
fn workload(roots: &str, on_change: OnChange, known: Option<Known>) -> Workload {
    Workload {
        uid: "u".to_owned(),
        resource_version: "7".to_owned(),
        wish: Ok(wish(roots, on_change)),
        known,
        since: None,
        restarted_at: None,
        template_material: None,
        rollout: Rollout::Done,
        ends: false,
    }
}

/// A Deployment `apps/web` of one replica that is up, with these annotations.
fn deployment(annotations: &Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "apps", "uid": "u", "resourceVersion": "7", "generation": 1,
            "annotations": annotations},
        "spec": {"replicas": 1, "template": {"metadata": {"annotations": {}}}},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
    }))
    .unwrap()
}

fn web() -> Id {
    Id { kind: Kind::Deployment, namespace: "apps".to_owned(), name: "web".to_owned() }
}
