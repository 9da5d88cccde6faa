//! What an image costs that has been verified before.

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;
use trustwright_core::Verdict;
use trustwright_engine::{Anonymous, Engine, ImageField, Review};
use trustwright_policy::{NoLanguages, NoReferences, Snapshot, Workload, compile};
use trustwright_registry::{Client, ClientConfig, Proxies};
use trustwright_testkit::{KeyKind, Registry, Signer};

use super::{
    median,
    table::{Limit, Table},
};

/// Judgements that are measured.
const COUNT: u32 = 20_000;
/// What we promise.
const LIMIT: Limit = Limit { most: 50.0, unit: "µs" };

/// Measures the judgement of an image whose signature is remembered, inside the process.
pub(crate) async fn run(table: &mut Table) -> Result<()> {
    let registry = Registry::with_referrers().await?;
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    let image = registry.push_image("app", "v1").await?;
    signer.sign_bundle(&image).await?;
    let spec = serde_json::from_value(json!({
        "images": [{"glob": "**"}],
        "authorities": [{"name": "a", "key": {"data": signer.public_key_pem()}}],
    }))?;
    let policy = compile("p", &spec, &NoReferences, &NoLanguages);
    let policies = [("p".to_owned(), Arc::new(policy))].into();
    let snapshot = Snapshot { policies, ..Snapshot::default() };
    let engine =
        Engine::new(Client::new(&ClientConfig { proxies: Proxies::None, ..ClientConfig::default() })?);
    let labels = BTreeMap::new();
    let workload = Workload { group: "", version: "v1", resource: "pods", labels: &labels };
    let fields = [ImageField { path: "spec.containers[0].image".into(), image: image.to_string() }];
    let judge = async || {
        let deadline = Instant::now() + Duration::from_secs(10);
        let review = Review {
            workload: &workload,
            images: &fields,
            object: None,
            credentials: &Anonymous,
            now: Timestamp::now(),
            deadline,
        };
        engine.judge(black_box(&snapshot), &review).await
    };
    ensure!(judge().await == Verdict::Allow, "the signed image is not admitted");
    let mut took = Vec::new();
    let start = std::time::Instant::now();
    for _ in 0..COUNT {
        let begun = std::time::Instant::now();
        ensure!(judge().await == Verdict::Allow, "the remembered image is not admitted");
        took.push(begun.elapsed());
    }
    let microseconds = |duration: Duration| duration.as_secs_f64() * 1e6;
    let each = microseconds(start.elapsed()) / f64::from(COUNT);
    table.hold("judge an image that is remembered", each, LIMIT);
    table.hold("  p50 of them", microseconds(median(took)?), LIMIT);
    Ok(())
}
