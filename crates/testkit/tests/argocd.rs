//! Argo CD's health of the states of an object with conditions.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};
use trustwright_testkit::argocd::{
    HealthStatus::{self, Degraded, Healthy, Progressing, Suspended},
    health, health_by,
};

const KINDS: [&str; 2] = ["ClusterImagePolicy", "TrustRoot"];

/// Returns an object of generation 2 with `status`.
fn object(kind: &str, status: &Value) -> Value {
    json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": "one", "generation": 2 },
        "status": status,
    })
}

/// Returns a status of this generation with these conditions.
fn observed(generation: i64, conditions: &[(&str, &str)]) -> Value {
    let condition = |(kind, status): &(&str, &str)| json!({ "type": kind, "status": status, "message": format!("{kind} is {status}") });
    let conditions: Vec<_> = conditions.iter().map(condition).collect();
    json!({ "observedGeneration": generation, "conditions": conditions })
}

#[test]
fn each_state_has_its_health_by_the_scripts_that_are_shipped() -> Result<()> {
    let unseen = "Trustwright has not looked at it yet";
    let cases: [(Value, HealthStatus, &str); 11] = [
        (json!(null), Progressing, unseen),
        (json!({}), Progressing, unseen),
        (json!({"observedGeneration": -1}), Progressing, unseen),
        (observed(1, &[("Ready", "True")]), Progressing, unseen),
        (observed(2, &[("Ready", "True")]), Healthy, "Ready is True"),
        (observed(2, &[("Ready", "Unknown")]), Progressing, "Ready is Unknown"),
        (observed(2, &[("Ready", "False"), ("Reconciling", "True")]), Progressing, "Ready is False"),
        (observed(2, &[("Ready", "True"), ("Reconciling", "True")]), Progressing, "Ready is True"),
        (observed(2, &[("Ready", "False"), ("Stalled", "True")]), Degraded, "Ready is False"),
        (observed(2, &[("Ready", "True"), ("Stalled", "False")]), Healthy, "Ready is True"),
        // A condition of our own does not count.
        (observed(2, &[("Ready", "True"), ("Refreshed", "False")]), Healthy, "Ready is True"),
    ];
    for kind in KINDS {
        let objects: Vec<_> = cases.iter().map(|(status, ..)| object(kind, status)).collect();
        for ((status, expected, message), found) in cases.iter().zip(health(&objects)?) {
            assert_eq!((found.status, found.message.as_str()), (*expected, *message), "{kind} {status}");
        }
    }
    Ok(())
}

#[test]
fn another_script_says_something_else_and_a_bad_one_fails() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let by = |script: &str| {
        let file = folder.path().join("config-map.yaml");
        let key = "resource.customizations.health.policy.sigstore.dev_TrustRoot";
        fs::write(&file, json!({"data": {key: script}}).to_string())?;
        health_by(&file, &[object("TrustRoot", &json!({"count": 2}))])
    };
    let said = by("return {status = 'Suspended', message = 'at ' .. obj.status.count}")?;
    assert_eq!((said[0].status, said[0].message.as_str()), (Suspended, "at 2"));
    for (script, part) in [
        ("return {status = 'Fine'}", "\"Fine\" is no health"),
        ("return {}", "\"\" is no health"),
        ("return 3", "returns a number"),
        ("return obj.missing.field", "attempt to index"),
        ("return os.exit(1)", "attempt to index"),
        ("while true do end", "deadline exceeded"),
        ("if", "syntax error"),
    ] {
        let error = format!("{:#}", by(script).unwrap_err());
        assert!(error.contains(part), "{script}: {error}");
    }
    let other = object("Deployment", &json!({}));
    let error = format!("{:#}", health(&[other]).unwrap_err());
    assert!(error.contains("there is no resource.customizations.health."), "{error}");
    Ok(())
}
