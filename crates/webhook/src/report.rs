//! What this replica has in force, told to the leader on a Lease of its own.

use std::{error::Error, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use trustwright_api::names::{IN_FORCE_ANNOTATION, REPLICA_LABEL, REPLICA_VALUE, REPORT_SECONDS};
use trustwright_policy::Snapshot;

use crate::Loaded;

/// How often a replica reports without a change.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

const MANAGER: &str = "trustwright-webhook";
/// How long changes are collected before they are told.
const SETTLING: Duration = Duration::from_millis(100);
/// Longest wait for one request.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Who reports, and where.
#[derive(Clone)]
pub struct Reporter {
    /// The API server.
    pub client: Client,
    /// Our own namespace.
    pub namespace: String,
    /// The name of this replica.
    pub identity: String,
    /// The time.
    pub clock: fn() -> Timestamp,
}

/// Reports what `snapshot` holds whenever `published` counts on, and every five seconds, once everything is `loaded`.
/// When `stop` is cancelled, the Lease is removed, and the future ends.
///
/// Needs `create`, `patch` and `delete` on Leases of the namespace.
pub async fn report(
    reporter: Reporter,
    snapshot: Arc<ArcSwap<Snapshot>>,
    mut loaded: watch::Receiver<Loaded>,
    mut published: watch::Receiver<u64>,
    stop: CancellationToken,
) {
    let leases: Api<Lease> = Api::namespaced(reporter.client.clone(), &reporter.namespace);
    let name = format!("trustwright-webhook-{}", reporter.identity);
    let work = async {
        if loaded.wait_for(|loaded| *loaded == Loaded::Yes).await.is_err() {
            return std::future::pending().await;
        }
        let mut failing = false;
        loop {
            published.mark_unchanged();
            let told = tell(&leases, &name, &reporter, &snapshot.load().state()).await;
            if let Err(error) = told {
                if !std::mem::replace(&mut failing, true) {
                    let error: &dyn Error = error.as_ref();
                    tracing::warn!(lease = name, error, "Cannot report what is in force, will be retried");
                }
            } else {
                failing = false;
            }
            let due = Instant::now() + REPORT_INTERVAL;
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                Ok(()) = published.changed() => tokio::time::sleep(SETTLING).await,
            }
        }
    };
    if stop.run_until_cancelled(work).await.is_none() {
        // Whether or not it is gone, it stops counting soon.
        let params = DeleteParams::default();
        let gone = leases.delete(&name, &params);
        let _ = tokio::time::timeout(TIMEOUT, gone).await;
    }
}

async fn tell(
    leases: &Api<Lease>,
    name: &str,
    reporter: &Reporter,
    state: &str,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": name,
            "labels": {REPLICA_LABEL: REPLICA_VALUE},
            "annotations": {IN_FORCE_ANNOTATION: state},
        },
        "spec": {
            "holderIdentity": reporter.identity,
            "leaseDurationSeconds": REPORT_SECONDS,
            "renewTime": MicroTime((reporter.clock)()),
        },
    });
    let params = PatchParams::apply(MANAGER).force();
    tokio::time::timeout(TIMEOUT, leases.patch(name, &params, &Patch::Apply(&lease))).await??;
    Ok(())
}
