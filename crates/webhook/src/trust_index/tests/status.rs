//! What stands in a status, and what becomes of it.

use super::*;

/// What may be in the place of a repository in a status, each with the reason why it is not accepted.
fn attacks(good: &Repository) -> Vec<(&'static str, Value, TrustRootReason)> {
    let forged = packed(&next(&Repository::new()));
    let mut damaged = packed(&next(good));
    damaged.truncate(damaged.len() / 2);
    vec![
        ("of other keys", json!(forged), TrustRootReason::VerificationFailed),
        ("cut off", json!(damaged), TrustRootReason::VerificationFailed),
        ("no base64", json!("<html>"), TrustRootReason::VerificationFailed),
        ("no text", json!(3), TrustRootReason::VerificationFailed),
        ("empty", json!(""), TrustRootReason::Refreshing),
        ("null", Value::Null, TrustRootReason::Refreshing),
    ]
}

#[test]
fn a_status_counts_once_it_verifies_from_the_root_in_the_spec() {
    let good = Repository::new();
    for (what, repository, reason) in attacks(&good) {
        let mut replica = Replica::new();
        replica.apply(&with(shown(&good), "/status/repository", repository));
        let (actual, message) = replica.refuses("r");
        assert_eq!(actual, reason, "{what}: {message}");
        assert!(message.starts_with("status.repository: "), "{what}: {message}");
        assert_eq!(replica.index.kept(), 0, "{what}");
        replica.apply(&shown(&good));
        replica.trusts("r");
    }
}

#[test]
fn a_status_that_is_not_accepted_leaves_the_last_good_material_in_force() {
    let old = Repository::new();
    let good = next(&old);
    let mut attacks = attacks(&good);
    attacks.push(("rolled back", json!(packed(&old)), TrustRootReason::RolledBack));
    for (what, repository, reason) in attacks {
        let mut replica = Replica::new();
        replica.apply(&shown(&good));
        let before = replica.trusts("r");
        assert_eq!(replica.index.kept(), 0);
        assert_eq!(replica.apply(&with(shown(&good), "/status/repository", repository)), 1, "{what}");
        assert_eq!(replica.trusts("r"), before, "{what}");
        assert_eq!(replica.index.kept(), 1, "{what}");
        let settled = replica.index.objects["r"].settled.clone().unwrap();
        let problem = settled.problem.as_ref().unwrap();
        assert_eq!(problem.reason, reason, "{what}: {problem}");
        assert_eq!(settled.message(), Some(problem.message.as_str()), "{what}");
        // The leader puts it right, with what is newer by then.
        replica.apply(&shown(&next(&good)));
        assert_eq!(replica.index.kept(), 0, "{what}");
    }
}

#[test]
fn a_newer_repository_replaces_the_older_one() {
    let old = Repository::new();
    let mut replica = Replica::new();
    replica.apply(&shown(&old));
    let before = replica.trusts("r");
    replica.apply(&shown(&next(&old)));
    assert_ne!(replica.trusts("r"), before);
    let versions: Vec<_> = replica.index.roots()["r"].metadata.iter().map(|role| role.version).collect();
    assert_eq!(versions, [1, 2, 2, 2]);
}

#[test]
fn a_rotated_root_is_followed_and_holds_from_then_on() {
    let old = Repository::new();
    let mut rotated = next(&old);
    rotated.rotate(|repository| repository.timestamp = Role { version: 2, ..Role::new() });
    let mut replica = Replica::new();
    replica.apply(&shown(&rotated));
    let before = replica.trusts("r");
    assert_eq!(replica.index.roots()["r"].metadata[0].version, 2);
    // Signed by the key that the rotation took away, and of higher versions than all that there was.
    let stolen = next(&next(&next(&old)));
    replica.apply(&shown(&stolen));
    assert_eq!((replica.trusts("r"), replica.index.kept()), (before, 1));
}

#[test]
fn another_object_or_root_or_target_inherits_nothing() {
    let good = Repository::new();
    let wiped = || object(&remote(&good));
    let elsewhere = remote(&Repository::new())["remote"]["root"].clone();
    for (what, other, keeps) in [
        ("the same", wiped(), true),
        ("another mirror", changed(wiped(), "/spec/remote/mirror", json!("https://elsewhere.invalid")), true),
        ("another UID", anew(wiped()), false),
        ("another root", changed(wiped(), "/spec/remote/root", elsewhere), false),
        ("another target", changed(wiped(), "/spec/remote/trustedRootTarget", json!("other.json")), false),
        ("an unreadable spec", changed(wiped(), "/spec/remote", json!(3)), false),
        ("no spec", changed(wiped(), "/spec", Value::Null), false),
    ] {
        let mut replica = Replica::new();
        replica.apply(&shown(&good));
        let before = replica.trusts("r");
        replica.apply(&other);
        if keeps {
            assert_eq!(replica.trusts("r"), before, "{what}");
        } else {
            replica.refuses("r");
        }
    }
}

#[test]
fn another_root_does_not_make_the_old_status_good() {
    let (good, other) = (Repository::new(), Repository::new());
    let mut replica = Replica::new();
    replica.apply(&shown(&good));
    let other_root = remote(&other)["remote"]["root"].clone();
    replica.apply(&changed(shown(&good), "/spec/remote/root", other_root));
    assert_eq!(replica.refuses("r").0, TrustRootReason::VerificationFailed);
}

#[test]
fn the_versions_of_one_root_bind_no_other() {
    let (old, other) = (Repository::new(), Repository::new());
    let mut replica = Replica::new();
    replica.apply(&shown(&next(&old)));
    let generation = |number: i64, shown: Value| with(shown, "/metadata/generation", json!(number));
    replica.apply(&generation(2, shown(&other)));
    replica.trusts("r");
    assert_eq!(replica.index.kept(), 0);
}

#[test]
fn another_target_of_the_same_root_cannot_go_back_either() {
    let mut old = Repository::new();
    let trusted_root = old.files[TRUSTED_ROOT_TARGET].clone();
    old.files.insert("other.json".to_owned(), trusted_root);
    let new = next(&old);
    let mut replica = Replica::new();
    replica.apply(&shown(&new));
    let other = |shown: Value| changed(shown, "/spec/remote/trustedRootTarget", json!("other.json"));
    replica.apply(&other(shown(&old)));
    assert_eq!(replica.refuses("r").0, TrustRootReason::RolledBack);
    replica.apply(&other(shown(&new)));
    replica.trusts("r");
}
