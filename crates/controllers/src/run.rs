//! Driving the reconcilers: from watch to decision to write, while we lead.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{
        controller::{Action, Config, Controller, Error as ControllerError},
        reflector::ObjectRef,
        watcher,
    },
};
use serde_json::json;
use tokio::sync::watch;

use crate::{Metrics, cluster_image_policy, status::Decision, trust_root};

/// One reconciled kind.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    plural: &'static str,
    /// The name in metrics and logs.
    controller: &'static str,
    /// The field manager of what we write.
    manager: &'static str,
    decide: fn(&DynamicObject, Timestamp) -> Decision,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "ClusterImagePolicy",
        plural: "clusterimagepolicies",
        controller: "clusterimagepolicy",
        manager: "policy.sigstore.dev/clusterimagepolicy-controller",
        decide: cluster_image_policy::decide,
    },
    Kind {
        name: "TrustRoot",
        plural: "trustroots",
        controller: "trustroot",
        manager: "policy.sigstore.dev/trustroot-controller",
        decide: trust_root::decide,
    },
];

const VERSION: &str = "v1alpha1";
/// Longest wait until an object is looked at again whose state time will change.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// Longest wait for one write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The API server refused the status.
    #[error("failed to write the status")]
    Write(#[source] kube::Error),
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} seconds", WRITE_TIMEOUT.as_secs())]
    Timeout,
}

struct Context {
    client: Client,
    kind: &'static Kind,
    resource: ApiResource,
    metrics: Metrics,
    clock: fn() -> Timestamp,
}

/// Runs the reconcilers whenever `leading` says so. Returns when the election has ended.
///
/// Losing the lease drops whatever is under way; a write that was sent carries the object's resourceVersion, so
/// that it cannot undo a newer leader's.
pub async fn run(
    client: Client,
    mut leading: watch::Receiver<bool>,
    metrics: Metrics,
    clock: fn() -> Timestamp,
) {
    loop {
        if leading.wait_for(|leads| *leads).await.is_err() {
            return;
        }
        metrics.leads(true);
        tracing::info!("Leading: the controllers start");
        let work = futures::future::join_all(
            KINDS.iter().map(|kind| drive(client.clone(), kind, metrics.clone(), clock)),
        );
        tokio::select! {
            _ = work => {}
            _ = leading.wait_for(|leads| !*leads) => {}
        }
        metrics.leads(false);
        tracing::info!("Not leading: the controllers have stopped");
    }
}

async fn drive(client: Client, kind: &'static Kind, metrics: Metrics, clock: fn() -> Timestamp) {
    let gvk = GroupVersionKind::gvk(trustwright_api::GROUP, VERSION, kind.name);
    let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural);
    // Untyped, so that one object that does not decode cannot end the watch of all.
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let context = Arc::new(Context { client, kind, resource: resource.clone(), metrics, clock });
    Controller::new_with(api, watcher::Config::default(), resource)
        .with_config(Config::default().concurrency(4))
        .run(reconcile, retry, context)
        .for_each(|result| async move { log(kind, &result) })
        .await;
}

async fn reconcile(object: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, Error> {
    let start = std::time::Instant::now();
    let result = settle(&object, &context).await;
    context.metrics.reconciled(context.kind.controller, result.is_ok(), start.elapsed().as_secs_f64());
    result
}

async fn settle(object: &DynamicObject, context: &Context) -> Result<Action, Error> {
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let now = (context.clock)();
    let Decision { status, again } = (context.kind.decide)(object, now);
    let done = again.map_or_else(Action::await_change, |again| {
        let wait = Duration::try_from(again.duration_since(now)).unwrap_or_default();
        Action::requeue(wait.clamp(Duration::from_secs(1), LONGEST_WAIT))
    });
    let Some(status) = status else { return Ok(done) };
    let name = object.name_any();
    let body = json!({
        "apiVersion": format!("{}/{VERSION}", trustwright_api::GROUP),
        "kind": context.kind.name,
        "metadata": {"name": name, "uid": object.uid(), "resourceVersion": object.resource_version()},
        "status": status,
    });
    let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &context.resource);
    let params = PatchParams::apply(context.kind.manager).force();
    let patch = Patch::Apply(&body);
    let write = api.patch_status(&name, &params, &patch);
    match tokio::time::timeout(WRITE_TIMEOUT, write).await {
        Err(_) => return Err(Error::Timeout),
        // A newer object, or none: the watch brings what there is to know.
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
            return Ok(Action::requeue(Duration::from_secs(1)));
        }
        Ok(Err(error)) => return Err(Error::Write(error)),
        Ok(Ok(_)) => context.metrics.wrote(context.kind.controller),
    }
    tracing::debug!(controller = context.kind.controller, object = name, "Status written");
    Ok(done)
}

fn retry(_: Arc<DynamicObject>, _: &Error, _: Arc<Context>) -> Action {
    Action::requeue(Duration::from_secs(5))
}

type Outcome = Result<(ObjectRef<DynamicObject>, Action), ControllerError<Error, watcher::Error>>;

fn log(kind: &Kind, outcome: &Outcome) {
    let Err(error) = outcome else { return };
    let error: &dyn std::error::Error = error;
    tracing::warn!(controller = kind.controller, error, "Reconcile failed and is tried again");
}
