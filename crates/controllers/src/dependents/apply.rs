//! Writing the annotations, and nothing else.

use std::time::Duration;

use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::{Map, Value, json};

use super::known::Known;
use super::names::{KNOWN, MATERIAL, RESTARTED_AT, SINCE};
use super::workload::{Id, Workload};

/// The field manager of what we write to workloads.
pub(super) const MANAGER: &str = "policy.sigstore.dev/dependents-controller";
/// Longest wait for one write.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest refusal that is told, in characters.
const MAX_REFUSAL: usize = 500;

/// How a workload is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// As what it started with.
    Record,
    /// By a restart.
    Restart,
    /// On its metadata.
    Annotate,
}

/// Why a write did not happen, or may not have.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    /// The object is gone or another one by now; the watch brings what there is to know.
    #[error("the object has changed since it was looked at")]
    Outdated,
    /// The API server, or an admission policy or webhook, does not want it.
    #[error("refused: {0}")]
    Refused(String),
    /// The API server is not there or has too much to do.
    #[error("the API server failed")]
    Failed(#[source] kube::Error),
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} seconds", TIMEOUT.as_secs())]
    Timeout,
}

/// What is applied. A field that our manager has applied before and that is missing now would be removed, and on the
/// pod template that is a restart: so everything that is there is said again.
pub(super) fn body(id: &Id, workload: &Workload, known: &Known, manner: Manner, now: Timestamp) -> Value {
    // Statuses have whole seconds.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let combined = known.combined();
    let (since, restarted_at, template) = match manner {
        // When it started is not ours to know.
        Manner::Record => (None, workload.restarted_at, workload.template_material.clone()),
        Manner::Restart => (Some(now), Some(now), Some(combined.clone())),
        Manner::Annotate => (Some(now), workload.restarted_at, workload.template_material.clone()),
    };
    let mut annotations = Map::new();
    annotations.insert(MATERIAL.to_owned(), json!(combined));
    annotations.insert(KNOWN.to_owned(), json!(known.text()));
    for (name, time) in [(SINCE, since), (RESTARTED_AT, restarted_at)] {
        if let Some(time) = time {
            annotations.insert(name.to_owned(), json!(time.to_string()));
        }
    }
    let resource = id.kind.resource();
    let mut body = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": id.name,
            "namespace": id.namespace,
            // A deleted object is not made again, and no decision outlives what it was made upon.
            "uid": workload.uid,
            "resourceVersion": workload.resource_version,
            "annotations": annotations,
        },
    });
    if let Some(material) = template {
        body["spec"] = json!({"template": {"metadata": {"annotations": {MATERIAL: material}}}});
    }
    body
}

/// Applies `body`, and returns the object as it is then.
pub(super) async fn apply(client: &Client, id: &Id, body: &Value) -> Result<DynamicObject, ApplyError> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &id.namespace, &id.kind.resource());
    send(&api, &id.name, body).await
}

/// Applies `body` to the object called `name`, and returns it as it is then.
pub(super) async fn send(
    api: &Api<DynamicObject>,
    name: &str,
    body: &Value,
) -> Result<DynamicObject, ApplyError> {
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(body);
    match tokio::time::timeout(TIMEOUT, api.patch(name, &params, &patch)).await {
        Err(_) => Err(ApplyError::Timeout),
        Ok(Ok(object)) => Ok(object),
        Ok(Err(kube::Error::Api(status))) => Err(match status.code {
            404 | 409 => ApplyError::Outdated,
            // Asked once too often, or as nobody: neither is about this object.
            401 | 429 => ApplyError::Failed(kube::Error::Api(status)),
            400..=499 => ApplyError::Refused(status.message.chars().take(MAX_REFUSAL).collect()),
            _ => ApplyError::Failed(kube::Error::Api(status)),
        }),
        Ok(Err(error)) => Err(ApplyError::Failed(error)),
    }
}
