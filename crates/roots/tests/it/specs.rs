//! Specs as they are stored, which nobody may have checked.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use trustwright_api::v1alpha1::TrustRootReason;
use trustwright_roots::{EntryKind, OnExpiry, Source, SourceKind, Spec, Text, read};

/// A remote source with one field set.
fn remote(field: &str, value: &Value) -> Value {
    let mut spec = json!({"remote": {"mirror": "https://tuf.example", "root": "e30="}});
    spec["remote"][field] = value.clone();
    spec
}

fn reference(name: &str, key: &str) -> Value {
    json!({"configMapRef": {"name": name, "key": key}})
}

#[test]
fn every_bad_spec_names_its_field_and_its_cause_and_has_a_good_neighbour() {
    let repository = |root: &str, files: &str| json!({"repository": {"root": root, "mirrorFS": files}});
    let with = |field: &str, value: &str| {
        let mut spec = repository("e30=", "e30=");
        spec[field] = json!(value);
        spec
    };
    let keys = json!({"sigstoreKeys": {}});
    let text = json!({"trustedRoot": {"data": "{}"}});
    let (of_remote, of_repository, of_text) =
        (Some(SourceKind::Remote), Some(SourceKind::Repository), Some(SourceKind::TrustedRoot));
    let fields = "spec.remote, spec.repository, spec.sigstoreKeys, spec.trustedRoot";
    let (neither, both) = (
        format!("expected exactly one, got neither: {fields}"),
        format!("expected exactly one, got both: {fields}"),
    );
    let texts = "spec.trustedRoot.configMapRef, spec.trustedRoot.data, spec.trustedRoot.secretRef";
    let bundles =
        "spec.remote.caBundle.configMapRef, spec.remote.caBundle.data, spec.remote.caBundle.secretRef";
    let cases: Vec<(Value, Option<SourceKind>, String, Value)> = vec![
        (json!(null), None, neither.clone(), keys.clone()),
        (json!([]), None, "spec cannot be decoded: ".to_owned(), keys.clone()),
        (json!({"sigstoreKeys": 3}), None, "spec cannot be decoded: ".to_owned(), keys.clone()),
        (json!({}), None, neither, keys.clone()),
        (json!({"sigstoreKeys": {}, "trustedRoot": {"data": "{}"}}), None, both, text.clone()),
        (
            with("onExpiry", "Never"),
            None,
            "spec.onExpiry: unsupported value \"Never\", expected Keep or Reject".to_owned(),
            with("onExpiry", "Reject"),
        ),
        (with("onExpiry", "keep"), None, "spec.onExpiry: ".to_owned(), with("onExpiry", "Keep")),
        (
            with("maxStaleness", "long"),
            None,
            "spec.maxStaleness: \"long\": expected a duration such as 90s, 10m or 1h30m".to_owned(),
            with("maxStaleness", "720h"),
        ),
        (
            with("maxStaleness", "-1h"),
            None,
            "spec.maxStaleness: \"-1h\": expected a duration that is not negative".to_owned(),
            with("maxStaleness", "0s"),
        ),
        (
            remote("root", &json!("")),
            of_remote,
            "missing field(s): spec.remote.root".to_owned(),
            remote("root", &json!("e30=")),
        ),
        (
            remote("root", &json!("?")),
            of_remote,
            "spec.remote.root".to_owned(),
            remote("root", &json!("e30=")),
        ),
        (
            remote("mirror", &json!("tuf.example")),
            of_remote,
            "spec.remote.mirror: not a URL: ".to_owned(),
            remote("mirror", &json!("http://tuf.example")),
        ),
        (
            remote("mirror", &json!("")),
            of_remote,
            "missing field(s): spec.remote.mirror".to_owned(),
            remote("mirror", &json!("https://m")),
        ),
        (
            remote("refreshInterval", &json!("9s")),
            of_remote,
            "spec.remote.refreshInterval: expected at least 10s, got 9s".to_owned(),
            remote("refreshInterval", &json!("10s")),
        ),
        (
            remote("refreshInterval", &json!("often")),
            of_remote,
            "spec.remote.refreshInterval: \"often\": expected a duration such as 90s, 10m or 1h30m"
                .to_owned(),
            remote("refreshInterval", &json!("1h")),
        ),
        (
            remote("caBundle", &json!({})),
            of_remote,
            format!("expected exactly one, got neither: {bundles}"),
            remote("caBundle", &json!({"data": "x"})),
        ),
        (
            remote("caBundle", &reference("", "k")),
            of_remote,
            "missing field(s): spec.remote.caBundle.configMapRef.name".to_owned(),
            remote("caBundle", &reference("n", "k")),
        ),
        (
            remote("credentials", &json!({})),
            of_remote,
            "missing field(s): spec.remote.credentials.secretRef.name".to_owned(),
            remote("credentials", &json!({"secretRef": {"name": "s"}})),
        ),
        (
            remote("credentials", &json!({"secretRef": {"name": ""}})),
            of_remote,
            "missing field(s): spec.remote.credentials.secretRef.name".to_owned(),
            remote("credentials", &json!({"secretRef": {"name": "s"}})),
        ),
        (
            json!({"repository": {"mirrorFS": "e30="}}),
            of_repository,
            "missing field(s): spec.repository.root".to_owned(),
            repository("e30=", "e30="),
        ),
        (
            json!({"repository": {"root": "e30="}}),
            of_repository,
            "missing field(s): spec.repository.mirrorFS".to_owned(),
            repository("e30=", "e30="),
        ),
        (
            repository("e30=", "?"),
            of_repository,
            "spec.repository.mirrorFS".to_owned(),
            repository("e30=", "e30="),
        ),
        (
            json!({"trustedRoot": {}}),
            of_text,
            format!("expected exactly one, got neither: {texts}"),
            text.clone(),
        ),
        (
            json!({"trustedRoot": {"data": "{}", "secretRef": {"name": "s"}}}),
            of_text,
            format!("expected exactly one, got both: {texts}"),
            json!({"trustedRoot": {"secretRef": {"name": "s"}}}),
        ),
        (
            json!({"trustedRoot": {"secretRef": {}}}),
            of_text,
            "missing field(s): spec.trustedRoot.secretRef.name".to_owned(),
            json!({"trustedRoot": {"secretRef": {"name": "s"}}}),
        ),
    ];
    for (bad, kind, message, good) in cases {
        let refusal = read(Some(&bad)).expect_err(&bad.to_string());
        assert_eq!(refusal.reason, TrustRootReason::InvalidSpec, "{bad}");
        assert_eq!(refusal.source_kind, kind, "{bad}: {refusal}");
        assert!(refusal.message.contains(&message), "{bad}: {refusal}");
        assert!(read(Some(&good)).is_ok(), "{good}: {:?}", read(Some(&good)));
    }
    assert!(read(None).unwrap_err().message.starts_with("expected exactly one, got neither: "));
}

