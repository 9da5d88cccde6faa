//! Fulcio, Rekor and the timestamp authority, and what they say of themselves.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::{KeyPair, PKCS_ED25519};
use serde::Deserialize;

use super::{AUDIENCE, REKOR_ORIGIN};
use crate::process::{Command, Process, free_port};
use crate::{ControlPlane, Tool, run_dir};

/// How long a service may take to answer.
const READY: Duration = Duration::from_mins(1);

/// A service, where it is, and what its signatures are checked with.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) url: String,
    /// A certificate chain or a public key.
    pub(super) pem: String,
    pub(super) process: Process,
}

#[derive(Deserialize)]
struct TrustBundle {
    chains: Vec<Chain>,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<String>,
}

/// Starts Fulcio with a new authority, which takes tokens of `control_plane` and logs to `ct_log`.
pub(super) async fn fulcio(control_plane: &ControlPlane, ct_log: &str) -> Result<Service> {
    let folder = run_dir::data("fulcio")?;
    let issuer = control_plane.issuer_url();
    // Not as JSON, where Fulcio reads other names.
    let config = format!(
        "oidc-issuers:\n  {issuer}: {{issuer-url: {issuer}, client-id: {AUDIENCE}, type: kubernetes}}\n"
    );
    let path = write(&folder, "config.yaml", &config)?;
    let port = free_port()?;
    let process = Command::new(Tool::Fulcio.path()?)
        .args(["serve", "--ca=ephemeralca", "--host=127.0.0.1", "--grpc-host=127.0.0.1", "--log_type=prod"])
        .arg(format!("--port={port}"))
        .arg(format!("--grpc-port={}", free_port()?))
        .arg(format!("--metrics-port={}", free_port()?))
        // Abstract, so one per instance, or the second does not start.
        .arg(format!("--legacy-unix-domain-socket=@testkit-fulcio-{port}"))
        .arg(format!("--ct-log-url={ct_log}"))
        .arg("--config-path")
        .arg(path)
        .offline()
        .env("SSL_CERT_FILE", control_plane.ca_file())
        .spawn()?;
    let url = format!("http://127.0.0.1:{port}");
    let bundle = format!("{url}/api/v2/trustBundle");
    let bundle = process.ready(READY, async || get(&bundle).await).await?;
    let bundle: TrustBundle =
        serde_json::from_str(&bundle).context("failed to read Fulcio's trust bundle")?;
    let chain = bundle.chains.into_iter().next().context("Fulcio has no authority")?;
    Ok(Service { url, pem: chain.certificates.concat(), process })
}

/// Starts Rekor v2 with a new Ed25519 key and an empty log.
pub(super) async fn rekor() -> Result<Service> {
    let folder = run_dir::data("rekor")?;
    let key = KeyPair::generate_for(&PKCS_ED25519).context("failed to generate the key of Rekor")?;
    let path = write(&folder, "key.pem", &key.serialize_pem())?;
    let port = free_port()?;
    let process = Command::new(Tool::RekorServer.path()?)
        .arg("serve")
        .arg("--storage-dir")
        .arg(folder.join("log"))
        .arg("--signer-filepath")
        .arg(path)
        .arg(format!("--hostname={REKOR_ORIGIN}"))
        .args(["--checkpoint-interval=1s", "--batch-max-age=100ms"])
        .arg(format!("--http-port={port}"))
        .arg(format!("--grpc-port={}", free_port()?))
        .arg(format!("--http-metrics-port={}", free_port()?))
        .offline()
        .spawn()?;
    let url = format!("http://127.0.0.1:{port}");
    // An empty log has no checkpoint to ask for.
    let health = format!("{url}/healthz");
    process.ready(READY, async || get(&health).await).await?;
    Ok(Service { url, pem: key.public_key_pem(), process })
}

/// Starts a timestamp authority with a new chain.
pub(super) async fn timestamp_authority() -> Result<Service> {
    let port = free_port()?;
    let process = Command::new(Tool::TimestampServer.path()?)
        .args(["serve", "--host=127.0.0.1", "--timestamp-signer=memory", "--disable-ntp-monitoring"])
        .arg(format!("--port={port}"))
        .offline()
        .spawn()?;
    let url = format!("http://127.0.0.1:{port}");
    let chain = format!("{url}/api/v1/timestamp/certchain");
    let pem = process.ready(READY, async || get(&chain).await).await?;
    Ok(Service { url, pem, process })
}

/// Writes a file for cosign to read, and returns its path.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> Result<String> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(path.to_string_lossy().into_owned())
}

async fn get(url: &str) -> Result<String> {
    let client = reqwest::Client::builder().no_proxy().build().context("failed to make a client")?;
    let answer = client.get(url).timeout(Duration::from_secs(5)).send().await?.error_for_status()?;
    Ok(answer.text().await?)
}
