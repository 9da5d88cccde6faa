//! `ClusterImagePolicy`: can every part of it be used?

use jiff::Timestamp;
use kube::{ResourceExt as _, core::DynamicObject};
use trustwright_api::v1alpha1::{ClusterImagePolicyStatus, ConditionType, PolicyReason};
use trustwright_policy::compile_stored;

use crate::status::{Aspect, Decision, conditions, difference};

/// The status that `object` should have. Time changes nothing about it.
pub(crate) fn decide(object: &DynamicObject, now: Timestamp) -> Decision {
    let previous = object.data.get("status").cloned().unwrap_or_default();
    let known: ClusterImagePolicyStatus = serde_json::from_value(previous.clone()).unwrap_or_default();
    let generation = object.metadata.generation;
    let status = ClusterImagePolicyStatus {
        observed_generation: generation,
        conditions: conditions(&known.conditions, aspects(object), generation, now),
        ..ClusterImagePolicyStatus::default()
    };
    Decision { status: difference(&previous, &status, &["observedGeneration"]), ..Decision::default() }
}

fn aspects(object: &DynamicObject) -> Vec<Aspect> {
    let policy =
        compile_stored(&object.name_any(), object.data.get("spec"), &trustwright_policy::NoReferences);
    let problems: Vec<String> = policy.not_ready().map(ToString::to_string).collect();
    if problems.is_empty() {
        let message = match policy.authorities.len() {
            1 => "the policy's authority can be used".to_owned(),
            count => format!("all {count} authorities can be used"),
        };
        return vec![Aspect::new(ConditionType::Ready, true, PolicyReason::Compiled.as_str(), message)];
    }
    // `Stalled`: tools that read kstatus would wait for ever without it.
    let (reason, message) = (PolicyReason::NotCompiled.as_str(), problems.join("; "));
    vec![
        Aspect::new(ConditionType::Ready, false, reason, message.clone()),
        Aspect::new(ConditionType::Stalled, true, reason, message),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn policy(spec: &Value, status: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
            "metadata": {"name": "p", "generation": 3}, "spec": spec, "status": status,
        }))
        .unwrap()
    }

    fn good() -> Value {
        json!({"images": [{"glob": "**"}], "authorities": [{"static": {"action": "pass"}}]})
    }

    fn applied(object: &DynamicObject, now: Timestamp) -> Option<Value> {
        decide(object, now).status
    }

    fn ready(status: &Value) -> (&str, &str) {
        let condition = &status["conditions"][0];
        assert_eq!(condition["type"], "Ready");
        (condition["status"].as_str().unwrap(), condition["message"].as_str().unwrap())
    }

    #[test]
    fn a_policy_that_compiles_is_ready_and_one_that_does_not_is_stalled_with_field_and_cause() {
        let status = applied(&policy(&good(), &json!({})), NOW).unwrap();
        assert_eq!(ready(&status), ("True", "the policy's authority can be used"));
        assert_eq!(status["observedGeneration"], 3);
        assert_eq!(status["conditions"].as_array().unwrap().len(), 1);

        let mut broken = good();
        broken["images"][0]["glob"] = json!("$FOO*");
        let status = applied(&policy(&broken, &json!({})), NOW).unwrap();
        let (ready, message) = ready(&status);
        assert_eq!(ready, "False");
        assert!(message.starts_with("spec.images[0].glob: invalid glob \"$FOO*\""), "{message}");
        assert_eq!(status["conditions"][1]["type"], "Stalled");
        assert!(applied(&policy(&json!({"images": 3}), &json!({})), NOW).is_some());
    }

    #[test]
    fn a_status_that_says_it_already_is_left_alone_whatever_others_wrote_beside_it() {
        let mut status = applied(&policy(&good(), &json!({})), NOW).unwrap();
        status["conditions"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({"type": "KeysInlined", "status": "True"}));
        status["annotations"] = json!({"a": "b"});
        let later = NOW + jiff::SignedDuration::from_hours(1);
        assert_eq!(applied(&policy(&good(), &status), later), None);
        status["conditions"][1]["status"] = json!("False");
        let again = applied(&policy(&good(), &status), later).unwrap();
        assert_eq!(again["conditions"][0]["lastTransitionTime"], "1970-01-01T01:00:00Z");
        assert!(again.get("annotations").is_none());
    }
}
