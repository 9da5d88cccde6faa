//! The binary under test, run as its Pod would run: from the project's own manifests, with the token of its
//! service account and nothing else.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};

use crate::process::{Command, Process, eventually_while, free_port};
use crate::ControlPlane;

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
}

impl OperatorOptions {
    /// The Deployment's own arguments.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self { binary: binary.into(), args: Vec::new(), command: None, identity: "trustwright-0".into() }
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
    /// starts the binary, and waits until it is ready.
    pub async fn start(control_plane: &ControlPlane, options: OperatorOptions) -> Result<Self> {
        let webhook_port = free_port()?;
        install(control_plane, webhook_port).await?;
        let operator = Self::spawn(control_plane, options, webhook_port).await?;
        operator.ready().await
    }

    /// Starts one more process without touching what is installed: another replica, or one that is to fail.
    pub async fn spawn(
        control_plane: &ControlPlane,
        options: OperatorOptions,
        webhook_port: u16,
    ) -> Result<Self> {
        let kubeconfig = control_plane.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT).await?;
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

    /// The metrics, as text.
    pub async fn metrics(&self) -> Result<String> {
        Ok(reqwest::get(format!("{}/metrics", self.metrics_url())).await?.error_for_status()?.text().await?)
    }
}

/// The CA bundle of the webhooks, as PEM, from the Secret.
pub async fn ca_pem(control_plane: &ControlPlane) -> Result<String> {
    let secrets = Api::<Secret>::namespaced(control_plane.client().await?, NAMESPACE);
    let data = secrets.get("webhook-certs").await?.data.unwrap_or_default();
    let bundle = data.get("ca-cert.pem").context("ca-cert.pem is not in the Secret webhook-certs")?;
    Ok(String::from_utf8(bundle.0.clone())?)
}

/// Applies the project's manifests, so that the API server reaches the webhooks on `port` of loopback.
pub async fn install(control_plane: &ControlPlane, port: u16) -> Result<()> {
    let kubectl = async |args: &[&str]| control_plane.kubectl(args).await;
    let folder = manifests_folder();
    let mut own = Vec::new();
    for name in manifest_files(&folder)? {
        let path = folder.join(&name);
        // Rendered by kubectl itself, so that it is the manifests as they are that get read.
        let path = path.to_string_lossy();
        let output = kubectl(&["create", "--dry-run=client", "--validate=false", "-o", "json", "-f", &path]).await?;
        for mut object in documents(&output.stdout)? {
            to_loopback(&mut object, port);
            own.push(object);
        }
    }
    for object in &own {
        apply(control_plane, object).await?;
    }
    Ok(())
}

async fn apply(control_plane: &ControlPlane, object: &Value) -> Result<()> {
    control_plane.apply(&serde_json::to_string(object)?).await?;
    if object["kind"] == "CustomResourceDefinition" {
        let name = format!("crd/{}", object["metadata"]["name"].as_str().unwrap_or_default());
        control_plane.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", &name]).await?;
    }
    Ok(())
}

/// A cluster network is all that is missing: a Service of type `ExternalName` leads the API server to loopback.
fn to_loopback(object: &mut Value, port: u16) {
    match object["kind"].as_str() {
        Some("Service") => object["spec"] = json!({"type": "ExternalName", "externalName": "localhost"}),
        Some("MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => {
            for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
                webhook["clientConfig"]["service"]["port"] = json!(port);
            }
        }
        // Nothing runs containers here; what the Deployment says is what we start.
        Some("Deployment") => object["spec"]["replicas"] = json!(0),
        _ => {}
    }
}

/// The arguments of the Deployment's container.
fn container_args() -> Result<Vec<String>> {
    let path = manifests_folder().join("40-deployment.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let lines = text.lines().skip_while(|line| line.trim() != "args:").skip(1);
    let args: Vec<String> =
        lines.map_while(|line| line.trim().strip_prefix("- ")).map(|arg| arg.trim_matches('"').to_owned()).collect();
    ensure!(!args.is_empty(), "no args in {}", path.display());
    Ok(args)
}

/// The folder of the manifests.
pub fn manifests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/manifests")
}

fn manifest_files(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".yaml") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The objects of `kubectl -o json`: one, a list, or several in a row.
fn documents(output: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_json::Deserializer::from_str(output).into_iter::<Value>() {
        let document = document.context("kubectl printed something else than JSON")?;
        match document.get("items").and_then(Value::as_array) {
            Some(items) => objects.extend(items.iter().cloned()),
            None => objects.push(document),
        }
    }
    if objects.is_empty() {
        bail!("no objects in the manifests");
    }
    Ok(objects)
}

/// The binary of this project that `cargo` built beside the running test or task.
pub fn built_binary(profile: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    target.join(profile).join("trustwright")
}

