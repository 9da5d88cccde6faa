//! Policies that change, and objects that change.

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use trustwright_testkit::process::eventually;

use crate::{
    fixture::{SOON, Space, admitted_soon, dry_run, message, pod},
    objects::POLICY,
};

fn authorities(action: &str) -> Value {
    json!({"authorities": [{"static": {"action": action, "message": "since changed"}}]})
}

/// Creates a policy that passes everything of the namespace.
async fn passing(name: &str) -> Result<(Space, String)> {
    let space = Space::new(name).await?;
    let policy = space.policy("policy", authorities("pass")).await?;
    Ok((space, policy))
}

#[tokio::test]
async fn a_policy_that_changes_or_goes_is_in_force_or_gone_without_a_restart() -> Result<()> {
    let (space, policy) = passing("policy-changes").await?;
    let image = space.nowhere("app");
    admitted_soon(&space.pods(), &image).await?;
    space.change(&policy, &authorities("fail")).await?;
    space.refused_soon(&image, "disallowed by static policy: since changed").await?;
    space.change(&policy, &json!({"mode": "warn"})).await?;
    admitted_soon(&space.pods(), &image).await?;
    space.objects.api(POLICY).delete(&policy, &DeleteParams::default()).await?;
    space.refused_soon(&image, "no matching policies").await?;
    Ok(())
}

#[tokio::test]
async fn a_dry_run_is_judged_and_leaves_nothing() -> Result<()> {
    let (space, policy) = passing("dry-run").await?;
    let image = space.nowhere("app");
    space.pods().create(&dry_run(), &pod("app", &image)).await?;
    assert!(space.pods().get_opt("app").await?.is_none());
    space.change(&policy, &authorities("fail")).await?;
    space.refused_soon(&image, "since changed").await?;
    Ok(())
}

#[tokio::test]
async fn what_runs_can_be_cared_for_and_deleted_when_its_image_would_be_refused_by_now() -> Result<()> {
    let (space, policy) = passing("upkeep").await?;
    let (pods, image) = (space.pods(), space.nowhere("app"));
    let mut object = pod("app", &image);
    object.metadata.finalizers = Some(vec!["trustwright.dev/test".into()]);
    pods.create(&PostParams::default(), &object).await?;
    let patch = async |metadata: Value| {
        let patch = json!({"metadata": metadata});
        pods.patch("app", &PatchParams::default(), &Patch::Merge(&patch)).await.map_err(message)
    };
    patch(json!({"labels": {"a": "before"}})).await.map_err(anyhow::Error::msg)?;
    space.change(&policy, &authorities("fail")).await?;
    space.refused_soon(&image, "since changed").await?;

    patch(json!({"annotations": {"a": "b"}})).await.map_err(anyhow::Error::msg)?;
    patch(json!({"finalizers": ["trustwright.dev/test", "trustwright.dev/other"]}))
        .await
        .map_err(anyhow::Error::msg)?;
    // A label may bring another policy into play.
    let said = patch(json!({"labels": {"a": "after"}})).await.unwrap_err();
    assert!(said.contains(&format!("failed policy: {policy}: spec.containers[0].image")), "{said}");

    pods.delete("app", &DeleteParams::default().grace_period(0)).await?;
    assert!(pods.get("app").await?.metadata.deletion_timestamp.is_some());
    patch(json!({"labels": {"a": "going"}})).await.map_err(anyhow::Error::msg)?;
    patch(json!({"finalizers": null})).await.map_err(anyhow::Error::msg)?;
    assert!(pods.get_opt("app").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn scaling_down_passes_when_the_image_would_be_refused_by_now_and_scaling_up_does_not() -> Result<()> {
    let (space, policy) = passing("scaling").await?;
    let image = space.nowhere("app");
    let deployments = space.all("apps/v1", "Deployment");
    let object = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app"},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "app"}},
            "template": {"metadata": {"labels": {"app": "app"}},
                "spec": {"containers": [{"name": "main", "image": image}]}},
        },
    }))?;
    deployments.create(&PostParams::default(), &object).await?;
    eventually("two pods", SOON, async || {
        let pods: Vec<Pod> = space.pods().list(&kube::api::ListParams::default()).await?.items;
        anyhow::ensure!(pods.len() == 2, "{} pods", pods.len());
        Ok(())
    })
    .await?;
    space.change(&policy, &authorities("fail")).await?;
    space.refused_soon(&image, "since changed").await?;

    let patch = async |spec: Value| {
        let patch = json!({"spec": spec});
        deployments.patch("app", &PatchParams::default(), &Patch::Merge(&patch)).await.map_err(message)
    };
    let said = patch(json!({"replicas": 3})).await.unwrap_err();
    assert!(
        said.contains(&format!("failed policy: {policy}: spec.template.spec.containers[0].image")),
        "{said}"
    );
    let containers = json!([{"name": "main", "image": space.nowhere("other")}]);
    let other = json!({"replicas": 1, "template": {"spec": {"containers": containers}}});
    let said = patch(other).await.unwrap_err();
    assert!(said.contains("since changed"), "{said}");
    patch(json!({"replicas": 1})).await.map_err(anyhow::Error::msg)?;
    Ok(())
}
