use serde_json::{from_value, json};

use super::*;

fn policy(spec: serde_json::Value) -> ClusterImagePolicySpec {
    from_value(spec).unwrap()
}

fn defaulted(spec: serde_json::Value) -> serde_json::Value {
    let mut spec = policy(spec);
    default_cluster_image_policy(&mut spec);
    let once = spec.clone();
    default_cluster_image_policy(&mut spec);
    assert_eq!(spec, once, "defaulting twice is defaulting once");
    serde_json::to_value(spec).unwrap()
}

#[test]
fn mode_and_names_are_filled_in_where_empty() {
    let spec = defaulted(json!({ "authorities": [{ "name": "" }, { "name": "b" }, {}] }));
    assert_eq!(
        spec,
        json!({ "mode": "enforce", "authorities": [{ "name": "authority-0" }, { "name": "b" }, { "name": "authority-2" }] })
    );
    assert_eq!(defaulted(json!({ "mode": "warn" })), json!({ "mode": "warn" }));
}

#[test]
fn only_a_keyless_authority_without_url_and_key_gets_fulcio() {
    let url = |authority: serde_json::Value| {
        defaulted(json!({ "authorities": [authority] }))["authorities"][0]["keyless"]["url"].clone()
    };
    assert_eq!(url(json!({ "keyless": {} })), "https://fulcio.sigstore.dev");
    assert_eq!(url(json!({ "keyless": { "url": "https://a" } })), "https://a");
    for untouched in [
        json!({ "keyless": { "ca-cert": {} } }),
        json!({ "keyless": {}, "key": {} }),
        json!({ "keyless": {}, "static": {} }),
    ] {
        assert!(url(untouched.clone()).is_null(), "{untouched}");
    }
}

#[test]
fn targets_of_both_kinds_of_repository_are_filled_in() {
    for kind in ["remote", "repository"] {
        let mut spec: TrustRootSpec = from_value(json!({ kind: { "targets": "" } })).unwrap();
        default_trust_root(&mut spec);
        assert_eq!(serde_json::to_value(&spec).unwrap(), json!({ kind: { "targets": "targets" } }));
        let mut spec: TrustRootSpec = from_value(json!({ kind: { "targets": "t" } })).unwrap();
        default_trust_root(&mut spec);
        assert_eq!(serde_json::to_value(&spec).unwrap(), json!({ kind: { "targets": "t" } }));
    }
}
