//! When a workload is between two states.

use super::*;
use crate::dependents::rollout::rollout;

/// The standing of a workload of generation 2, `whole` with `change` merged into it.
fn standing(kind: Kind, whole: &Value, change: &Value) -> Rollout {
    fn merge(base: &mut Value, change: &Value) {
        match change.as_object() {
            Some(fields) => fields.iter().for_each(|(name, field)| merge(&mut base[name], field)),
            None => *base = change.clone(),
        }
    }
    let mut data = whole.clone();
    merge(&mut data, change);
    rollout(kind, Some(2), &data)
}

#[test]
fn a_deployment_rolls_until_all_pods_are_new_and_available() {
    let whole = json!({"spec": {"replicas": 3}, "status": {
        "observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}});
    for (change, expected) in [
        (json!({}), Rollout::Done),
        (json!({"status": {"observedGeneration": 1}}), Rollout::Rolling),
        (json!({"status": {"updatedReplicas": 2}}), Rollout::Rolling),
        (json!({"status": {"replicas": 4}}), Rollout::Rolling),
        (json!({"status": {"availableReplicas": 2}}), Rollout::Rolling),
        (json!({"status": {"availableReplicas": null}}), Rollout::Rolling),
        (json!({"spec": {"paused": true}}), Rollout::Paused),
        (json!({"spec": {"paused": false}}), Rollout::Done),
        (
            json!({"status": {"availableReplicas": 2, "conditions": [
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}}),
            Rollout::Done,
        ),
        (
            json!({"status": {"availableReplicas": 2, "conditions": [
                {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}]}}),
            Rollout::Rolling,
        ),
    ] {
        assert_eq!(standing(Kind::Deployment, &whole, &change), expected, "{change}");
    }
    let none = json!({"spec": {"replicas": 0}, "status": {"observedGeneration": 2}});
    assert_eq!(standing(Kind::Deployment, &none, &json!({})), Rollout::Done);
    assert_eq!(standing(Kind::Deployment, &none, &json!({"spec": {"replicas": null}})), Rollout::Rolling);
}

#[test]
fn a_stateful_set_rolls_down_to_its_partition() {
    let whole = json!({"spec": {"replicas": 3, "updateStrategy": {"type": "RollingUpdate"}}, "status": {
        "observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 3,
        "currentRevision": "r1", "updateRevision": "r1"}});
    let moving = |updated| json!({"updatedReplicas": updated, "updateRevision": "r2"});
    let partition = |of| json!({"updateStrategy": {"rollingUpdate": {"partition": of}}});
    for (change, expected) in [
        (json!({}), Rollout::Done),
        (json!({"status": {"observedGeneration": 1}}), Rollout::Rolling),
        (json!({"status": {"readyReplicas": 2}}), Rollout::Rolling),
        (json!({"status": moving(2)}), Rollout::Rolling),
        (json!({"status": moving(2), "spec": partition(1)}), Rollout::Done),
        (json!({"status": moving(1), "spec": partition(1)}), Rollout::Rolling),
        (json!({"status": moving(0), "spec": {"updateStrategy": {"type": "OnDelete"}}}), Rollout::Done),
    ] {
        assert_eq!(standing(Kind::StatefulSet, &whole, &change), expected, "{change}");
    }
}

#[test]
fn a_daemon_set_rolls_until_all_nodes_have_the_new_pod() {
    let whole = json!({"spec": {"updateStrategy": {"type": "RollingUpdate"}}, "status": {
        "observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}});
    for (change, expected) in [
        (json!({}), Rollout::Done),
        (json!({"status": {"observedGeneration": 1}}), Rollout::Rolling),
        (json!({"status": {"updatedNumberScheduled": 2}}), Rollout::Rolling),
        (json!({"status": {"numberAvailable": 2}}), Rollout::Rolling),
        (
            json!({"status": {"updatedNumberScheduled": 0}, "spec": {"updateStrategy": {"type": "OnDelete"}}}),
            Rollout::Done,
        ),
    ] {
        assert_eq!(standing(Kind::DaemonSet, &whole, &change), expected, "{change}");
    }
}
