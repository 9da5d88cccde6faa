//! What time alone does.

use super::*;

/// The end of every role of a fresh [`Repository`].
const END: &str = "2026-09-30T00:00:00Z";

#[test]
fn a_root_that_rejects_what_has_expired_ends_when_its_metadata_does() {
    let repository = Repository::new();
    for (rule, end) in [
        (json!({"onExpiry": "Reject"}), END),
        (json!({"onExpiry": "Keep", "maxStaleness": "24h"}), "2026-10-01T00:00:00Z"),
    ] {
        let mut object = shown(&repository);
        object["spec"].as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
        let mut replica = Replica::new();
        replica.apply(&object);
        assert_eq!(replica.index.until(), Some(at(end)));
        replica.now = at(end) - SignedDuration::from_secs(1);
        assert_eq!(replica.settle(), 0);
        let before = replica.trusts("r");
        replica.now = at(end);
        // Nobody waits for a time that has come, while its work is under way.
        let mut due = replica.index.due(&replica.namespace, replica.now);
        assert_eq!((due.len(), replica.index.until()), (1, None));
        replica.index.accept(due.pop().unwrap().run(replica.now));
        assert!([TrustRootReason::Expired, TrustRootReason::Stale].contains(&replica.refuses("r").0));
        assert_eq!((replica.index.until(), replica.settle()), (None, 0));
        // The clock was wrong.
        replica.now = today();
        assert_eq!(replica.settle(), 1);
        assert_eq!(replica.trusts("r"), before);
        // What was verified before it expired may come into force again by the spec.
        replica.now = at(end);
        replica.settle();
        replica.refuses("r");
        let kept = changed(shown(&repository), "/spec/onExpiry", json!("Keep"));
        replica.apply(&kept);
        assert_eq!(replica.trusts("r"), before);
    }
}

#[test]
fn a_root_that_keeps_what_has_expired_has_no_end() {
    let mut replica = Replica::new();
    replica.apply(&shown(&Repository::new()));
    assert_eq!(replica.index.until(), None);
    replica.now = at("2027-12-31T00:00:00Z");
    assert_eq!(replica.settle(), 0);
    replica.trusts("r");
}

#[test]
fn what_was_refused_by_a_clock_that_ran_ahead_is_looked_at_again() {
    let mut replica = Replica::new();
    replica.now = at(END);
    replica.apply(&shown(&Repository::new()));
    assert_eq!(replica.refuses("r").0, TrustRootReason::Expired);
    // Less than what is taken for a clock that is being kept in step.
    replica.now = at(END) - SignedDuration::from_secs(30);
    assert_eq!(replica.settle(), 0);
    replica.now = at(END) - SignedDuration::from_hours(1);
    assert_eq!(replica.settle(), 1);
    replica.trusts("r");
}
