use super::*;

const EARLIER: &str = "2026-11-01T00:00:00Z";
const NOW: &str = "2026-11-02T00:00:00Z";

/// A status as the other system leaves it, with more than we know of.
fn theirs() -> Value {
    json!({
        "observedGeneration": 3,
        "annotations": {"kept": "as it is"},
        "unknown": {"to": "us"},
        "conditions": [
            {"type": "ConfigMapUpdated", "status": "True", "lastTransitionTime": EARLIER},
            {"type": "KeysInlined", "status": "True", "lastTransitionTime": EARLIER},
            {"type": "Ready", "status": "True", "lastTransitionTime": EARLIER, "unknown": 1},
        ],
    })
}

fn info(type_: Type, status: ConditionStatus) -> Info {
    Info { type_, status, reason: "Because".to_owned(), message: "of it".to_owned() }
}

fn ours() -> Ours {
    Ours {
        annotations: [("trustwright.dev/fingerprint".to_owned(), "ab".to_owned())].into(),
        conditions: vec![
            info(Type::SignatureChecksReady, ConditionStatus::True),
            info(Type::Refreshed, ConditionStatus::False),
        ],
    }
}

fn at(theirs: &Value, ours: &Ours, now: &str) -> Value {
    overlay(theirs, ours, now.parse().unwrap())
}

fn ours_at(type_: &str, status: &str, since: &str) -> Value {
    json!({
        "type": type_, "status": status, "severity": "Info", "reason": "Because", "message": "of it",
        "lastTransitionTime": since,
    })
}

#[test]
fn nothing_of_theirs_is_lost_and_nothing_else_is_added() {
    let both = at(&theirs(), &ours(), NOW);
    let mut expected = theirs();
    expected["annotations"]["trustwright.dev/fingerprint"] = json!("ab");
    let conditions = expected["conditions"].as_array_mut().unwrap();
    conditions.push(ours_at("Refreshed", "False", NOW));
    conditions.push(ours_at("SignatureChecksReady", "True", NOW));
    assert_eq!(both, expected);
}

#[test]
fn taking_all_of_ours_away_leaves_theirs() {
    for theirs in [theirs(), json!({}), json!({"observedGeneration": 1})] {
        let both = at(&theirs, &ours(), NOW);
        assert_ne!(both, theirs);
        assert_eq!(at(&both, &Ours::default(), NOW), theirs);
    }
}

#[test]
fn what_stands_there_already_is_not_changed_by_time() {
    let both = at(&theirs(), &ours(), EARLIER);
    assert_eq!(at(&both, &ours(), NOW), both);
}

#[test]
fn a_condition_is_as_old_as_its_status() {
    let both = at(&theirs(), &ours(), EARLIER);
    let mut changed = ours();
    changed.conditions[0].status = ConditionStatus::False;
    changed.conditions[1].reason = "Another".to_owned();
    let changed = at(&both, &changed, NOW);
    let since = |type_: &str| {
        let all = changed["conditions"].as_array().unwrap();
        all.iter().find(|one| one["type"] == type_).unwrap()["lastTransitionTime"].clone()
    };
    assert_eq!(since("SignatureChecksReady"), NOW);
    assert_eq!(since("Refreshed"), EARLIER);
}

#[test]
fn what_we_said_before_and_do_not_say_now_goes() {
    let mut before = ours();
    before.annotations.insert("trustwright.dev/repository".to_owned(), "H4sI".to_owned());
    before.conditions.push(info(Type::Expired, ConditionStatus::True));
    let both = at(&theirs(), &before, EARLIER);
    assert_eq!(both["conditions"].as_array().unwrap().len(), 6);
    assert_eq!(at(&both, &ours(), EARLIER), at(&theirs(), &ours(), EARLIER));
}

#[test]
fn a_status_that_is_none_becomes_one() {
    for theirs in [Value::Null, json!("text"), json!([])] {
        let both = at(&theirs, &ours(), NOW);
        assert_eq!(both["annotations"], json!({"trustwright.dev/fingerprint": "ab"}));
        assert_eq!(both["conditions"].as_array().unwrap().len(), 2);
        assert_eq!(both.as_object().unwrap().len(), 2);
    }
}

#[test]
fn their_ready_is_no_type_of_ours() {
    assert!(
        Type::ALL.iter().all(|type_| !["Ready", "KeysInlined", "ConfigMapUpdated"].contains(&type_.as_str()))
    );
    let severities = at(&theirs(), &ours(), NOW);
    for one in severities["conditions"].as_array().unwrap() {
        let is_ours = Type::ALL.iter().any(|type_| one["type"] == type_.as_str());
        assert_eq!(one.get("severity").is_some(), is_ours, "{one}");
        assert!(one.get("observedGeneration").is_none(), "{one}");
    }
}
