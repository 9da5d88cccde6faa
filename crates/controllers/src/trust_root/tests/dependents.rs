//! What a status shows of those who depend on the root.

use trustwright_api::v1alpha1::DependentStatus;

use super::*;
use crate::dependents::Listed;

fn one(reason: Option<&str>) -> Listed {
    let entry = DependentStatus {
        kind: "Deployment".to_owned(),
        namespace: "apps".to_owned(),
        name: "web".to_owned(),
        reason: reason.map(str::to_owned),
        message: reason.map(|reason| format!("the cause of {reason}")),
        ..DependentStatus::default()
    };
    Listed { entries: vec![entry], count: 1 }
}

/// What is decided of a root with keys, `status` and these dependents.
fn with(status: &Value, dependents: Option<Listed>) -> Decision {
    let spec = keys(&[log(&KeyPair::generate_for(&PKCS_ED25519).unwrap().public_key_pem())]);
    let object = root(&spec, status);
    let mut observed = observed(&object, NOW);
    observed.dependents = dependents;
    // The key is another one each time, and not what this is about.
    let mut decision = decide(&object, &observed, WARNING, NOW);
    decision.events.retain(|event| event.reason.starts_with("Dependent"));
    decision
}

#[test]
fn dependents_that_are_not_known_yet_stay_as_they_are() {
    let status = with(&json!({}), Some(one(None))).status.unwrap();
    assert_eq!((&status["dependents"][0]["name"], &status["dependentCount"]), (&json!("web"), &json!(1)));
    let unknown = with(&status, None).status.unwrap();
    assert_eq!((&unknown["dependents"], &unknown["dependentCount"]), (&status["dependents"], &json!(1)));
    let none = with(&status, Some(Listed::default())).status.unwrap();
    assert_eq!((none.get("dependents"), none.get("dependentCount")), (None, None));
}

#[test]
fn dependents_that_stay_the_same_are_not_written_again() {
    let spec = keys(&[log(&KeyPair::generate_for(&PKCS_ED25519).unwrap().public_key_pem())]);
    let decided = |status: &Value, dependents| {
        let object = root(&spec, status);
        let mut observed = observed(&object, NOW);
        observed.dependents = dependents;
        decide(&object, &observed, WARNING, NOW).status
    };
    let status = decided(&json!({}), Some(one(None))).unwrap();
    assert_eq!(decided(&status, Some(one(None))), None);
    assert_eq!(decided(&status, None), None);
    assert!(decided(&status, Some(one(Some("Waiting")))).is_some());
}

#[test]
fn a_dependent_that_needs_somebody_is_an_event_once() {
    let before = with(&json!({}), Some(one(None))).status.unwrap();
    assert_eq!(with(&before, Some(one(Some("Waiting")))).events, []);
    for reason in ["Refused", "Invalid", "NotFound"] {
        let decision = with(&before, Some(one(Some(reason))));
        let [event] = decision.events.as_slice() else { panic!("{:?}", decision.events) };
        assert!(event.warning);
        assert_eq!(event.reason, format!("Dependent{reason}"));
        assert_eq!(event.message, format!("Deployment apps/web: the cause of {reason}"));
        let status = decision.status.unwrap();
        assert_eq!(with(&status, Some(one(Some(reason)))).events, []);
        assert_eq!(with(&status, Some(one(None))).events, []);
    }
}
