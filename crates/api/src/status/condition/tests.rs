use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{from_value, json, to_value};

use super::*;
use crate::status::{ClusterImagePolicyStatus, PolicyReason, TrustRootReason};

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn ready(status: ConditionStatus) -> Condition {
    Condition::new("Ready", status, PolicyReason::Compiled)
}

#[test]
fn time_changes_only_with_the_status() {
    let first = set_condition(&[], ready(ConditionStatus::True), &at(1));
    assert!(first.changed);
    assert_eq!(first.conditions[0].last_transition_time, Some(at(1)));

    let same = set_condition(&first.conditions, ready(ConditionStatus::True), &at(2));
    assert!(!same.changed);
    assert_eq!(same.conditions, first.conditions);

    let told = set_condition(&same.conditions, ready(ConditionStatus::True).with_message("why"), &at(3));
    assert!(told.changed);
    assert_eq!(told.conditions[0].last_transition_time, Some(at(1)));

    let turned = set_condition(&told.conditions, ready(ConditionStatus::False), &at(4));
    assert!(turned.changed);
    assert_eq!(turned.conditions[0].last_transition_time, Some(at(4)));
}

#[test]
fn removing_a_condition_tells_whether_it_was_there() {
    let stalled = Condition::new("Stalled", ConditionStatus::True, TrustRootReason::InvalidSpec);
    let both = set_condition(&[ready(ConditionStatus::True)], stalled, &at(1)).conditions;
    let removed = remove_condition(&both, "Stalled");
    assert!(removed.changed);
    assert_eq!(removed.conditions, vec![ready(ConditionStatus::True)]);
    assert!(!remove_condition(&removed.conditions, "Stalled").changed);
}

#[test]
fn stored_status_of_the_policy_controller_round_trips() {
    let stored = json!({
        "observedGeneration": 3,
        "annotations": { "a": "b" },
        "conditions": [
            { "type": "ConfigMapUpdated", "status": "True", "lastTransitionTime": "2024-01-02T03:04:05Z" },
            { "type": "KeysInlined", "status": "False", "severity": "Info", "reason": "InliningKeysFailed", "message": "m" },
            { "type": "Bare", "status": "Unknown" },
        ],
    });
    let status: ClusterImagePolicyStatus = from_value(stored.clone()).unwrap();
    assert_eq!(to_value(&status).unwrap(), stored);
    let empty: ClusterImagePolicyStatus =
        from_value(json!({ "conditions": null, "annotations": null, "observedGeneration": null })).unwrap();
    assert_eq!(empty, ClusterImagePolicyStatus::default());
}

#[test]
fn foreign_status_text_is_unknown() {
    let condition: Condition = from_value(json!({ "type": "Ready", "status": "" })).unwrap();
    assert_eq!(condition.status, ConditionStatus::Unknown);
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let types = prop::sample::select(vec!["Ready", "KeysInlined", "ConfigMapUpdated", "Stalled"]);
    let status = prop_oneof![
        Just(ConditionStatus::True),
        Just(ConditionStatus::False),
        Just(ConditionStatus::Unknown)
    ];
    (types, status, "[A-C]", prop::option::of(0..9_i64)).prop_map(|(type_, status, reason, time)| {
        let time = time.map(at);
        Condition { last_transition_time: time, ..Condition::new(type_, status, reason) }
    })
}

proptest! {
    #[test]
    fn setting_touches_one_type_only_and_settles(
        previous in prop::collection::vec(any_condition(), 0..4),
        new in any_condition(),
    ) {
        // As in a list map: one entry per type.
        let previous = previous.into_iter().fold(Vec::new(), |all, c| set_condition(&all, c, &at(5)).conditions);
        let update = set_condition(&previous, new.clone(), &at(10));
        let others = |all: &[Condition]| -> Vec<Condition> {
            all.iter().filter(|c| c.type_ != new.type_).cloned().collect()
        };
        prop_assert_eq!(others(&update.conditions), others(&previous));
        prop_assert_eq!(update.conditions.iter().filter(|c| c.type_ == new.type_).count(), 1);
        let set = condition(&update.conditions, &new.type_).unwrap();
        prop_assert_eq!((set.status, &set.reason), (new.status, &new.reason));
        match condition(&previous, &new.type_) {
            Some(before) if before.status == new.status =>
                prop_assert_eq!(&set.last_transition_time, &before.last_transition_time),
            _ => prop_assert_eq!(&set.last_transition_time, &Some(at(10))),
        }
        let again = set_condition(&update.conditions, new, &at(11));
        prop_assert!(!again.changed);
        prop_assert_eq!(again.conditions, update.conditions);
    }
}
