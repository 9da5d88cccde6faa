//! The Policy Controller, as it is without us.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::time::Duration;
use trustwright_testkit::{PolicyController, process::eventually, shared};

#[tokio::test]
async fn it_loads_a_trust_root_of_its_own_kind() -> Result<()> {
    let control_plane = shared().await?;
    let policy_controller = PolicyController::start(control_plane).await?;
    let root = json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot", "metadata": {"name": "keys"},
        "spec": {"sigstoreKeys": {"certificateAuthorities": [{
            "subject": {"organization": "o", "commonName": "c"}, "uri": "https://ca.example",
            "certChain": "bm8gUEVN",
        }]}},
    });
    control_plane.apply(&root.to_string()).await?;
    // No PEM: it says so, and says it by itself.
    eventually("its verdict", Duration::from_secs(30), async || {
        let found = control_plane.kubectl(&["get", "trustroot", "keys", "-o", "json"]).await?.stdout;
        let found: Value = serde_json::from_str(&found)?;
        let conditions = found["status"]["conditions"].as_array().context("no conditions yet")?;
        let keys = conditions.iter().find(|one| one["type"] == "KeysInlined").context("no KeysInlined")?;
        anyhow::ensure!(keys["status"] == "False" && keys["severity"].is_null(), "{keys}");
        Ok(())
    })
    .await?;
    policy_controller.process().check()
}
