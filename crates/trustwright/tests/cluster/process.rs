//! The process: how it starts, how it ends, and what it does while the API server is away.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use serde_json::{Value, json};
use trustwright_testkit::{
    ControlPlane, Operator,
    control_plane::Options,
    operator,
    process::{eventually, free_port},
};

use crate::fixture::options;

mod away;
mod outage;
mod start;
pub(crate) mod stop;

/// The limit of waits for a retry, whose pause doubles as long as nothing is there.
const RETRIED: Duration = Duration::from_mins(1);

/// What the API server would ask about a pod with `image`.
pub(crate) fn review(image: &str) -> Value {
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "operation": "CREATE", "kind": kind, "userInfo": {}, "namespace": "apps", "name": "app",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"},
            "spec": {"containers": [{"name": "main", "image": image}]}},
    }})
}

/// An image by digest that no policy has to ask a registry about.
fn nowhere(repository: &str) -> String {
    format!("registry.example/{repository}@sha256:{}", "0".repeat(64))
}

/// The policy of a pattern that passes or fails everything.
fn fixed(glob: &str, action: &str) -> Value {
    json!({"images": [{"glob": glob}], "authorities": [{"static": {"action": action, "message": "m"}}]})
}

/// A control plane on which Trustwright is installed and does not run yet, and the port it is expected on.
async fn installed() -> Result<(ControlPlane, u16)> {
    let control_plane = ControlPlane::start(Options::default()).await?;
    let port = free_port()?;
    operator::install(&control_plane, port).await?;
    Ok((control_plane, port))
}

/// Waits until a process that lives and is not ready says why: the answer of `/readyz` holds all `words`.
async fn not_ready_for(operator: &Operator, words: &[&str]) -> Result<()> {
    eventually(&format!("not ready for {words:?}"), RETRIED, async || {
        operator.process().check()?;
        let (status, text) = operator.probe("/readyz?verbose").await?;
        ensure!(status == 503, "{status}: {text}");
        ensure!(words.iter().all(|word| text.contains(word)), "{text}");
        Ok(())
    })
    .await?;
    let livez = operator.probe("/livez").await?;
    ensure!(livez.0 == 200, "{livez:?}");
    Ok(())
}

/// Who holds the lease; empty where nobody does.
pub(crate) async fn leader(client: &Client) -> Result<String> {
    let leases = Api::<Lease>::namespaced(client.clone(), operator::NAMESPACE);
    let lease = leases.get("trustwright-controller").await?;
    Ok(lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default())
}

/// Waits until the replica called `identity` holds the lease.
pub(crate) async fn leads(client: &Client, identity: &str, limit: Duration) -> Result<()> {
    eventually(&format!("{identity} leads"), limit, async || {
        let leader = leader(client).await?;
        ensure!(leader == identity, "{leader:?} does");
        Ok(())
    })
    .await
}

/// One more replica, on a port of its own.
pub(crate) async fn replica(control_plane: &ControlPlane, identity: &str) -> Result<Operator> {
    let mut options = options();
    options.identity = identity.into();
    Operator::spawn(control_plane, options, free_port()?).await?.ready().await
}
