//! The parts of a control plane and their flags.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result};

use super::Options;
use super::files::Files;
use crate::process::{Command, Process, free_port};

/// The ports that a control plane listens on.
#[derive(Debug)]
pub(super) struct Endpoints {
    pub(super) apiserver: u16,
    pub(super) etcd: u16,
    etcd_peer: u16,
}

impl Endpoints {
    pub(super) fn allocate() -> Result<Self> {
        Ok(Self { apiserver: free_port()?, etcd: free_port()?, etcd_peer: free_port()? })
    }

    /// Returns the URL of the API server.
    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.apiserver)
    }
}

pub(super) fn etcd(tools: &Path, files: &Files, endpoints: &Endpoints) -> Result<Process> {
    let client = format!("http://127.0.0.1:{}", endpoints.etcd);
    let peer = format!("http://127.0.0.1:{}", endpoints.etcd_peer);
    Command::new(tools.join("etcd"))
        .arg(flag("data-dir", files.folder().join("etcd")))
        .args(["--unsafe-no-fsync", "--log-level=warn"])
        .arg(format!("--listen-client-urls={client}"))
        .arg(format!("--advertise-client-urls={client}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"))
        .arg(format!("--initial-cluster=default={peer}"))
        .spawn()
}

pub(super) fn apiserver(
    tools: &Path,
    files: &Files,
    endpoints: &Endpoints,
    options: &Options,
) -> Result<Process> {
    let url = endpoints.url();
    Command::new(tools.join("kube-apiserver"))
        .arg(format!("--etcd-servers=http://127.0.0.1:{}", endpoints.etcd))
        .arg(format!("--secure-port={}", endpoints.apiserver))
        .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
        .args(["--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24"])
        .args(["--authorization-mode=RBAC", "--allow-privileged=true"])
        .arg(flag("tls-cert-file", files.serving_certificate()))
        .arg(flag("tls-private-key-file", files.serving_key()))
        .arg(flag("client-ca-file", files.ca()))
        .arg(format!("--service-account-issuer={url}"))
        .arg(format!("--service-account-jwks-uri={url}/openid/v1/jwks"))
        .arg(flag("service-account-key-file", files.token_public_key()))
        .arg(flag("service-account-signing-key-file", files.token_key()))
        .args(gates(options))
        .args(&options.apiserver_flags)
        .spawn()
}

pub(super) fn controllers(tools: &Path, files: &Files, options: &Options) -> Result<Process> {
    Command::new(tools.join("kube-controller-manager"))
        .arg(flag("kubeconfig", files.kubeconfig()))
        .args(["--use-service-account-credentials", "--leader-elect=false", "--secure-port=0"])
        .args(["--kube-api-qps=200", "--kube-api-burst=400"])
        .arg(flag("root-ca-file", files.ca()))
        .arg(flag("service-account-private-key-file", files.token_key()))
        .args(gates(options))
        .spawn()
}

fn gates(options: &Options) -> Option<String> {
    let gates = &options.feature_gates;
    (!gates.is_empty()).then(|| format!("--feature-gates={}", gates.join(",")))
}

fn flag(name: &str, path: impl AsRef<Path>) -> OsString {
    let mut flag = OsString::from(format!("--{name}="));
    flag.push(path.as_ref());
    flag
}

/// Asks the API server whether it is ready.
pub(super) async fn probe(client: &kube::Client) -> Result<()> {
    let request =
        axum::http::Request::get("/readyz").body(Vec::new()).context("failed to build a request")?;
    client.request_text(request).await.context("the API server is not ready")?;
    Ok(())
}
