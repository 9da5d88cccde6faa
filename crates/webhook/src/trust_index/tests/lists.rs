//! Lists, changes, and work that is no longer wanted.

use super::*;

fn dynamic(object: &Value) -> DynamicObject {
    serde_json::from_value(object.clone()).unwrap()
}

#[test]
fn a_new_list_replaces_the_old_one_when_it_is_whole_and_the_memory_stays() {
    let old = Repository::new();
    let new = next(&old);
    let other = with(shown(&old), "/metadata/name", json!("other"));
    let mut replica = Replica::new();
    replica.index.begin_list();
    replica.index.apply(&dynamic(&shown(&new)));
    replica.index.apply(&dynamic(&other));
    assert_eq!(replica.settle(), 0);
    assert!(replica.index.roots().is_empty());
    replica.index.end_list();
    assert!(!replica.index.is_settled());
    assert_eq!(replica.settle(), 2);
    assert!(replica.index.is_settled());
    let before = replica.trusts("r");

    // While nobody watched, one was removed, and the status of the other put back.
    replica.index.begin_list();
    replica.index.apply(&dynamic(&shown(&old)));
    assert_eq!(replica.index.roots().len(), 2);
    replica.index.end_list();
    assert_eq!(replica.settle(), 1);
    assert_eq!(replica.index.roots().len(), 1);
    assert_eq!((replica.trusts("r"), replica.index.kept()), (before, 1));

    replica.delete(&shown(&old));
    assert!(replica.index.roots().is_empty());
}

#[test]
fn nothing_is_done_again_that_rests_on_the_same() {
    let repository = Repository::new();
    let mut replica = Replica::new();
    assert_eq!(replica.apply(&shown(&repository)), 1);
    let root = replica.index.roots()["r"].clone();
    let touched = with(shown(&repository), "/metadata/labels", json!({"a": "b"}));
    let touched = with(touched, "/status/conditions", json!([]));
    assert_eq!(replica.apply(&touched), 0);
    replica.index.begin_list();
    replica.index.apply(&dynamic(&touched));
    replica.index.end_list();
    assert_eq!(replica.settle(), 0);
    assert!(Arc::ptr_eq(&root, &replica.index.roots()["r"]));
    // A floor below what is in force, which the leader writes after the status.
    replica.namespace.put_floor("uid-1", repository.first_root(), &floor(&repository));
    assert_eq!(replica.settle(), 1);
    assert_eq!(*replica.index.roots()["r"], *root);
}

#[test]
fn work_for_an_object_that_is_another_by_now_is_thrown_away() {
    let (old, other) = (Repository::new(), Repository::new());
    let other_root = remote(&other)["remote"]["root"].clone();
    for (what, then) in [
        ("another UID", anew(object(&remote(&old)))),
        ("another root", changed(object(&remote(&old)), "/spec/remote/root", other_root)),
    ] {
        let mut replica = Replica::new();
        replica.index.apply(&dynamic(&shown(&old)));
        let mut due = replica.index.due(&replica.namespace, replica.now);
        let task = due.pop().unwrap();
        replica.index.apply(&dynamic(&then));
        replica.index.accept(task.run(replica.now));
        assert!(replica.index.roots().is_empty(), "{what}");
        assert_eq!(replica.settle(), 1, "{what}");
        assert_eq!(replica.refuses("r").0, TrustRootReason::Refreshing, "{what}");
    }
    let mut replica = Replica::new();
    replica.index.apply(&dynamic(&shown(&old)));
    let task = replica.index.due(&replica.namespace, replica.now).pop().unwrap();
    // Removed and made again in the meantime, with a status that nobody has verified yet.
    replica.index.delete(&dynamic(&shown(&old)));
    replica.index.apply(&dynamic(&shown(&old)));
    replica.index.accept(task.run(replica.now));
    assert!(replica.index.roots().is_empty());
    assert_eq!(replica.settle(), 1);
    replica.trusts("r");
}

#[test]
fn what_changes_during_work_is_looked_at_after_it() {
    let old = Repository::new();
    let new = next(&old);
    let mut replica = Replica::new();
    replica.index.apply(&dynamic(&shown(&old)));
    let task = replica.index.due(&replica.namespace, replica.now).pop().unwrap();
    replica.index.apply(&dynamic(&shown(&new)));
    assert_eq!(replica.index.due(&replica.namespace, replica.now).len(), 0, "one task for each at a time");
    replica.index.accept(task.run(replica.now));
    let first = replica.trusts("r");
    assert_eq!(replica.settle(), 1);
    assert_ne!(replica.trusts("r"), first);
}

#[test]
fn work_that_ends_while_a_list_is_read_is_not_lost() {
    let repository = Repository::new();
    let mut replica = Replica::new();
    replica.index.apply(&dynamic(&shown(&repository)));
    let task = replica.index.due(&replica.namespace, replica.now).pop().unwrap();
    replica.index.begin_list();
    replica.index.apply(&dynamic(&shown(&repository)));
    replica.index.accept(task.run(replica.now));
    replica.trusts("r");
    replica.index.end_list();
    assert_eq!(replica.settle(), 0);
    replica.trusts("r");
}
