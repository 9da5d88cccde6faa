//! The policies that the Policy Controller has loaded, and what is said of them at the trust roots that they name.

use anyhow::{Result, ensure};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use trustwright_testkit::{Operator, http::HttpServer, process::eventually};

use super::stage::{PATIENT, Stage, annotation, loadable, remote};
use crate::objects::{POLICY, condition, why};

/// A policy that rests on the trust root `root`.
fn resting_on(root: &str) -> Value {
    json!({"images": [{"glob": "none.example/**"}], "authorities": [{
        "keyless": {"trustRootRef": root, "identities": [{"issuer": "i", "subject": "s"}]},
    }]})
}

async fn used_by(stage: &Stage, root: &str, wanted: &Value) -> Result<()> {
    eventually(&format!("{root} used by {wanted}"), PATIENT, async || {
        let object = stage.get(root).await?;
        let found: Value = serde_json::from_str(annotation(&object, "used-by").unwrap_or("null"))?;
        ensure!(found == *wanted, "{found}");
        Ok(())
    })
    .await
}

async fn counted(companion: &Operator, root: &str, state: &str, count: usize) -> Result<()> {
    let line = format!("trustwright_peer_policies{{trustroot=\"{root}\",state=\"{state}\"}} {count}");
    eventually(&line, PATIENT, async || {
        let metrics = companion.metrics().await?;
        ensure!(metrics.contains(&line), "{metrics}");
        Ok(())
    })
    .await
}

/// Waits until the policies of `root` differ as `said`, and checks that so do the signature checks.
async fn differ(stage: &Stage, root: &str, said: &str) -> Result<()> {
    eventually(&format!("policies of {root}: {said}"), PATIENT, async || {
        let found = stage.get(root).await?;
        for type_ in ["PoliciesLoaded", "SignatureChecksReady"] {
            let status = condition(&found, type_).map(|one| one["status"].clone());
            ensure!(status == Some(json!("False")), "{type_} is {status:?}");
            ensure!(why(&found, type_).0 == "PoliciesDiffer", "{:?}", why(&found, type_));
            ensure!(why(&found, type_).1.contains(said), "{:?}", why(&found, type_));
        }
        assert_eq!(condition(&found, "PoliciesLoaded").unwrap()["severity"], "Info");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_policy_that_is_not_loaded_as_it_is_written_is_reported_at_its_trust_root() -> Result<()> {
    let stage = Stage::start().await?;
    let server_of = loadable();
    let server = HttpServer::start(&server_of.publish()).await?;
    for root in ["r", "other"] {
        stage.trust_root(root, &remote(&server_of, server.url())).await?;
    }
    let companion = stage.companion().await?;
    let ready = [("SignatureChecksReady", "True"), ("Ready", "True")];
    let unused = stage.wait_for("r", &ready).await?;
    assert_eq!((condition(&unused, "PoliciesLoaded"), annotation(&unused, "used-by")), (None, None));

    stage.objects.create(POLICY, "good", &resting_on("r")).await.map_err(anyhow::Error::msg)?;
    let loaded = [ready[0], ready[1], ("PoliciesLoaded", "True")];
    stage.wait_for("r", &loaded).await?;
    used_by(&stage, "r", &json!({"count": 1, "policies": ["good"]})).await?;
    counted(&companion, "r", "loaded", 1).await?;

    // It loads no policy whose Secret is missing: what such a policy matches is checked by nobody.
    let mut broken = resting_on("r");
    broken["authorities"] = json!([
        {"key": {"secretRef": {"name": "missing"}}, "ctlog": {"url": "https://l.example", "trustRootRef": "r"}},
    ]);
    stage.objects.create(POLICY, "broken", &broken).await.map_err(anyhow::Error::msg)?;
    differ(&stage, "r", "has not loaded \"broken\"").await?;
    counted(&companion, "r", "not_loaded", 1).await?;
    used_by(&stage, "r", &json!({"count": 1, "policies": ["good"]})).await?;
    // Theirs stays as it is, and so does what is said of a root that the policy does not name.
    stage.wait_for("r", &[("Ready", "True"), ("PeerInStep", "True")]).await?;
    assert_eq!(condition(&stage.wait_for("other", &ready).await?, "PoliciesLoaded"), None);
    stage.objects.api(POLICY).delete("broken", &DeleteParams::default()).await?;
    stage.wait_for("r", &loaded).await?;
    counted(&companion, "r", "not_loaded", 0).await?;

    // It dies, and a policy is changed that it will not hear of.
    stage.peer.process().signal("KILL")?;
    for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        stage.control_plane.kubectl(&["delete", kind, "--all"]).await?;
    }
    let api = stage.objects.api(POLICY);
    let edit = json!({"spec": {"images": [{"glob": "more.example/**"}]}});
    api.patch("good", &PatchParams::default(), &Patch::Merge(&edit)).await?;
    differ(&stage, "r", "has loaded another state of \"good\"").await?;
    counted(&companion, "r", "outdated", 1).await?;

    // None of this was written to a policy, or forbidden.
    for (verb, resource, code) in stage.asked()? {
        assert_ne!(code, 403, "{verb} {resource}");
        let is_read = matches!(verb.as_str(), "list" | "watch");
        assert!(is_read || !resource.starts_with("clusterimagepolicies"), "{verb} {resource}");
    }
    Ok(())
}
