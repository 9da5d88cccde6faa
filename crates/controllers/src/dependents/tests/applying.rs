//! What is written.

use super::*;
use crate::dependents::apply::{Manner, body};
use crate::dependents::names::{KNOWN, MATERIAL, RESTARTED_AT, SINCE};

const HOUR_AGO: i64 = -3_600;

fn restarted_before() -> Workload {
    Workload {
        restarted_at: Some(at(HOUR_AGO)),
        since: Some(at(HOUR_AGO)),
        template_material: Some(known(&[("a", 1)]).combined()),
        ..workload("a", OnChange::Restart, Some(known(&[("a", 1)])))
    }
}

#[test]
fn a_restart_is_one_write_of_all_that_has_to_be_remembered() {
    let next = known(&[("a", 2)]);
    let written = body(&web(), &restarted_before(), &next, Manner::Restart, at(0));
    let now = at(0).to_string();
    assert_eq!(
        written,
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "apps", "uid": "u", "resourceVersion": "7",
                "annotations": {MATERIAL: next.combined(), KNOWN: next.text(), SINCE: now, RESTARTED_AT: now},
            },
            "spec": {"template": {"metadata": {"annotations": {MATERIAL: next.combined()}}}},
        })
    );
}

#[test]
fn a_write_that_is_no_restart_leaves_the_pod_template_as_it_is() {
    let next = known(&[("a", 2)]);
    for manner in [Manner::Annotate, Manner::Record] {
        let new = workload("a", OnChange::Annotate, None);
        let written = body(&web(), &new, &next, manner, at(0));
        assert_eq!(written.get("spec"), None);
        assert_eq!(written["metadata"]["annotations"].get(RESTARTED_AT), None);
        // Left out, it would be taken away from the template, and that is a restart.
        let written = body(&web(), &restarted_before(), &next, manner, at(0));
        let of_template = &written["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(*of_template, json!({MATERIAL: known(&[("a", 1)]).combined()}));
        assert_eq!(written["metadata"]["annotations"][RESTARTED_AT], at(HOUR_AGO).to_string());
        assert_eq!(written["metadata"]["annotations"][MATERIAL], next.combined());
    }
}

#[test]
fn what_was_written_is_what_is_read_back() {
    let next = known(&[("a", 2)]);
    let written = body(&web(), &restarted_before(), &next, Manner::Restart, at(0));
    let mut annotations = written["metadata"]["annotations"].clone();
    annotations[names::TRUST_ROOTS] = json!("a");
    annotations[names::ON_CHANGE] = json!("restart");
    let mut object = deployment(&annotations);
    object.data["spec"] = written["spec"].clone();
    let read = Workload::read(Kind::Deployment, &object, None).unwrap();
    assert_eq!(read.known, Some(next.clone()));
    assert_eq!((read.since, read.restarted_at), (Some(at(0)), Some(at(0))));
    assert_eq!(read.template_material, Some(next.combined()));
    assert_eq!(decide(&read, &ready(&[("a", 2)]), at(1), INTERVAL), Action::None);
}
