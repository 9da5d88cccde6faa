//! Whatever is sent: no image that a policy refuses gets in, and nothing panics.

use std::sync::LazyLock;

use proptest::{prelude::*, sample::Index};

use super::*;

/// Names and values that mean something somewhere in a review.
const KEYS: [&str; 10] = [
    "subResource",
    "deletionTimestamp",
    "image",
    "Image",
    "containers",
    "replicas",
    "template",
    "spec",
    "labels",
    "",
];

fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(""),
        json!("x"),
        json!(0),
        json!(-1.5),
        json!(true),
        json!([]),
        json!({}),
        json!([null]),
        json!("UPDATE"),
        json!("DELETE"),
        json!("CONNECT"),
        json!("status"),
        json!("Deployment"),
        json!("apps"),
        json!("v2"),
        json!("2026-01-01T00:00:00Z"),
        json!(IMAGE),
        json!([{"image": IMAGE}]),
        json!({"spec": {"containers": [{"image": IMAGE}]}}),
    ]
}

#[derive(Debug, Clone)]
enum Change {
    Replace(Index, Index),
    Insert(Index, Index, Index),
    Remove(Index),
    Move(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        3 => (index(), index()).prop_map(|(at, value)| Change::Replace(at, value)),
        1 => (index(), index(), index()).prop_map(|(at, key, value)| Change::Insert(at, key, value)),
        1 => index().prop_map(Change::Remove),
        1 => (index(), index()).prop_map(|(at, key)| Change::Move(at, key)),
    ]
}

/// Every pointer below `value`.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                pointers(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                pointers(value, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn apply(review: &mut Value, change: &Change) {
    let mut places = Vec::new();
    pointers(review, "", &mut places);
    match change {
        Change::Replace(at, value) => {
            if let Some(found) = review.pointer_mut(at.get::<String>(&places)) {
                *found = value.get(&values()).clone();
            }
        }
        Change::Insert(at, key, value) => {
            if let Some(Value::Object(map)) = review.pointer_mut(at.get::<String>(&places)) {
                map.insert((*key.get(&KEYS)).to_owned(), value.get(&values()).clone());
            }
        }
        Change::Remove(at) | Change::Move(at, _) => {
            let Some((parent, key)) = at.get::<String>(&places).rsplit_once('/') else { return };
            let Some(Value::Object(map)) = review.pointer_mut(parent) else { return };
            if let (Some(value), Change::Move(_, name)) = (map.remove(key), change) {
                map.insert((*name.get(&KEYS)).to_owned(), value);
            }
        }
    }
}

/// The requests that need no verdict, said once more and differently.
fn runs_no_new_image(review: &Value) -> bool {
    let request = &review["request"];
    let on_its_way_out =
        !request.pointer("/object/metadata/deletionTimestamp").unwrap_or(&Value::Null).is_null();
    match request["operation"].as_str() {
        Some("DELETE" | "CONNECT") => true,
        Some("UPDATE") => on_its_way_out || request["subResource"] == "status",
        _ => false,
    }
}

/// One for all cases; static policies need nothing that belongs to a runtime.
static SERVER: LazyLock<Server> =
    LazyLock::new(|| Server::new([("deny", fail("enforce")), ("pass", pass())]));

/// Posts to `/validations` and says whether the answer admits.
fn admitted(body: Vec<u8>) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (status, text) = SERVER.post("/validations", body).await;
        assert!(matches!(status, 200 | 400), "{status} {text}");
        assert_eq!(SERVER.metric("trustwright_admission_panics_total"), Some(0), "{text}");
        let answer: Option<Value> = serde_json::from_str(&text).ok();
        status == 200 && answer.unwrap()["response"]["allowed"] == true
    })
}

fn full_pod() -> Value {
    pod_with(&json!({
        "initContainers": [{"image": IMAGE}], "containers": [{"image": IMAGE}, {"image": IMAGE}],
        "volumes": [{"image": {"reference": IMAGE}}],
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_change_of_a_review_admits_an_image_that_a_policy_refuses(
        changes in prop::collection::vec(change(), 0..5), update in any::<bool>(), small in any::<bool>(),
    ) {
        let mut review = if small { pod(IMAGE) } else { full_pod() };
        if update {
            review["request"]["operation"] = json!("UPDATE");
            review["request"]["oldObject"] = review["request"]["object"].clone();
        }
        for change in &changes {
            apply(&mut review, change);
        }
        let allowed = admitted(review.to_string().into_bytes());
        prop_assert!(!allowed || runs_no_new_image(&review), "{}", review);
    }

    #[test]
    fn no_damage_to_a_review_admits_an_image_that_a_policy_refuses(
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 0..8), end in any::<Index>(), cut in any::<bool>(),
    ) {
        let mut body = full_pod().to_string().into_bytes();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if cut {
            body.truncate(end.index(body.len()));
        }
        prop_assert!(!admitted(body));
    }

    #[test]
    fn no_bytes_admit_anything(body in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(!admitted(body));
    }
}
