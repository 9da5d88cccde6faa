//! What this replica has in force, and what it missed, told to the leader on a Lease of its own.

use std::{error::Error, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use trustwright_api::{
    Miss,
    names::{IN_FORCE_ANNOTATION, MISSES_ANNOTATION, REPLICA_LABEL, REPLICA_VALUE, REPORT_SECONDS},
};
use trustwright_policy::Snapshot;

use crate::{Loaded, Missed};

/// How often a replica reports without a change.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

const MANAGER: &str = "trustwright-webhook";
/// The same while the API server does not answer.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long the API server may be silent: as long as a report counts.
const SILENCE: Duration = Duration::from_secs(REPORT_SECONDS);
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
    /// What is missed here.
    pub missed: Missed,
    /// The time.
    pub clock: fn() -> Timestamp,
}

/// Whether the API server answers this replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// It does, if only to say no; or nobody has asked yet.
    Kept,
    /// It has not for so long that this replica's reports do not count any more: what it has in force may be old. With
    /// the cause.
    Lost(String),
}

/// Reports what `snapshot` holds whenever `published` counts on or something is missed, and every five seconds, once
/// everything is `loaded`.
/// Says on `contact` whether the API server answers. When `stop` is cancelled, the Lease is removed, and the future
/// ends.
///
/// Needs `create`, `patch` and `delete` on Leases of the namespace.
pub async fn report(
    reporter: Reporter,
    snapshot: Arc<ArcSwap<Snapshot>>,
    mut loaded: watch::Receiver<Loaded>,
    mut published: watch::Receiver<u64>,
    contact: watch::Sender<Contact>,
    stop: CancellationToken,
) {
    let leases: Api<Lease> = Api::namespaced(reporter.client.clone(), &reporter.namespace);
    let name = format!("trustwright-webhook-{}", reporter.identity);
    let work = async {
        if loaded.wait_for(|loaded| *loaded == Loaded::Yes).await.is_err() {
            return std::future::pending().await;
        }
        let mut heard = Instant::now();
        let mut failing = false;
        loop {
            published.mark_unchanged();
            let told = tell(&leases, &name, &lease(&name, &reporter, &snapshot.load().state())).await;
            if let Err(error) = &told
                && !failing
            {
                let error: &dyn Error = error;
                tracing::warn!(lease = name, error, "Cannot report what is in force, will be retried");
            }
            if told.is_ok() && failing {
                tracing::info!(lease = name, "What is in force is reported again");
            }
            failing = told.is_err();
            let silence = told.as_ref().err().filter(|error| error.is_silence());
            if silence.is_none() {
                heard = Instant::now();
            }
            let now = match silence {
                Some(error) if heard.elapsed() >= SILENCE => Contact::Lost(error.to_string()),
                _ => Contact::Kept,
            };
            contact.send_if_modified(|then| {
                // The cause may change; that it is lost is news once.
                let is_news = matches!(then, Contact::Kept) != matches!(now, Contact::Kept);
                if is_news {
                    *then = now;
                }
                is_news
            });
            let due = Instant::now() + if silence.is_some() { RETRY_INTERVAL } else { REPORT_INTERVAL };
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                Ok(()) = published.changed() => tokio::time::sleep(SETTLING).await,
                () = reporter.missed.changed() => tokio::time::sleep(SETTLING).await,
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

/// Why a report did not arrive.
#[derive(Debug, thiserror::Error)]
enum TellError {
    #[error("no answer from the API server within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error(transparent)]
    Client(#[from] kube::Error),
}

impl TellError {
    /// Whether the API server has not answered, or cannot reach its own store: then watches stand still as well.
    fn is_silence(&self) -> bool {
        match self {
            Self::Client(kube::Error::Api(status)) => status.code >= 500,
            Self::Timeout | Self::Client(_) => true,
        }
    }
}

async fn tell(leases: &Api<Lease>, name: &str, lease: &Value) -> Result<(), TellError> {
    let params = PatchParams::apply(MANAGER).force();
    let told = tokio::time::timeout(TIMEOUT, leases.patch(name, &params, &Patch::Apply(lease))).await;
    told.map_err(|_| TellError::Timeout)?.map(drop).map_err(TellError::from)
}

/// The report; a note that it leaves out is removed.
fn lease(name: &str, reporter: &Reporter, state: &str) -> Value {
    let mut annotations = json!({IN_FORCE_ANNOTATION: state});
    if let Some(note) = Miss::note(&reporter.missed.recent()) {
        annotations[MISSES_ANNOTATION] = note.into();
    }
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": name,
            "labels": {REPLICA_LABEL: REPLICA_VALUE},
            "annotations": annotations,
        },
        "spec": {
            "holderIdentity": reporter.identity,
            "leaseDurationSeconds": REPORT_SECONDS,
            "renewTime": MicroTime((reporter.clock)()),
        },
    })
}
