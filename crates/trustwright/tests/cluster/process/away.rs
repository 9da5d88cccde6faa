//! Us away: what goes on without us, and what waits.

use anyhow::{Result, ensure};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use trustwright_testkit::{Operator, process::eventually};

use super::{fixed, nowhere};
use crate::{
    fixture::{Own, SOON, admitted_soon, message, options, pod, run},
    objects::POLICY,
};

/// Ends Trustwright, as a rollout would.
async fn end(own: &Own) -> Result<()> {
    own.operator.process().signal("TERM")?;
    ensure!(own.operator.process().wait(SOON).await?.success());
    Ok(())
}

#[tokio::test]
async fn with_us_away_policies_can_be_read_in_both_versions_and_deleted_but_not_made() -> Result<()> {
    let own = Own::start(&["--shutdown-grace=0"]).await?;
    let spec = fixed("registry.example/**", "pass");
    for name in ["kept", "deleted"] {
        own.objects.create(POLICY, name, &spec).await.map_err(anyhow::Error::msg)?;
        own.objects.wait_for_ready(POLICY, name, "True").await?;
    }
    end(&own).await?;

    for version in ["v1alpha1", "v1beta1"] {
        let kind = format!("clusterimagepolicies.{version}.policy.sigstore.dev");
        let shown = own.control_plane.kubectl(&["get", &kind]).await?.stdout;
        assert!(shown.contains("kept"), "{shown}");
    }
    let said = own.objects.create(POLICY, "made", &spec).await.unwrap_err();
    assert!(said.contains("failed calling webhook \"defaulting.clusterimagepolicy.sigstore.dev\""), "{said}");
    own.objects.api(POLICY).delete("deleted", &DeleteParams::default()).await?;
    assert!(own.objects.api(POLICY).get_opt("deleted").await?.is_none());
    let before = own.objects.api(POLICY).get("kept").await?;

    // Back again, what is as it should be is not written.
    let port = own.operator.webhook_port();
    let back = Operator::spawn(&own.control_plane, options(), port).await?.ready().await?;
    let looked = "controller_runtime_reconcile_total{controller=\"clusterimagepolicy\",result=\"success\"}";
    eventually("reconciled", SOON, async || {
        ensure!(back.metrics().await?.contains(looked), "not yet");
        Ok(())
    })
    .await?;
    let after = own.objects.api(POLICY).get("kept").await?;
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    own.objects.create(POLICY, "made", &spec).await.map_err(anyhow::Error::msg)?;
    own.objects.wait_for_ready(POLICY, "made", "True").await?;
    Ok(())
}

#[tokio::test]
async fn with_us_away_what_runs_can_be_cared_for_and_deleted_but_nothing_new_is_started() -> Result<()> {
    let own = Own::start(&["--shutdown-grace=0"]).await?;
    let pods = own.namespace("apps").await?;
    own.objects
        .create(POLICY, "pass", &fixed("registry.example/**", "pass"))
        .await
        .map_err(anyhow::Error::msg)?;
    own.objects.wait_for_ready(POLICY, "pass", "True").await?;
    let image = nowhere("app");
    admitted_soon(&pods, &image).await?;
    let mut object = pod("running", &image);
    object.metadata.finalizers = Some(vec!["trustwright.dev/test".into()]);
    pods.create(&PostParams::default(), &object).await?;
    end(&own).await?;

    let patch = async |metadata: Value| {
        let patch = json!({"metadata": metadata});
        pods.patch("running", &PatchParams::default(), &Patch::Merge(&patch)).await.map(drop).map_err(message)
    };
    let unreachable = "failed calling webhook \"policy.sigstore.dev\"";
    let said = run(&pods, "new", &image).await.unwrap_err();
    assert!(said.contains(unreachable), "{said}");
    assert_eq!(patch(json!({"annotations": {"a": "b"}})).await, Ok(()));
    let said = patch(json!({"labels": {"a": "b"}})).await.unwrap_err();
    assert!(said.contains(unreachable), "{said}");
    pods.delete("running", &DeleteParams::default().grace_period(0)).await?;
    assert_eq!(patch(json!({"finalizers": null})).await, Ok(()));
    assert!(pods.get_opt("running").await?.is_none());
    Ok(())
}
