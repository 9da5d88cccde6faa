//! Workloads that a companion tells of a change, and the fence around its right to do so.

use anyhow::{Result, ensure};
use kube::{
    Api,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::json;
use trustwright_testkit::{
    control_plane::client, http::HttpServer, operator::credentials, process::eventually,
};

use super::stage::{PATIENT, Stage, loadable, remote, serve};
use crate::{
    dependents::{Kind, depends, manifest_of, role},
    fixture::message,
};

#[tokio::test]
async fn a_companion_restarts_a_dependent_and_may_change_nothing_else_of_it() -> Result<()> {
    let stage = Stage::start().await?;
    let mut repository = loadable();
    let server = HttpServer::start(&repository.publish()).await?;
    stage.trust_root("r", &remote(&repository, server.url())).await?;
    stage.control_plane.create_namespace("apps").await?;
    stage.control_plane.apply(&role("apps", str::to_owned)?).await?;
    let companion = stage.spawn(&["--mode=companion", "--dependents-namespaces=apps"]).await?;
    let _companion = companion.ready().await?;
    let found = stage.wait_for("r", &[("SignatureChecksReady", "True")]).await?;

    let manifest = manifest_of(Kind::Deployment, "web", &depends("r", "restart"));
    let mut manifest = manifest;
    manifest["metadata"]["namespace"] = json!("apps");
    stage.control_plane.apply(&manifest.to_string()).await?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment"));
    let annotation = |object: &DynamicObject, pointer: &str, name: &str| {
        object.data.pointer(pointer).and_then(|all| all[name].as_str().map(str::to_owned))
    };
    let api: Api<DynamicObject> = Api::namespaced_with(stage.client.clone(), "apps", &resource);
    let known = |object: &DynamicObject| {
        let all = object.metadata.annotations.clone().unwrap_or_default();
        all.get("trustwright.dev/trust-known").cloned().unwrap_or_default()
    };
    eventually("told of what is trusted", PATIENT, async || {
        let web = api.get("web").await?;
        ensure!(known(&web).starts_with("r="), "{:?}", known(&web));
        Ok(())
    })
    .await?;
    let before = known(&api.get("web").await?);

    let mut root: serde_json::Value = serde_json::from_slice(&repository.files["trusted_root.json"])?;
    root["ctlogs"].as_array_mut().unwrap().pop();
    serve(&mut repository, &root);
    repository.advance();
    server.serve(&repository.publish());
    eventually("restarted", PATIENT, async || {
        let web = api.get("web").await?;
        ensure!(known(&web) != before, "{before}");
        let pods = "/spec/template/metadata/annotations";
        let material = annotation(&web, pods, "trustwright.dev/trust-material");
        ensure!(material.is_some_and(|material| material.starts_with("sha256:")), "{web:?}");
        Ok(())
    })
    .await?;
    let listed = stage.get("r").await?;
    let listed = super::stage::annotation(&listed, "dependents").unwrap_or_default().to_owned();
    assert!(listed.contains("\"web\""), "{listed}");
    assert_eq!(super::stage::annotation(&found, "dependents"), None);

    // The right to patch it is fenced here as in deploy/manifests.
    let ours: Api<DynamicObject> =
        Api::namespaced_with(client(&credentials(&stage.control_plane).await?).await?, "apps", &resource);
    let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
    let evil = json!({"spec": {"template": {"spec": {"hostPID": true}}}});
    let refused = ours.patch("web", &dry_run, &Patch::Merge(&evil)).await.map_err(message).unwrap_err();
    assert!(refused.contains("of a pod template, Trustwright changes only"), "{refused}");
    let own = json!({"metadata": {"annotations": {"trustwright.dev/trust-known": "r=x"}}});
    ours.patch("web", &dry_run, &Patch::Merge(&own)).await?;
    api.patch("web", &dry_run, &Patch::Merge(&evil)).await?;
    Ok(())
}
