//! The binary under test, run as its Pod would run: from the project's own manifests, with the token of its
//! service account and nothing else.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};

use crate::process::{Command, Process, eventually, eventually_while, free_port};
use crate::{ControlPlane, run_dir};

mod manifests;

use manifests::container_args;
use manifests::install_companion;
pub use manifests::{install, manifests_folder};

/// The namespace of the project's manifests.
pub const NAMESPACE: &str = "trustwright-system";
/// The service account of the project's manifests.
const SERVICE_ACCOUNT: &str = "trustwright";
const READY: Duration = Duration::from_secs(30);

/// What to run.
#[derive(Clone, Debug)]
pub struct OperatorOptions {
    /// The binary.
    pub binary: PathBuf,
    /// More arguments, such as `--log-level=debug`.
    pub args: Vec<String>,
    /// The sub-command in place of the Deployment's.
    pub command: Option<String>,
    /// The name in the leader election.
    pub identity: String,
    /// More environment variables, such as `SSL_CERT_FILE`; those of the test run are not passed on.
    pub env: Vec<(String, String)>,
}

impl OperatorOptions {
    /// The Deployment's own arguments.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            args: Vec::new(),
            command: None,
            identity: "trustwright-0".into(),
            env: Vec::new(),
        }
    }
}

/// A running Trustwright.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    webhook_port: u16,
    metrics_port: u16,
    started: Instant,
    ready_after: Duration,
    kubeconfig: PathBuf,
}

impl Operator {
    /// Applies `deploy/manifests`, with the Service turned into one that the API server can reach on loopback,
    /// starts the binary, and waits until it is ready and the API server reaches it.
    pub async fn start(control_plane: &ControlPlane, options: OperatorOptions) -> Result<Self> {
        let webhook_port = free_port()?;
        install(control_plane, webhook_port).await?;
        let operator = Self::spawn(control_plane, options, webhook_port).await?.ready().await?;
        reached(control_plane).await?;
        Ok(operator)
    }

    /// Applies `deploy/companion` and starts the binary as `trustwright controller`, beside the Policy Controller;
    /// `options` say the mode. Does not wait until it is ready.
    pub async fn companion(control_plane: &ControlPlane, mut options: OperatorOptions) -> Result<Self> {
        install_companion(control_plane).await?;
        options.command = Some("controller".to_owned());
        Self::spawn(control_plane, options, free_port()?).await
    }

    /// Starts one more process without touching what is installed: another replica, or one that is to fail.
    pub async fn spawn(
        control_plane: &ControlPlane,
        options: OperatorOptions,
        webhook_port: u16,
    ) -> Result<Self> {
        Self::spawn_with(credentials(control_plane).await?, options, webhook_port)
    }

    /// Starts a process with [`credentials`] that were fetched before: the API server need not be there.
    pub fn spawn_with(kubeconfig: PathBuf, options: OperatorOptions, webhook_port: u16) -> Result<Self> {
        let metrics_port = free_port()?;
        let mut args = container_args()?;
        if let Some(command) = &options.command {
            args = vec![command.clone()];
        }
        let started = Instant::now();
        let process = Command::new(&options.binary)
            .name("trustwright")
            .args(args)
            .arg(format!("--bind-address={}", Ipv4Addr::LOCALHOST))
            .arg(format!("--secure-port={webhook_port}"))
            .arg(format!("--metrics-port={metrics_port}"))
            .args(options.args)
            .only_own_env()
            .envs(options.env)
            .env("KUBECONFIG", &kubeconfig)
            .env("SYSTEM_NAMESPACE", NAMESPACE)
            .env("POD_NAME", &options.identity)
            .spawn()?;
        Ok(Self { process, webhook_port, metrics_port, started, ready_after: Duration::ZERO, kubeconfig })
    }

