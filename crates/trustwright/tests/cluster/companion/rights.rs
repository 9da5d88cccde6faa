//! The rights of `deploy/companion`: none is missing, and none is granted that is not used.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::{
    core::v1::Secret,
    rbac::v1::{ClusterRole, Role},
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use trustwright_testkit::{http::HttpServer, operator::NAMESPACE, policy_controller, process::eventually};

use super::stage::{PATIENT, Stage, loadable, remote};
use crate::{
    objects::ROOT,
    rights::{Act, granted, recorded, tells_twice},
};

async fn annotate(stage: &Stage, name: &str, value: Value) -> Result<()> {
    let patch = json!({"metadata": {"annotations": {name: value}}});
    stage.objects.api(ROOT).patch("r", &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

/// Has a companion do everything that it does in a cluster.
async fn live_through(stage: &Stage) -> Result<()> {
    let mut repository = loadable();
    let server = HttpServer::start(&repository.publish()).await?;
    stage.trust_root("r", &remote(&repository, server.url())).await?;
    let mut companion = stage.companion().await?;
    stage.wait_for("r", &[("SignatureChecksReady", "True")]).await?;

    let wish = "trustwright.dev/write-loadable-as";
    annotate(stage, wish, json!("second")).await?;
    stage.wait_for("r", &[("WrittenAs", "True")]).await?;
    annotate(stage, wish, Value::Null).await?;
    eventually("the second gone", PATIENT, async || {
        ensure!(stage.objects.api(ROOT).get_opt("second").await?.is_none(), "it is there");
        Ok(())
    })
    .await?;

    repository.advance();
    server.serve(&repository.publish());
    let secrets = Api::<Secret>::namespaced(stage.client.clone(), NAMESPACE);
    eventually("a higher floor", PATIENT, async || {
        let data = secrets.get("trustwright-floors").await?.data.unwrap_or_default();
        let entry: Value = serde_json::from_slice(&data.values().next().context("no entry")?.0)?;
        ensure!(entry["accepted"]["timestamp"] == 2, "{entry}");
        Ok(())
    })
    .await?;

    tells_twice(&stage.client, &stage.objects, "r", &server).await?;
    companion.process().signal("TERM")?;
    let status = companion.process_mut().wait(PATIENT).await?;
    ensure!(status.success(), "{status}");
    Ok(())
}

#[tokio::test]
async fn every_right_of_a_companion_is_used_and_none_is_missing() -> Result<()> {
    let stage = Stage::start().await?;
    live_through(&stage).await?;

    let (all, refused) = recorded(stage.audit())?;
    assert!(!all.is_empty(), "the audit log is empty");
    assert_eq!(refused, BTreeSet::new(), "rights are missing");
    let name = "trustwright-companion";
    let mut rules = Api::<ClusterRole>::all(stage.client.clone()).get(name).await?.rules.unwrap_or_default();
    for (namespace, role) in
        [(NAMESPACE, name), (policy_controller::NAMESPACE, name), ("default", "trustwright-events")]
    {
        let role = Api::<Role>::namespaced(stage.client.clone(), namespace).get(role).await?;
        rules.extend(role.rules.unwrap_or_default());
    }
    let was_used = |(verb, group, resource, name): &Act| {
        all.iter().any(|act| {
            (&act.0, &act.1, &act.2) == (verb, group, resource) && (name.is_empty() || act.3 == *name)
        })
    };
    let idle: Vec<_> = granted(&rules).into_iter().filter(|act| !was_used(act)).collect();
    assert!(idle.is_empty(), "rights that nothing uses: {idle:#?}");
    Ok(())
}
