use serde_json::{Value, json};
use trustwright_policy::{NoLanguages, NoReferences};

use super::*;

mod states;

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

fn decided(object: &DynamicObject, reach: Reach, now: Timestamp) -> Decision {
    let policy = compile_stored("p", object.data.get("spec"), &NoReferences, &NoLanguages);
    decide(object, &Observed { policy, trust: Vec::new(), reach, patience: ON_ITS_WAY }, &|_| true, now)
}

fn applied(object: &DynamicObject, now: Timestamp) -> Option<Value> {
    decided(object, Reach::InForce, now).status
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
    let types: Vec<_> =
        status["conditions"].as_array().unwrap().iter().map(|one| one["type"].clone()).collect();
    let expected =
        ["Ready", "SignatureChecksReady", "KeysResolved", "PoliciesResolved", "TrustReady", "Enforced"];
    assert_eq!(types, expected);

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
    status["conditions"].as_array_mut().unwrap().insert(0, json!({"type": "KeysInlined", "status": "True"}));
    status["annotations"] = json!({"a": "b"});
    let later = NOW + jiff::SignedDuration::from_hours(1);
    assert_eq!(applied(&policy(&good(), &status), later), None);
    status["conditions"][1]["status"] = json!("False");
    let again = applied(&policy(&good(), &status), later).unwrap();
    assert_eq!(again["conditions"][0]["lastTransitionTime"], "1970-01-01T01:00:00Z");
    assert!(again.get("annotations").is_none());
}

/// The reason of a condition where it is as given.
fn reason<'s>(status: &'s Value, type_: &str, met: &str) -> Option<&'s str> {
    let all = status["conditions"].as_array().unwrap();
    let one = all.iter().find(|one| one["type"] == type_ && one["status"] == met)?;
    one["reason"].as_str()
}

#[test]
fn a_policy_that_is_not_in_force_everywhere_is_not_ready_and_not_at_once_written() {
    let object = policy(&good(), &json!({}));
    let soon = decided(&object, Reach::Spreading(Duration::from_millis(500)), NOW);
    assert_eq!(soon.status, None);
    assert_eq!(soon.again, Some(NOW + Duration::from_millis(1_500)));
    let late = decided(&object, Reach::Spreading(ON_ITS_WAY), NOW).status.unwrap();
    assert_eq!(reason(&late, "Ready", "False"), Some("Spreading"));
    assert_eq!(reason(&late, "Reconciling", "True"), Some("Spreading"));
    assert_eq!(reason(&late, "SignatureChecksReady", "True"), Some("Compiled"));
    let alone = decided(&object, Reach::NoReplica, NOW);
    assert_eq!(reason(&alone.status.unwrap(), "Enforced", "False"), Some("NoReplica"));
    assert_eq!(alone.events, []);
}

#[test]
fn what_another_object_may_cure_is_not_stalled() {
    let secret = json!({"images": [{"glob": "**"}], "authorities": [{"key": {"secretRef": {"name": "k"}}}]});
    let decision = decided(&policy(&secret, &json!({})), Reach::InForce, NOW);
    let status = decision.status.unwrap();
    assert_eq!(reason(&status, "KeysResolved", "False"), Some("NotResolved"));
    assert_eq!(reason(&status, "Ready", "False"), Some("NotResolved"));
    assert_eq!(reason(&status, "Reconciling", "True"), Some("NotResolved"));
    assert_eq!(reason(&status, "Stalled", "True"), None);
    assert_eq!(reason(&status, "Enforced", "True"), Some("InForce"));
    let message = status["authorities"][0]["message"].as_str().unwrap();
    assert_eq!(message, "spec.authorities[0].key.secretRef: secret \"k\" not found");
    assert_eq!((decision.events.len(), decision.events[0].warning), (1, true));

    let object = policy(&good(), &json!({}));
    let compiled = compile_stored("p", object.data.get("spec"), &NoReferences, &NoLanguages);
    let trust = vec!["there is no TrustRoot \"r\"".to_owned()];
    let observed = Observed { policy: compiled, trust, reach: Reach::InForce, patience: ON_ITS_WAY };
    let status = decide(&object, &observed, &|_| false, NOW).status.unwrap();
    assert_eq!(reason(&status, "TrustReady", "False"), Some("TrustRootNotReady"));
    assert_eq!(reason(&status, "Ready", "False"), Some("TrustRootNotReady"));
}

#[test]
fn the_more_are_on_their_way_the_longer_each_may_take_before_its_status_says_so_up_to_an_end() {
    for (many, seconds) in [(0, 2), (200, 2), (1_000, 10), (3_000, 30), (1_000_000, 30)] {
        assert_eq!(patience(many), Duration::from_secs(seconds), "{many}");
    }
}
