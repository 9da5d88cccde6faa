//! Sigstore's Policy Controller: the system whose resources ours are, unchanged, as it runs beside us.
//!
//! The program is built from its Go module, and the manifests that it is installed from are read out of that module
//! as well, so nothing of it is kept here. Only its Service is another one, for lack of a cluster network.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::process::{Command, Process, eventually, eventually_while, free_port};
use crate::{ControlPlane, Tool, run_dir};

mod manifests;

pub use manifests::module_folder;

/// The namespace of its manifests.
pub const NAMESPACE: &str = "cosign-system";
/// The service account of its manifests.
const SERVICE_ACCOUNT: &str = "webhook";
/// Its flag for the port comes too late to count.
const PORT: u16 = 8443;
const READY: Duration = Duration::from_mins(1);
/// How long all others on this machine may take.
const TURN: Duration = Duration::from_mins(20);

/// A running Policy Controller. Dropping it ends it.
///
/// It listens on two ports that cannot be chosen (8443 and 8080), on every address, so only one runs on a machine at
/// a time: [`PolicyController::start`] waits for its turn.
#[derive(Debug)]
pub struct PolicyController {
    process: Process,
    kubeconfig: PathBuf,
    _turn: File,
}

impl PolicyController {
    /// Installs its CRDs, configuration, rights and webhook configurations, starts it with the token of its service
    /// account and nothing else, and waits until the API server reaches its webhooks. `control_plane` must have none
    /// of it yet.
    pub async fn start(control_plane: &ControlPlane) -> Result<Self> {
        let binary = Tool::PolicyController.path()?;
        let turn = take_turn().await?;
        manifests::install(control_plane, PORT).await?;
        let kubeconfig = control_plane.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT).await?;
        let process = Command::new(binary)
            .name("policy-controller")
            // Its default root is not on loopback.
            .arg("--disable-tuf")
            .only_own_env()
            .offline()
            .env("KUBECONFIG", &kubeconfig)
            .env("HOME", run_dir::data("policy-controller")?)
            .env("SYSTEM_NAMESPACE", NAMESPACE)
            .env("CONFIG_LOGGING_NAME", "config-logging")
            .env("METRICS_DOMAIN", "sigstore.dev/policy")
            .env("METRICS_PROMETHEUS_HOST", "127.0.0.1")
            .env("METRICS_PROMETHEUS_PORT", free_port()?.to_string())
            .env("KUBERNETES_MIN_VERSION", "1.21.0")
            .env("WEBHOOK_NAME", "webhook")
            .spawn()?;
        let started = Self { process, kubeconfig, _turn: turn };
        started.reached(control_plane).await?;
        Ok(started)
    }

    /// The process.
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// The kubeconfig that it runs with.
    pub const fn kubeconfig(&self) -> &PathBuf {
        &self.kubeconfig
    }

    /// Waits until both kinds of its webhooks answer the API server.
    async fn reached(&self, control_plane: &ControlPlane) -> Result<()> {
        let probe = json!({
            "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
            "metadata": {"name": "is-the-webhook-reached"},
            "spec": {"images": [{"glob": "none.example/**"}], "authorities": [{"static": {"action": "fail"}}]},
        });
        let file = run_dir::data("probe")?.join("policy.json");
        fs::write(&file, probe.to_string()).with_context(|| format!("{}", file.display()))?;
        let bundles = "jsonpath={range .items[*].webhooks[*]}bundle={.clientConfig.caBundle} {end}";
        let kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations";
        let check = || self.process.check();
        eventually_while("the Policy Controller ready", READY, check, async || {
            let found = control_plane.kubectl(&["get", kinds, "-o", bundles]).await?.stdout;
            ensure!(!found.split(' ').any(|bundle| bundle == "bundle="), "a webhook has no CA bundle yet");
            control_plane.kubectl(&["create", "--dry-run=server", "-f", &file.to_string_lossy()]).await?;
            Ok(())
        })
        .await
    }
}

/// Waits for the lock that whoever runs one on this machine holds.
async fn take_turn() -> Result<File> {
    let path = std::env::temp_dir().join("trustwright-testkit-policy-controller.lock");
    let file = File::create(&path).with_context(|| format!("failed to create {}", path.display()))?;
    // Not a wait in the kernel, which no deadline ends.
    eventually("our turn to run the Policy Controller", TURN, async || Ok(file.try_lock()?)).await?;
    Ok(file)
}