fn good(spec: &Value) -> Spec {
    read(Some(spec)).unwrap()
}

#[test]
fn what_is_left_unsaid_has_its_default() {
    let spec = good(&remote("targets", &json!("targets")));
    assert_eq!((spec.rule.on_expiry, spec.rule.max_staleness), (OnExpiry::Keep, None));
    let Source::Remote(remote) = spec.source else { panic!() };
    assert_eq!(remote.refresh_interval, Duration::from_mins(10));
    assert_eq!(remote.anchor.target, "trusted_root.json");
    assert_eq!((remote.ca_bundle, remote.credentials), (None, None));
    for (spec, key) in [
        (json!({"trustedRoot": {"configMapRef": {"name": "n"}}}), "trusted_root.json"),
        (json!({"trustedRoot": {"configMapRef": {"name": "n", "key": "k"}}}), "k"),
    ] {
        let Source::TrustedRoot(Text::Entry(entry)) = good(&spec).source else { panic!("{spec}") };
        assert_eq!((entry.name.as_str(), entry.key.as_str()), ("n", key));
    }
}

#[test]
fn what_is_said_is_taken() {
    let mut spec = remote("refreshInterval", &json!("1h30m"));
    spec["remote"]["trustedRootTarget"] = json!("other.json");
    spec["onExpiry"] = json!("Reject");
    spec["maxStaleness"] = json!("720h");
    let spec = good(&spec);
    assert_eq!(spec.rule.on_expiry, OnExpiry::Reject);
    assert_eq!(spec.rule.max_staleness, Some(SignedDuration::from_hours(720)));
    let Source::Remote(remote) = spec.source else { panic!() };
    assert_eq!(remote.refresh_interval, Duration::from_mins(90));
    assert_eq!(remote.anchor.target, "other.json");
    assert_eq!(remote.anchor.root, b"{}");
}

#[test]
fn the_objects_that_a_spec_names_are_known_from_it() {
    use EntryKind::{ConfigMap, Secret};
    let mut all = remote("caBundle", &reference("ca", ""));
    all["remote"]["credentials"] = json!({"secretRef": {"name": "login"}});
    for (spec, expected) in [
        (all, vec![(ConfigMap, "ca"), (Secret, "login")]),
        (remote("caBundle", &json!({"secretRef": {"name": "ca"}})), vec![(Secret, "ca")]),
        (remote("caBundle", &json!({"data": "PEM"})), vec![]),
        (json!({"trustedRoot": {"secretRef": {"name": "s", "key": "k"}}}), vec![(Secret, "s")]),
        (json!({"trustedRoot": {"configMapRef": {"name": "c"}}}), vec![(ConfigMap, "c")]),
        (json!({"trustedRoot": {"data": "{}"}}), vec![]),
        (json!({"sigstoreKeys": {}}), vec![]),
        (json!({"repository": {"root": "e30=", "mirrorFS": "e30="}}), vec![]),
    ] {
        assert_eq!(good(&spec).references(), expected, "{spec}");
    }
}