    /// Waits until `/readyz` says so.
    pub async fn ready(mut self) -> Result<Self> {
        let url = format!("{}/readyz?verbose", self.metrics_url());
        let check = || self.process.check();
        eventually_while("trustwright ready", READY, check, async || {
            let answer = reqwest::get(&url).await?;
            let status = answer.status();
            let text = answer.text().await?;
            ensure!(status.is_success(), "{status}: {text}");
            Ok(())
        })
        .await?;
        self.ready_after = self.started.elapsed();
        Ok(self)
    }

    /// The process.
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// The process, to be stopped and waited for.
    pub const fn process_mut(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The process ID.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where the webhooks are: `https://127.0.0.1:<port>`.
    pub fn webhook_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.webhook_port)
    }

    /// The port of the webhooks.
    pub const fn webhook_port(&self) -> u16 {
        self.webhook_port
    }

    /// Where probes and metrics are: `http://127.0.0.1:<port>`.
    pub fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.metrics_port)
    }

    /// The kubeconfig that it runs with.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// How long it took from the start of the process until it was ready.
    pub const fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Posts `body` straight to a webhook, as the API server would, and returns the answer. `ca_pem` is what
    /// the certificate is checked by, for the name of the Service.
    pub async fn post(&self, ca_pem: &str, path: &str, body: &Value) -> Result<Value> {
        let host = format!("webhook.{NAMESPACE}.svc");
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(ca_pem.as_bytes())?)
            .resolve(&host, (Ipv4Addr::LOCALHOST, self.webhook_port).into())
            .build()?;
        let url = format!("https://{host}:{}{path}", self.webhook_port);
        let answer = client.post(&url).body(body.to_string()).send().await.with_context(|| url.clone())?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{url}: {status}: {text}");
        serde_json::from_str(&text).with_context(|| format!("{url}: {text}"))
    }

    /// Asks a probe, such as `/readyz?verbose`, and returns status and text.
    pub async fn probe(&self, path: &str) -> Result<(u16, String)> {
        let answer = reqwest::get(format!("{}{path}", self.metrics_url())).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// The metrics, as text.
    pub async fn metrics(&self) -> Result<String> {
        Ok(reqwest::get(format!("{}/metrics", self.metrics_url())).await?.error_for_status()?.text().await?)
    }
}

/// Waits until the API server calls the webhooks: right after the installation it has to learn the CA bundle.
async fn reached(control_plane: &ControlPlane) -> Result<()> {
    let config =
        "jsonpath={range .items[*].webhooks[*]}{.clientConfig.service.name}={.clientConfig.caBundle} {end}";
    let kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations";
    let policy = run_dir::data("probe")?.join("policy.json");
    let probe = json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
        "metadata": {"name": "is-the-webhook-reached"},
        "spec": {"images": [{"glob": "none.example/**"}], "authorities": [{"static": {"action": "fail"}}]},
    });
    std::fs::write(&policy, probe.to_string()).with_context(|| format!("{}", policy.display()))?;
    eventually("the webhooks reached", READY, async || {
        let bundles = control_plane.kubectl(&["get", kinds, "-o", config]).await?.stdout;
        ensure!(!bundles.split(' ').any(|bundle| bundle == "webhook="), "a webhook has no CA bundle yet");
        control_plane.kubectl(&["create", "--dry-run=server", "-f", &policy.to_string_lossy()]).await?;
        Ok(())
    })
    .await
}

/// The kubeconfig of the project's service account, which has to be installed.
pub async fn credentials(control_plane: &ControlPlane) -> Result<PathBuf> {
    control_plane.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT).await
}

/// The CA bundle of the webhooks, as PEM, from the Secret.
pub async fn ca_pem(control_plane: &ControlPlane) -> Result<String> {
    let secrets = Api::<Secret>::namespaced(control_plane.client().await?, NAMESPACE);
    let data = secrets.get("webhook-certs").await?.data.unwrap_or_default();
    let bundle = data.get("ca-cert.pem").context("ca-cert.pem is not in the Secret webhook-certs")?;
    Ok(String::from_utf8(bundle.0.clone())?)
}

/// The binary of this project that `cargo` built beside the running test or task.
pub fn built_binary(profile: &str) -> PathBuf {
    crate::tools::target().join(profile).join("trustwright")
}
