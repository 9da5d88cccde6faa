//! The trust root of policies that name none.

use super::*;

fn default_root(repository: &Repository) -> DefaultRoot {
    let mirror = "https://mirror.invalid".parse().unwrap();
    DefaultRoot { mirror, root: repository.first_root().to_vec(), embedded: false }
}

fn named_default(object: Value) -> Value {
    with(object, "/metadata/name", json!(DEFAULT_NAME))
}

#[test]
fn the_default_root_rests_on_our_root_whatever_its_object_says() {
    let (ours, theirs) = (Repository::new(), next(&Repository::new()));
    let keys = json!({"sigstoreKeys": {"certificateAuthorities": []}});
    let show = |spec: &Value, repository: &Repository| {
        with(named_default(object(spec)), "/status", json!({"repository": packed(repository)}))
    };
    let mut expected = Replica::new();
    expected.apply(&shown(&ours));
    for (what, spec) in
        [("theirs", remote(&theirs)), ("ours", remote(&ours)), ("keys", keys), ("nothing", Value::Null)]
    {
        let mut replica = Replica::with_default(Some(default_root(&ours)));
        replica.apply(&show(&spec, &theirs));
        assert_eq!(replica.refuses(DEFAULT_NAME).0, TrustRootReason::VerificationFailed, "{what}");
        replica.apply(&show(&spec, &ours));
        assert_eq!(replica.trusts(DEFAULT_NAME), expected.trusts("r"), "{what}");
    }
}

#[test]
fn the_default_root_outlives_its_object_and_its_floor_is_kept_under_its_name() {
    let old = Repository::new();
    let new = next(&old);
    let mut replica = Replica::with_default(Some(default_root(&old)));
    assert_eq!(replica.refuses(DEFAULT_NAME).0, TrustRootReason::Refreshing);
    replica.apply(&named_default(shown(&new)));
    let before = replica.trusts(DEFAULT_NAME);
    replica.delete(&named_default(shown(&new)));
    assert_eq!(replica.trusts(DEFAULT_NAME), before);
    replica.index.begin_list();
    replica.index.end_list();
    replica.settle();
    assert_eq!((replica.trusts(DEFAULT_NAME), replica.index.kept()), (before.clone(), 1));
    replica.apply(&named_default(anew(shown(&old))));
    assert_eq!((replica.trusts(DEFAULT_NAME), replica.index.kept()), (before, 1));

    let mut started = Replica::with_default(Some(default_root(&old)));
    started.namespace.put_floor(DEFAULT_NAME, old.first_root(), &floor(&new));
    started.apply(&named_default(shown(&old)));
    assert_eq!(started.refuses(DEFAULT_NAME).0, TrustRootReason::RolledBack);
}

#[test]
fn nobody_can_take_the_name_of_a_default_root_that_is_disabled() {
    let theirs = Repository::new();
    let mut replica = Replica::new();
    assert!(replica.index.roots().is_empty());
    replica.apply(&named_default(shown(&theirs)));
    assert_eq!(replica.refuses(DEFAULT_NAME).0, TrustRootReason::InvalidSpec);
    replica.apply(&shown(&theirs));
    replica.trusts("r");
}
