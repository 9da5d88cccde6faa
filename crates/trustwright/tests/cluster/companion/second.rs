//! A second trust root with what the Policy Controller can load.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use trustwright_testkit::{http::HttpServer, process::eventually, tuf_repository::Repository};

use super::stage::{PATIENT, Stage, remote, serve, time_in};
use crate::objects::{ROOT, why};

/// The public-good root with its Ed25519 log, and with two CT logs that have not ended.
fn whole() -> Repository {
    let mut repository = Repository::new().until("2199-01-01T00:00:00Z");
    let mut root = trusted_root(&repository);
    for log in root["ctlogs"].as_array_mut().unwrap() {
        log["publicKey"]["validFor"].as_object_mut().unwrap().remove("end");
    }
    serve(&mut repository, &root);
    repository
}

fn trusted_root(repository: &Repository) -> Value {
    serde_json::from_slice(&repository.files["trusted_root.json"]).unwrap()
}

async fn annotate(stage: &Stage, name: &str, value: Value) -> Result<()> {
    let patch = json!({"metadata": {"annotations": {"trustwright.dev/write-loadable-as": value}}});
    let api = stage.objects.api(ROOT);
    api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

#[tokio::test]
async fn a_root_that_it_cannot_load_is_written_as_one_that_it_can() -> Result<()> {
    let stage = Stage::start().await?;
    let mut repository = whole();
    let server = HttpServer::start(&repository.publish()).await?;
    stage.trust_root("whole", &remote(&repository, server.url())).await?;
    let _companion = stage.companion().await?;
    // By itself it loads nothing of it, and does not say so.
    let found = stage.wait_for("whole", &[("PeerInStep", "False"), ("Refreshed", "True")]).await?;
    assert_eq!(why(&found, "PeerInStep").0, "NotLoaded");

    annotate(&stage, "whole", json!("part")).await?;
    let found = stage.wait_for("whole", &[("WrittenAs", "True")]).await?;
    assert_eq!(why(&found, "WrittenAs").0, "WrittenInPart");
    assert!(why(&found, "WrittenAs").1.contains("its key is not ECDSA"), "{found:?}");
    let in_step = [("Ready", "True"), ("PeerInStep", "True"), ("SignatureChecksReady", "True")];
    let part = stage.wait_for("part", &in_step).await?;
    assert!(part.metadata.annotations.as_ref().unwrap()["trustwright.dev/left-out"].contains("ECDSA"));

    // Kept fresh: what the mirror drops goes, and what others change is put right.
    let mut root = trusted_root(&repository);
    let dropped = root["ctlogs"].as_array_mut().unwrap().pop().context("no CT log")?;
    serve(&mut repository, &root);
    repository.advance();
    server.serve(&repository.publish());
    let url = dropped["baseUrl"].as_str().unwrap().to_owned();
    let is_fresh = async || {
        let part = stage.get("part").await?;
        ensure!(!part.data["spec"].to_string().contains(&url), "the dropped log is still in it");
        ensure!(part.data["spec"]["sigstoreKeys"]["tLogs"].is_array(), "no logs");
        Ok(())
    };
    eventually("the dropped log gone", PATIENT, is_fresh).await?;
    let api = stage.objects.api(ROOT);
    let damage = json!({"spec": {"sigstoreKeys": {"tLogs": null}}});
    api.patch("part", &PatchParams::default(), &Patch::Merge(&damage)).await?;
    eventually("the damage mended", PATIENT, is_fresh).await?;
    api.delete("part", &DeleteParams::default()).await?;
    eventually("the object made anew", PATIENT, async || {
        let part = stage.get("part").await?;
        ensure!(part.metadata.deletion_timestamp.is_none(), "the old one");
        Ok(())
    })
    .await?;

    // A copy under another name is its maker's.
    let mut copy = stage.get("part").await?;
    copy.metadata = serde_json::from_value(json!({
        "name": "copy", "annotations": copy.metadata.annotations, "labels": copy.metadata.labels,
        "ownerReferences": copy.metadata.owner_references,
    }))?;
    api.create(&PostParams::default(), &copy).await?;
    stage.wait_for("copy", &[("SignatureChecksReady", "True")]).await?;

    // A list that would be empty is refused: it would switch a check off. What is there stays.
    root["tlogs"].as_array_mut().unwrap().retain(|log| log["publicKey"]["keyDetails"] == "PKIX_ED25519");
    serve(&mut repository, &root);
    repository.advance();
    server.serve(&repository.publish());
    let found = stage.wait_for("whole", &[("WrittenAs", "False")]).await?;
    assert_eq!(why(&found, "WrittenAs").0, "Refused");
    assert!(why(&found, "WrittenAs").1.starts_with("tLogs would be empty"), "{found:?}");
    is_fresh().await?;

    // Not wished for any more.
    annotate(&stage, "whole", Value::Null).await?;
    eventually("the second gone", PATIENT, async || {
        ensure!(api.get_opt("part").await?.is_none(), "it is there");
        Ok(())
    })
    .await?;
    assert!(stage.get("copy").await?.metadata.deletion_timestamp.is_none());
    Ok(())
}

#[tokio::test]
async fn an_object_of_somebody_else_is_not_taken_over() -> Result<()> {
    let stage = Stage::start().await?;
    let repository = whole();
    let server = HttpServer::start(&repository.publish()).await?;
    stage.trust_root("whole", &remote(&repository, server.url())).await?;
    stage.trust_root("theirs", &remote(&super::stage::loadable(), server.url())).await?;
    let before = stage.get("theirs").await?.data["spec"].clone();
    annotate(&stage, "whole", json!("theirs")).await?;
    let _companion = stage.companion().await?;
    let found = stage.wait_for("whole", &[("WrittenAs", "False")]).await?;
    assert_eq!(why(&found, "WrittenAs").0, "NotOurs");
    assert_eq!(stage.get("theirs").await?.data["spec"], before);
    Ok(())
}

#[tokio::test]
async fn what_is_rejected_once_it_has_expired_is_withdrawn_and_what_is_kept_is_not() -> Result<()> {
    let stage = Stage::start().await?;
    let ends = whole().until(time_in(Duration::from_secs(30)));
    let server = HttpServer::start(&ends.publish()).await?;
    for (name, on_expiry) in [("rejects", "Reject"), ("keeps", "Keep")] {
        stage.trust_root(name, &remote(&ends, server.url())).await?;
        annotate(&stage, name, json!(format!("{name}-part"))).await?;
        let rule = format!("trustwright.dev/on-expiry={on_expiry}");
        stage.control_plane.kubectl(&["annotate", "trustroot", name, &rule]).await?;
    }
    let _companion = stage.companion().await?;
    for name in ["rejects", "keeps"] {
        stage.wait_for(name, &[("WrittenAs", "True")]).await?;
    }
    let found =
        stage.wait_for("rejects", &[("WrittenAs", "False"), ("SignatureChecksReady", "False")]).await?;
    assert_eq!(why(&found, "WrittenAs").0, "Withdrawn");
    eventually("the second gone", PATIENT, async || {
        ensure!(stage.objects.api(ROOT).get_opt("rejects-part").await?.is_none(), "it is there");
        Ok(())
    })
    .await?;
    stage.wait_for("keeps", &[("Expired", "True"), ("WrittenAs", "True")]).await?;
    stage.get("keeps-part").await.map(drop)
}
