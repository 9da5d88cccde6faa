//! What kstatus makes of the states of an object with conditions.

use anyhow::Result;
use serde_json::{Value, json};
use trustwright_testkit::kstatus::{Status, compute};

/// Returns an object of generation 2 with `status`.
fn object(status: &Value) -> Value {
    json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1",
        "kind": "TrustRoot",
        "metadata": { "name": "root", "generation": 2 },
        "status": status,
    })
}

/// Returns an object whose generation 2 was observed, with these conditions.
fn observed(conditions: &[(&str, &str)]) -> Value {
    let condition = |(kind, status): &(&str, &str)| json!({ "type": kind, "status": status, "reason": "Reason", "message": format!("{kind} is {status}") });
    let conditions: Vec<_> = conditions.iter().map(condition).collect();
    object(&json!({ "observedGeneration": 2, "conditions": conditions }))
}

#[test]
fn each_state_is_read_as_the_library_reads_it() -> Result<()> {
    let mut deleted = observed(&[("Ready", "True")]);
    deleted["metadata"]["deletionTimestamp"] = json!("2026-08-22T12:00:00Z");
    let mut behind = observed(&[("Ready", "True")]);
    behind["status"]["observedGeneration"] = json!(1);
    let cases = [
        // Nobody has said anything: to kstatus, nothing is left to do.
        (object(&json!({})), Status::Current, "Resource is current"),
        (observed(&[("Ready", "True")]), Status::Current, "Resource is Ready"),
        (behind, Status::InProgress, "TrustRoot generation is 2, but latest observed generation is 1"),
        (observed(&[("Ready", "False")]), Status::InProgress, "Ready is False"),
        (observed(&[("Ready", "Unknown")]), Status::InProgress, "Ready is Unknown"),
        (observed(&[("Ready", "False"), ("Stalled", "True")]), Status::Failed, "Stalled is True"),
        (observed(&[("Ready", "False"), ("Stalled", "False")]), Status::InProgress, "Ready is False"),
        (observed(&[("Ready", "True"), ("Reconciling", "True")]), Status::InProgress, "Reconciling is True"),
        (observed(&[("Ready", "True"), ("Reconciling", "False")]), Status::Current, "Resource is Ready"),
        // A condition of our own does not count.
        (observed(&[("Ready", "True"), ("Expired", "True")]), Status::Current, "Resource is Ready"),
        (deleted, Status::Terminating, "Resource scheduled for deletion"),
    ];
    let objects: Vec<_> = cases.iter().map(|(object, ..)| object.clone()).collect();
    let answers = compute(&objects)?;
    assert_eq!(answers.len(), cases.len());
    for ((object, status, message), answer) in cases.iter().zip(answers) {
        assert_eq!((answer.status, answer.message.as_str()), (*status, *message), "{object}");
    }
    Ok(())
}

#[test]
fn of_nothing_there_is_nothing_to_say() -> Result<()> {
    assert_eq!(compute(&[])?, []);
    Ok(())
}

#[test]
fn more_than_a_pipe_holds_is_answered_in_order() -> Result<()> {
    let long = "x".repeat(2000);
    let objects: Vec<_> = (0..200)
        .map(|number| {
            let mut object = observed(&[("Ready", "False")]);
            object["status"]["conditions"][0]["message"] = json!(format!("{number} {long}"));
            object
        })
        .collect();
    for (number, answer) in compute(&objects)?.iter().enumerate() {
        assert_eq!(answer.message, format!("{number} {long}"));
    }
    Ok(())
}

#[test]
fn what_is_no_object_is_refused() -> Result<()> {
    let mut nameless = object(&json!({}));
    compute(std::slice::from_ref(&nameless))?;
    nameless["kind"].take();
    let error = compute(&[nameless]).unwrap_err().to_string();
    assert!(error.contains("'Kind' is missing"), "{error}");
    Ok(())
}
