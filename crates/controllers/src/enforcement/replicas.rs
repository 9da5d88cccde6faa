//! Watching the Leases by which webhook replicas report.

use std::{error::Error, time::Duration};

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Preconditions},
    runtime::{WatchStreamExt as _, watcher},
};
use trustwright_api::{
    Miss,
    names::{IN_FORCE_ANNOTATION, MISSES_ANNOTATION, REPLICA_LABEL, REPLICA_VALUE},
};
use trustwright_runtime::Pauses;

use super::Enforcement;
use crate::trust_root::Misses;

/// A report that was as old as this when we first saw it is a leftover.
const LEFTOVER: Duration = Duration::from_mins(1);
/// A Lease as old as this is removed: its replica ended without a word.
const DEAD: Duration = Duration::from_hours(1);

/// Feeds the reports of the replicas in `namespace` into `enforcement`, and what they missed into `misses`. Never
/// returns.
///
/// Needs `list`, `watch` and `delete` on Leases of the namespace.
pub(crate) async fn watch(
    client: Client,
    namespace: &str,
    enforcement: &Enforcement,
    misses: &Misses,
    clock: fn() -> Timestamp,
) {
    let leases: Api<Lease> = Api::namespaced(client, namespace);
    let config = watcher::Config::default().labels(&format!("{REPLICA_LABEL}={REPLICA_VALUE}"));
    let mut events = std::pin::pin!(watcher(leases.clone(), config).backoff(Pauses::default()));
    let mut failing = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(lease) | watcher::Event::InitApply(lease)) => {
                let age = age(&lease, clock());
                if age < LEFTOVER {
                    let state = lease.annotations().get(IN_FORCE_ANNOTATION).cloned().unwrap_or_default();
                    enforcement.heard(&lease.name_any(), state);
                    let note = lease.annotations().get(MISSES_ANNOTATION);
                    misses.heard(&lease.name_any(), note.map(|note| Miss::read(note)).unwrap_or_default());
                } else if age > DEAD {
                    remove(&leases, &lease).await;
                }
            }
            Ok(watcher::Event::Delete(lease)) => {
                enforcement.gone(&lease.name_any());
                misses.gone(&lease.name_any());
            }
            Ok(watcher::Event::Init) => {}
            Ok(watcher::Event::InitDone) => failing = false,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    let error: &dyn Error = &error;
                    tracing::warn!(error, "Cannot watch the reports of webhook replicas, will be retried");
                }
            }
        }
    }
}

fn age(lease: &Lease, now: Timestamp) -> Duration {
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    let age = renewed.map(|renewed| now.duration_since(renewed.0));
    // One from the future is one whose clock differs.
    age.map_or(Duration::MAX, |age| Duration::try_from(age).unwrap_or_default())
}

async fn remove(leases: &Api<Lease>, lease: &Lease) {
    let preconditions = Preconditions { uid: lease.uid(), resource_version: lease.resource_version() };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let name = lease.name_any();
    let removed = tokio::time::timeout(Duration::from_secs(10), leases.delete(&name, &params)).await;
    tracing::info!(
        lease = name,
        removed = matches!(removed, Ok(Ok(_))),
        "A webhook replica has ended long ago"
    );
}
