//! A Kubernetes control plane on loopback: etcd, API server, controllers, and kwok on demand.
//!
//! Nothing schedules, so pods name their node. A webhook is reached through a Service of type `ExternalName`
//! with `externalName: localhost`: the API server then calls `localhost:<port>` and still wants a certificate
//! for `<service>.<namespace>.svc`, so the real form of a webhook configuration is what runs.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::{Api, Client};
use tokio::sync::OnceCell;

use crate::process::{Command, Output, Process, eventually_while};
use crate::{Tool, run_dir, tools};

mod access;
mod components;
mod files;
mod kwok;

pub use access::client;
use components::Endpoints;
use files::Files;

/// How long a part may take to be ready. It takes seconds; a machine that also compiles is slower.
const READY: Duration = Duration::from_secs(90);

/// How long one call of kubectl may take.
const KUBECTL: Duration = Duration::from_mins(1);

/// What a control plane is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    feature_gates: Vec<String>,
    apiserver_flags: Vec<String>,
}

impl Options {
    /// Turns a feature gate of the API server and the controllers on or off.
    #[must_use]
    pub fn with_feature_gate(mut self, name: &str, on: bool) -> Self {
        self.feature_gates.push(format!("{name}={on}"));
        self
    }

    /// Adds a flag to the API server's, such as `--audit-policy-file=…`. It wins over our own.
    #[must_use]
    pub fn with_apiserver_flag(mut self, flag: impl Into<String>) -> Self {
        self.apiserver_flags.push(flag.into());
        self
    }
}

/// A running control plane. Dropping it ends every part of it.
///
/// It holds no task and no connection, so a static one serves tests that each have a runtime of their own:
/// each makes its own [`client`](Self::client).
#[derive(Debug)]
pub struct ControlPlane {
    tools: PathBuf,
    files: Files,
    endpoints: Endpoints,
    options: Options,
    // In the order in which they are to end.
    kwok: Mutex<Option<Process>>,
    controllers: Process,
    apiserver: Mutex<Option<Process>>,
    etcd: Process,
}

