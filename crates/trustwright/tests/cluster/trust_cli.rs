//! `trustwright trust` with objects of a cluster.

use std::process::{Command, Output};

use anyhow::{Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use trustwright_testkit::{public_good, tuf_repository::Repository};

use crate::{
    fixture::cluster,
    objects::{Objects, ROOT},
};

/// Runs `trustwright trust` as whoever set the cluster up.
async fn trust(arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustwright"));
    command.arg("trust").args(arguments);
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_ascii_lowercase());
    }
    Ok(command.env("KUBECONFIG", cluster().await?.control_plane.kubeconfig()).output()?)
}

async fn inspected(source: &str) -> Result<Value> {
    let output = trust(&["inspect", source, "-o", "json"]).await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[tokio::test]
async fn an_object_is_inspected_by_name_with_the_fingerprint_of_its_status() -> Result<()> {
    let objects = Objects::new(cluster().await?.control_plane.client().await?);
    let repository = Repository::new().until("2199-01-01T00:00:00Z");
    let packed = json!({"repository": {
        "root": STANDARD.encode(repository.first_root()),
        "mirrorFS": STANDARD.encode(repository.publish().pack(512 << 10)?),
        "targets": "targets",
    }});
    let keys = public_good::trust_root_manifest()?["spec"].clone();
    for (name, spec, given_by) in
        [("cli-packed", packed, json!("spec.repository.root")), ("cli-keys", keys, Value::Null)]
    {
        objects.create(ROOT, name, &spec).await.map_err(anyhow::Error::msg)?;
        let object = objects.wait_for_ready(ROOT, name, "True").await?;
        let source = format!("trustroot/{name}");
        let report = inspected(&source).await?;
        assert_eq!(report["fingerprint"], object.data["status"]["fingerprint"]);
        assert_eq!(report["anchor"]["givenBy"], given_by);
        assert_eq!(report["source"], json!({"kind": "object", "location": source}));
        // As `kubectl get -o name` says it.
        let full = format!("trustroot.policy.sigstore.dev/{name}");
        assert_eq!(inspected(&full).await?["fingerprint"], report["fingerprint"]);
    }
    let same = trust(&["diff", "trustroot/cli-packed", "trustroot/cli-packed", "--exit-code"]).await?;
    assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stderr));
    let missing = trust(&["inspect", "trustroot/cli-none"]).await?;
    let error = String::from_utf8(missing.stderr)?;
    assert_eq!((missing.status.code(), missing.stdout.len()), (Some(1), 0));
    assert!(error.contains("trustroot/cli-none: ") && error.contains("has no such TrustRoot"), "{error}");
    Ok(())
}
