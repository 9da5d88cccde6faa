use proptest::prelude::*;
use serde_json::json;

use super::*;

const ALPHA: &str = "policy.sigstore.dev/v1alpha1";
const BETA: &str = "policy.sigstore.dev/v1beta1";

fn policy(api_version: &str, spec: &Value) -> Value {
    json!({ "apiVersion": api_version, "kind": "ClusterImagePolicy", "metadata": { "name": "p" }, "spec": spec })
}

#[test]
fn only_the_api_version_changes() {
    let spec = json!({ "authorities": [{ "ctlog": { "trustRootRef": "x" } }, { "ctlog": {} }], "match": [], "new": 1 });
    assert_eq!(convert(policy(ALPHA, &spec), BETA), Ok(policy(BETA, &spec)));
    assert_eq!(convert(policy(BETA, &spec), ALPHA), Ok(policy(ALPHA, &spec)));
    assert_eq!(convert(policy(BETA, &spec), BETA), Ok(policy(BETA, &spec)));
}

#[test]
fn refusals_say_what_is_unknown() {
    let with = |key: &str, value: &str| {
        let mut object = policy(ALPHA, &json!({}));
        object[key] = json!(value);
        object
    };
    let table = [
        (json!([]), BETA, "unable to unmarshal input: expected a JSON object"),
        (json!({}), BETA, "invalid GroupVersionKind /, Kind="),
        (with("apiVersion", "v1"), BETA, "invalid GroupVersionKind /v1, Kind=ClusterImagePolicy"),
        (with("apiVersion", "a/b/c"), BETA, "invalid GroupVersionKind /, Kind=ClusterImagePolicy"),
        (
            with("kind", "TrustRoot"),
            BETA,
            "no conversion support for type [kind=TrustRoot group=policy.sigstore.dev]",
        ),
        (
            with("apiVersion", "a/v1alpha1"),
            BETA,
            "no conversion support for type [kind=ClusterImagePolicy group=a]",
        ),
        (
            with("apiVersion", "policy.sigstore.dev/v1"),
            BETA,
            "conversion not supported for type [kind=ClusterImagePolicy group=policy.sigstore.dev version=v1]",
        ),
        (
            policy(ALPHA, &json!({})),
            "policy.sigstore.dev/v2",
            "conversion not supported for type [kind=ClusterImagePolicy group=policy.sigstore.dev version=v2]",
        ),
        (policy(ALPHA, &json!({})), "v1beta1", r#"desired API version "v1beta1" is not valid"#),
        (policy(ALPHA, &json!({})), "a/b/c", r#"desired API version "a/b/c" is not valid"#),
        (policy(ALPHA, &json!({})), "", r#"desired API version "" is not valid"#),
    ];
    for (object, target, expected) in table {
        assert_eq!(convert(object, target).unwrap_err().to_string(), expected);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn there_and_back_is_the_identity(spec in any_json()) {
        let object = policy(ALPHA, &spec);
        let there = convert(object.clone(), BETA).unwrap();
        prop_assert_eq!(convert(there, ALPHA).unwrap(), object);
    }

    #[test]
    fn no_input_panics(object in any_json(), target in ".*") {
        let _ = convert(object, &target);
    }
}
