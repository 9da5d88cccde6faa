//! `trustwright status`: do signature checks work, in one screen?
//!
//! ```text
//! API server ──read──> objects ──Overview::of──> Overview ──render──> text, JSON, exit status
//! ```

mod overview;
mod render;

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use kube::{
    Api, Client, Config,
    api::ListParams,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::Value;
use tokio::time::timeout;
use trustwright_api::{
    GROUP,
    names::{REPLICA_LABEL, REPLICA_VALUE, V1ALPHA1},
};
use trustwright_runtime::clock;
use trustwright_webhook::REPORTING_CONTROLLER;

use overview::{Listed, Overview};

/// Longest wait for each answer of the API server.
const PATIENCE: Duration = Duration::from_secs(10);
/// The exit status of a cluster whose checks do not all work.
const NOT_READY: u8 = 1;
/// The exit status where nobody can tell.
const UNKNOWN: u8 = 2;

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Namespace that Trustwright runs in
    #[arg(long, env = "SYSTEM_NAMESPACE", default_value = "trustwright-system")]
    namespace: String,

    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Shows the cluster of `KUBECONFIG`, or the one that we run in. Exits with 0 if all signature checks work, with 1 if
/// not, with 2 if that cannot be read.
pub(crate) fn run(status: &Status) -> ExitCode {
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let shown = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start tokio")
        .and_then(|runtime| runtime.block_on(show(status)));
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NOT_READY),
        Err(error) => {
            eprintln!("trustwright: {error:#}");
            ExitCode::from(UNKNOWN)
        }
    }
}

async fn show(status: &Status) -> anyhow::Result<bool> {
    let config = Config::infer().await.context("no Kubernetes configuration (KUBECONFIG or in-cluster)")?;
    let client = Client::try_from(config).context("the Kubernetes configuration cannot be used")?;
    let ours = |kind, plural| {
        let kind = GroupVersionKind::gvk(GROUP, V1ALPHA1, kind);
        Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&kind, plural))
    };
    let lease = ApiResource::from_gvk(&GroupVersionKind::gvk("coordination.k8s.io", "v1", "Lease"));
    let leases = Api::namespaced_with(client.clone(), &status.namespace, &lease);
    let replicas = ListParams::default().labels(&format!("{REPLICA_LABEL}={REPLICA_VALUE}"));
    let all = ListParams::default();
    let policies = list(ours("ClusterImagePolicy", "clusterimagepolicies"), &all);
    let roots = list(ours("TrustRoot", "trustroots"), &all);
    let policies = policies.await.context("cannot list clusterimagepolicies")?;
    let roots = roots.await.context("cannot list trustroots")?;
    let leases = list(leases, &replicas)
        .await
        .with_context(|| format!("cannot list leases in namespace {}", status.namespace))?;
    // Who may not read events sees the rest.
    let events = denials(&client).await.ok();
    let listed = Listed { policies: &policies, roots: &roots, leases: &leases, events: events.as_deref() };
    let overview = Overview::of(listed, clock::now());
    let text = match status.output {
        Output::Text => render::text(&overview),
        Output::Json => render::json(&overview),
    };
    super::trust::print(&text)?;
    Ok(overview.is_ready())
}

/// What the webhooks told of refusals, in all namespaces.
async fn denials(client: &Client) -> anyhow::Result<Vec<Value>> {
    let event = ApiResource::from_gvk(&GroupVersionKind::gvk("events.k8s.io", "v1", "Event"));
    let by_us = format!("reportingController={REPORTING_CONTROLLER}");
    list(Api::all_with(client.clone(), &event), &ListParams::default().fields(&by_us)).await
}

async fn list(api: Api<DynamicObject>, params: &ListParams) -> anyhow::Result<Vec<Value>> {
    let listed = timeout(PATIENCE, api.list(params)).await;
    let listed = listed.with_context(|| format!("no answer within {} s", PATIENCE.as_secs()))??;
    listed
        .items
        .into_iter()
        .map(|object| serde_json::to_value(object).context("it cannot be decoded"))
        .collect()
}
