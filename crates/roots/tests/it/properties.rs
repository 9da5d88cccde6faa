//! What holds whatever is written.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use trustwright_roots::{Artifact, FloorEntry, Root, read};
use trustwright_testkit::tuf_repository::Repository;

use crate::support::{BEFORE, anchor, at};

/// Any JSON, in which the names and values of specs are not rare.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "",
        "e30=",
        "https://m",
        "10s",
        "-1h",
        "9999999h",
        "Keep",
        "Reject",
        "{}",
        "a/../b",
        "\u{0}",
        "é",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "remote",
        "repository",
        "sigstoreKeys",
        "trustedRoot",
        "onExpiry",
        "maxStaleness",
        "root",
        "mirror",
        "targets",
        "mirrorFS",
        "trustedRootTarget",
        "refreshInterval",
        "caBundle",
        "credentials",
        "secretRef",
        "configMapRef",
        "name",
        "key",
        "data",
        "tLogs",
        "ctLogs",
        "certificateAuthorities",
        "publicKey",
        "certChain",
        "subject",
        "baseURL",
        "hashAlgorithm",
        "other",
    ]);
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|fields| {
                let fields: Map<String, Value> =
                    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                Value::from(fields)
            }),
        ]
    })
}

/// A good spec with one of its values replaced.
fn nearly_good() -> impl Strategy<Value = Value> {
    let good = prop::sample::select(vec![
        json!({"remote": {
            "mirror": "https://m", "root": "e30=", "refreshInterval": "10m", "trustedRootTarget": "t",
            "caBundle": {"configMapRef": {"name": "n", "key": "k"}}, "credentials": {"secretRef": {"name": "s"}},
        }, "onExpiry": "Keep", "maxStaleness": "1h"}),
        json!({"repository": {"root": "e30=", "mirrorFS": "e30=", "targets": "t"}}),
        json!({"trustedRoot": {"data": "{}", "secretRef": null}}),
        json!({"sigstoreKeys": {"tLogs": [{"baseURL": "https://l", "hashAlgorithm": "sha-256", "publicKey": "e30="}]}}),
    ]);
    (good, any::<prop::sample::Index>(), any_json()).prop_map(|(mut spec, at, value)| {
        let mut pointers: Vec<String> = Vec::new();
        pointers_of(&spec, String::new(), &mut pointers);
        *spec.pointer_mut(at.get(&pointers).as_str()).unwrap() = value;
        spec
    })
}

fn pointers_of(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| pointers_of(value, format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| pointers_of(item, format!("{at}/{index}"), found));
        }
        _ => {}
    }
    found.push(at);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_a_spec_never_panics_and_says_why_it_fails(spec in prop_oneof![any_json(), nearly_good()]) {
        match read(Some(&spec)) {
            Ok(read) => {
                read.references();
                if let Some(root) = Root::of_spec(&read, at(BEFORE)) {
                    prop_assert_eq!(root.source, read.kind());
                }
            }
            Err(refusal) => prop_assert!(refusal.message.starts_with("spec") || refusal.message.contains("spec."), "{}", refusal),
        }
    }

    #[test]
    fn restoring_any_text_never_panics_and_never_succeeds(text in prop_oneof![".{0,64}", "[A-Za-z0-9+/]{0,64}={0,2}", "H4sI[A-Za-z0-9+/]{0,64}"]) {
        let repository = Repository::new();
        prop_assert!(Artifact::restore(&text, &anchor(&repository), None, at(BEFORE)).is_err());
    }

    #[test]
    fn reading_a_floor_never_panics(bytes in prop_oneof![any::<Vec<u8>>(), any_json().prop_map(|json| json.to_string().into_bytes())]) {
        if let Ok(entry) = FloorEntry::decode(&bytes) {
            prop_assert_eq!(FloorEntry::decode(&entry.encode()).unwrap(), entry);
        }
    }

    #[test]
    fn any_text_is_a_trusted_root_or_says_why_not(text in prop_oneof![".{0,64}".boxed(), any_json().prop_map(|json| json.to_string()).boxed()]) {
        let root = Root::of_text(&text, at(BEFORE));
        prop_assert!(root.trusted.is_err_and(|refusal| refusal.message.starts_with("spec.trustedRoot: ")));
    }
}