/// Returns the control plane that all tests of this process share, starting it for the first.
///
/// It ends with the process. Each test keeps to a namespace and to object names of its own.
pub async fn shared() -> Result<&'static ControlPlane> {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    SHARED.get_or_try_init(|| ControlPlane::start(Options::default())).await
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready: the API server says so, and the controllers have
    /// given the namespace `default` its service account and its copy of the authority's certificate.
    pub async fn start(options: Options) -> Result<Self> {
        let tools = tools::ensure(&Tool::CONTROL_PLANE)?;
        let endpoints = Endpoints::allocate()?;
        let files = Files::write(&run_dir::data("control-plane")?, &endpoints.url())?;
        let etcd = components::etcd(&tools, &files, &endpoints)?;
        etcd.listening(endpoints.etcd, READY).await?;
        let apiserver = components::apiserver(&tools, &files, &endpoints, &options)?;
        let controllers = components::controllers(&tools, &files, &options)?;
        let started = Self {
            tools,
            files,
            endpoints,
            options,
            kwok: Mutex::new(None),
            controllers,
            apiserver: Mutex::new(Some(apiserver)),
            etcd,
        };
        started.apiserver_ready().await?;
        started.namespace_ready("default").await?;
        Ok(started)
    }

    /// Returns the administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.files.kubeconfig()
    }

    /// Returns the administrator's client. It belongs to the runtime that calls.
    pub async fn client(&self) -> Result<Client> {
        client(&self.kubeconfig()).await
    }

    /// Returns the URL of the API server, which is also the issuer of its service account tokens.
    pub fn issuer_url(&self) -> String {
        self.endpoints.url()
    }

    /// Returns the certificate, in PEM, of the authority that signed the API server's.
    pub fn ca_pem(&self) -> &str {
        self.files.ca_pem()
    }

    /// Returns the file that holds [`ca_pem`](Self::ca_pem).
    pub fn ca_file(&self) -> PathBuf {
        self.files.ca()
    }

    /// Runs kubectl as administrator.
    pub async fn kubectl(&self, args: &[&str]) -> Result<Output> {
        Command::new(self.tools.join("kubectl"))
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args(args)
            .env("HOME", self.files.folder())
            .offline()
            .output(KUBECTL)
            .await
            .with_context(|| format!("kubectl {}", args.join(" ")))
    }

    /// Applies `manifests`, YAML or JSON, as administrator.
    pub async fn apply(&self, manifests: &str) -> Result<Output> {
        let file = run_dir::data("manifests")?.join("manifests.yaml");
        std::fs::write(&file, manifests).with_context(|| format!("failed to write {}", file.display()))?;
        let file = file.to_string_lossy();
        self.kubectl(&["apply", "--server-side", "-f", &file]).await
    }

    /// Creates a namespace and waits until pods can be created in it.
    pub async fn create_namespace(&self, name: &str) -> Result<()> {
        self.kubectl(&["create", "namespace", name]).await?;
        self.namespace_ready(name).await
    }

    /// Kills the API server. Its port stays reserved, and etcd keeps its objects.
    pub fn stop_apiserver(&self) {
        let stopped = self.apiserver().take();
        drop(stopped);
    }

    /// Starts the API server again after [`stop_apiserver`](Self::stop_apiserver) and waits until it is
    /// ready.
    pub async fn start_apiserver(&self) -> Result<()> {
        if self.apiserver().is_none() {
            let started = components::apiserver(&self.tools, &self.files, &self.endpoints, &self.options)?;
            *self.apiserver() = Some(started);
        }
        self.apiserver_ready().await
    }

    /// Starts kwok, unless it runs, so that nodes get ready and pods that name one run.
    pub fn start_kwok(&self) -> Result<()> {
        kwok::start(self)
    }

    /// Adds a node that [`start_kwok`](Self::start_kwok) keeps ready, and waits until it is.
    pub async fn add_node(&self, name: &str) -> Result<()> {
        kwok::add_node(self, name).await
    }

    /// Returns name and process ID of each part that runs.
    pub fn processes(&self) -> Vec<(&'static str, u32)> {
        let mut running =
            vec![("etcd", self.etcd.pid()), ("kube-controller-manager", self.controllers.pid())];
        running.extend(self.apiserver().as_ref().map(|process| ("kube-apiserver", process.pid())));
        running.extend(self.kwok().as_ref().map(|process| ("kwok", process.pid())));
        running
    }

    /// Waits until `probe` succeeds; fails at once when a part ends.
    async fn until<T>(&self, what: &str, probe: impl AsyncFnMut() -> Result<T>) -> Result<T> {
        eventually_while(what, READY, || self.check_parts(), probe).await
    }

    async fn apiserver_ready(&self) -> Result<()> {
        let client = self.client().await?;
        self.until("API server ready", async || components::probe(&client).await).await
    }

    async fn namespace_ready(&self, namespace: &str) -> Result<()> {
        let client = self.client().await?;
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
        let maps = Api::<ConfigMap>::namespaced(client, namespace);
        self.until(&format!("namespace {namespace} filled"), async || {
            maps.get("kube-root-ca.crt").await.context("ConfigMap kube-root-ca.crt")?;
            accounts.get("default").await.context("ServiceAccount default")?;
            Ok(())
        })
        .await
    }

    /// Fails when a part has ended, with the end of its log. A stopped API server is not a fault.
    fn check_parts(&self) -> Result<()> {
        self.etcd.check()?;
        self.controllers.check()?;
        self.kwok().as_ref().map_or(Ok(()), Process::check)?;
        self.apiserver().as_ref().map_or(Ok(()), Process::check)
    }

    fn apiserver(&self) -> MutexGuard<'_, Option<Process>> {
        self.apiserver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kwok(&self) -> MutexGuard<'_, Option<Process>> {
        self.kwok.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
