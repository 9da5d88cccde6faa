//! Whether a workload is between two states. The questions are those of `kubectl rollout status`.

use serde_json::Value;

use super::workload::Kind;

/// How a workload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rollout {
    /// All its pods are there and as its template says.
    Done,
    /// They are not, or not yet.
    Rolling,
    /// A Deployment that somebody has paused.
    Paused,
}

/// How the workload stands whose fields, besides `metadata`, are `data`.
pub(crate) fn rollout(kind: Kind, generation: Option<i64>, data: &Value) -> Rollout {
    if kind == Kind::Deployment && field(data, "spec", "paused").and_then(Value::as_bool) == Some(true) {
        return Rollout::Paused;
    }
    if is_rolling(kind, generation, data) { Rollout::Rolling } else { Rollout::Done }
}

/// Whether pods are missing or being replaced. A Deployment that has given up (`ProgressDeadlineExceeded`) rolls no
/// more: to wait for it would be to wait for ever.
fn is_rolling(kind: Kind, generation: Option<i64>, data: &Value) -> bool {
    let status = |name: &str| number(data, "status", name).unwrap_or_default();
    if status("observedGeneration") < generation.unwrap_or_default() {
        return true;
    }
    let replicas = number(data, "spec", "replicas").unwrap_or(1);
    match kind {
        Kind::Deployment => {
            let (updated, all) = (status("updatedReplicas"), status("replicas"));
            let is_done = updated >= replicas && all <= updated && status("availableReplicas") >= updated;
            !is_done && !has_given_up(data)
        }
        Kind::StatefulSet => {
            let partition = data.pointer("/spec/updateStrategy/rollingUpdate/partition");
            let partition = partition.and_then(Value::as_i64).unwrap_or_default();
            let to_update = if replaces_pods(data) { (replicas - partition).max(0) } else { 0 };
            // Where all pods are updated, the controller no longer counts them.
            let is_current =
                field(data, "status", "currentRevision") == field(data, "status", "updateRevision");
            status("readyReplicas") < replicas || (!is_current && status("updatedReplicas") < to_update)
        }
        Kind::DaemonSet => {
            let desired = status("desiredNumberScheduled");
            let to_update = if replaces_pods(data) { desired } else { 0 };
            status("numberAvailable") < desired || status("updatedNumberScheduled") < to_update
        }
    }
}

/// Whether a change of the template replaces pods; with `OnDelete`, people do.
fn replaces_pods(data: &Value) -> bool {
    data.pointer("/spec/updateStrategy/type").and_then(Value::as_str) != Some("OnDelete")
}

fn has_given_up(data: &Value) -> bool {
    let conditions = field(data, "status", "conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition["type"] == "Progressing" && condition["reason"] == "ProgressDeadlineExceeded"
    })
}

fn field<'d>(data: &'d Value, part: &str, name: &str) -> Option<&'d Value> {
    data.get(part)?.get(name)
}

fn number(data: &Value, part: &str, name: &str) -> Option<i64> {
    field(data, part, name)?.as_i64()
}
