//! A mirror that names another authority: what the Policy Controller makes of it without us, and with us.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};
use trustwright_testkit::{
    Image, PrivateSigstore, Registry,
    http::HttpServer,
    private_sigstore::{AUDIENCE, subject},
    process::eventually,
    tuf_repository::Repository,
};

use super::stage::{PATIENT, Stage, remote, serve};
use crate::{
    fixture::{dry_run, message, pod},
    objects::POLICY,
};

/// How long it is watched doing nothing.
const WATCHED: Duration = Duration::from_secs(20);

/// What the private Sigstore is trusted with, less its Ed25519 log, which the Policy Controller cannot load.
fn trusted_root(sigstore: &PrivateSigstore) -> Result<Value> {
    let mut root: Value = serde_json::from_str(sigstore.trusted_root_json())?;
    root["tlogs"] = json!([]);
    Ok(root)
}

/// The verdict on an image: `None` admits. Nothing is created.
async fn verdict(pods: &Api<Pod>, image: &Image) -> Option<String> {
    pods.create(&dry_run(), &pod("probe", &image.to_string())).await.err().map(message)
}

async fn refused(pods: &Api<Pod>, image: &Image) -> Result<()> {
    let said = verdict(pods, image).await.context("admitted")?;
    ensure!(said.contains("failed policy: keyless"), "{said}");
    Ok(())
}

async fn admitted(pods: &Api<Pod>, image: &Image) -> Result<()> {
    verdict(pods, image).await.map_or(Ok(()), |said| Err(anyhow::anyhow!(said)))
}

#[tokio::test]
async fn with_us_a_dropped_authority_is_refused_by_itself_and_without_us_it_is_not() -> Result<()> {
    let stage = Stage::start().await?;
    stage.control_plane.create_namespace("build").await?;
    stage.control_plane.create_namespace("checked").await?;
    let include = ["label", "namespace", "checked", "policy.sigstore.dev/include=true"];
    stage.control_plane.kubectl(&include).await?;
    let pods = Api::<Pod>::namespaced(stage.client.clone(), "checked");
    let mut sigstore = PrivateSigstore::start(&stage.control_plane).await?;
    let token = stage.control_plane.service_account_token("build", "default", &[AUDIENCE]).await?;
    let registry = Registry::with_referrers().await?;

    let mut repository = Repository::new().until("2199-01-01T00:00:00Z");
    serve(&mut repository, &trusted_root(&sigstore)?);
    let server = HttpServer::start(&repository.publish()).await?;
    stage.trust_root("private", &remote(&repository, server.url())).await?;
    stage.wait_for("private", &[("Ready", "True")]).await?;
    let policy = json!({
        "images": [{"glob": "**"}],
        "authorities": [{
            "keyless": {
                "url": sigstore.fulcio_url(), "trustRootRef": "private",
                "identities": [{"issuer": sigstore.issuer(), "subject": subject("build", "default")}],
            },
            "rfc3161timestamp": {"trustRootRef": "private"},
        }],
    });
    stage.objects.create(POLICY, "keyless", &policy).await.map_err(anyhow::Error::msg)?;
    let old = registry.push_image("app", "old").await?;
    sigstore.sign_keyless_legacy(&old, &token).await?;
    let unsigned = registry.push_image("app", "unsigned").await?;
    eventually("the old authority's image admitted", PATIENT, async || admitted(&pods, &old).await).await?;
    refused(&pods, &unsigned).await?;

    // Another authority: the mirror names it alone.
    sigstore.rotate_fulcio(&stage.control_plane).await?;
    let new = registry.push_image("app", "new").await?;
    sigstore.sign_keyless_legacy(&new, &token).await?;
    serve(&mut repository, &trusted_root(&sigstore)?);
    repository.advance();
    server.serve(&repository.publish());
    let start = Instant::now();
    while start.elapsed() < WATCHED {
        admitted(&pods, &old).await.context("without us it noticed by itself")?;
        refused(&pods, &new).await.context("without us it noticed by itself")?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    let start = Instant::now();
    let _companion = stage.companion().await?;
    eventually("both verdicts turned", PATIENT, async || {
        refused(&pods, &old).await?;
        admitted(&pods, &new).await
    })
    .await?;
    println!("turned {:?} after the start of the companion", start.elapsed());
    stage
        .wait_for("private", &[("SignatureChecksReady", "True"), ("PeerInStep", "True"), ("Ready", "True")])
        .await?;

    // And once more, with the companion there all the time.
    sigstore.rotate_fulcio(&stage.control_plane).await?;
    let newest = registry.push_image("app", "newest").await?;
    sigstore.sign_keyless_legacy(&newest, &token).await?;
    refused(&pods, &newest).await?;
    serve(&mut repository, &trusted_root(&sigstore)?);
    repository.advance();
    server.serve(&repository.publish());
    let start = Instant::now();
    eventually("both verdicts turned", PATIENT, async || {
        refused(&pods, &new).await?;
        admitted(&pods, &newest).await
    })
    .await?;
    println!("turned {:?} after the change of the mirror", start.elapsed());
    ensure!(start.elapsed() < Duration::from_secs(20), "later than the refresh interval and a little");
    Ok(())
}
