//! Versions that must not go back (5.4.3, 5.5.5), and the one way in which they may (5.3.11).

use proptest::prelude::*;
use trustwright_trust::tuf::{Archive, Floor, TufError};

use super::{accept, after};
use trustwright_testkit::tuf_repository::{Delegation, Key, Repository, Role};

/// Lowers one thing of a repository at version 3.
type Step = fn(&mut Repository);

fn repository() -> Repository {
    let mut repository = Repository::new();
    repository.delegations = vec![Delegation {
        name: "delegated".to_owned(),
        role: Role::new(),
        paths: vec!["delegated/*"],
        terminating: false,
        targets: [("delegated/file".to_owned(), b"content".to_vec())].into(),
        children: Vec::new(),
    }];
    repository.advance();
    repository.advance();
    repository
}

/// Each role, what takes it back, and how its rollback shows.
fn rollbacks() -> [(&'static str, Step); 4] {
    [
        ("timestamp", |one| one.timestamp.version = 2),
        ("snapshot", |one| {
            one.timestamp.version = 4;
            one.snapshot.version = 2;
        }),
        ("targets", |one| {
            one.timestamp.version = 4;
            one.snapshot.version = 4;
            one.targets.version = 2;
        }),
        ("delegated", |one| {
            one.timestamp.version = 4;
            one.snapshot.version = 4;
            one.delegations[0].role.version = 2;
        }),
    ]
}

#[test]
fn no_role_goes_back_behind_known_metadata_or_the_floor() {
    let repository = repository();
    let known = repository.publish();
    let floor = accept(&repository, &known).floor;
    assert_eq!((floor.timestamp, floor.snapshot, floor.targets["targets"]), (3, 3, 3));
    assert_eq!(floor.targets["delegated"], 3);
    for (role, step) in rollbacks() {
        let mut older = repository.clone();
        step(&mut older);
        let offered = older.publish();
        for (known, floor) in [(Some(&known), &Floor::default()), (None, &floor), (Some(&known), &floor)] {
            let error = after(&repository, &offered, known, floor).unwrap_err();
            assert!(
                matches!(&error, TufError::Rollback { role: r, floor: 3, offered: 2 } if r.starts_with(role)),
                "{role}: {error}"
            );
        }
        // Who knows nothing cannot tell.
        assert!(after(&repository, &offered, None, &Floor::default()).is_ok(), "{role}");
    }
    let mut newer = repository.clone();
    newer.advance();
    assert_eq!(after(&repository, &newer.publish(), Some(&known), &floor).unwrap().floor.timestamp, 4);
    assert_eq!(after(&repository, &known, Some(&known), &floor).unwrap().floor, floor);
}

#[test]
fn a_role_does_not_vanish_from_the_snapshot() {
    let repository = repository();
    let known = repository.publish();
    let floor = accept(&repository, &known).floor;
    let mut without = repository.clone();
    without.delegations.clear();
    without.advance();
    let offered = without.publish();
    let error = after(&repository, &offered, None, &floor).unwrap_err();
    assert!(matches!(&error, TufError::RoleRemoved { role, floor: 3 } if role == "delegated"), "{error}");
    let error = after(&repository, &offered, Some(&known), &Floor::default()).unwrap_err();
    assert!(matches!(&error, TufError::Inconsistent { .. }), "{error}");
    assert!(after(&repository, &offered, None, &Floor::default()).is_ok());
}

#[test]
fn known_metadata_that_has_expired_is_still_a_floor() {
    let mut repository = repository();
    repository.timestamp.expires = "2026-08-01T00:00:00Z";
    repository.snapshot.expires = "2026-08-01T00:00:00Z";
    let known = repository.publish();
    repository.timestamp.expires = "2026-09-01T00:00:00Z";
    repository.snapshot.expires = "2026-09-01T00:00:00Z";
    repository.timestamp.version = 2;
    let error = after(&repository, &repository.publish(), Some(&known), &Floor::default()).unwrap_err();
    assert!(matches!(error, TufError::Rollback { .. }), "{error}");
    repository.timestamp.version = 4;
    repository.snapshot.version = 4;
    assert!(after(&repository, &repository.publish(), Some(&known), &Floor::default()).is_ok());
}

#[test]
fn known_metadata_that_was_tampered_with_is_no_floor() {
    let repository = repository();
    let mut forged = repository.clone();
    forged.timestamp.version = 1000;
    forged.timestamp.keys = vec![Key::new()];
    assert!(after(&repository, &repository.publish(), Some(&forged.publish()), &Floor::default()).is_ok());
    let mut garbage: Archive = repository.publish();
    garbage.insert("timestamp.json", *b"<html>");
    assert!(after(&repository, &repository.publish(), Some(&garbage), &Floor::default()).is_ok());
}

/// Returns a repository whose stolen keys signed absurd versions, its state then, and its floor then.
fn fast_forwarded() -> (Repository, Archive, Floor) {
    let mut repository = repository();
    let honest = repository.clone();
    repository.timestamp.version = 1_000_000;
    repository.snapshot.version = 1_000_000;
    let known = repository.publish();
    let floor = accept(&repository, &known).floor;
    (honest, known, floor)
}

#[test]
fn a_fast_forward_is_recovered_from_by_rotating_the_keys() {
    let (mut repository, known, floor) = fast_forwarded();
    repository.advance();
    let error = after(&repository, &repository.publish(), Some(&known), &floor).unwrap_err();
    assert!(matches!(error, TufError::Rollback { floor: 1_000_000, offered: 4, .. }), "{error}");
    repository.rotate(|one| {
        one.timestamp.keys = vec![Key::new()];
        one.snapshot.keys = vec![Key::new()];
    });
    let verified = after(&repository, &repository.publish(), Some(&known), &floor).unwrap();
    assert_eq!((verified.floor.root, verified.floor.recovery, verified.floor.timestamp), (2, 2, 4));
    // The floor of before does not come back, in whichever order the two are merged.
    for merged in [verified.floor.max(&floor), floor.max(&verified.floor)] {
        assert_eq!(merged, verified.floor);
        assert!(after(&repository, &repository.publish(), None, &merged).is_ok());
    }
}

#[test]
fn a_root_that_keeps_or_adds_keys_recovers_nothing() {
    let changes: [Step; 4] = [
        |_| (),
        |one| one.root.keys = vec![Key::new()],
        |one| one.timestamp.keys.push(Key::new()),
        |one| one.targets.keys = vec![Key::new()],
    ];
    for change in changes {
        let (mut repository, known, floor) = fast_forwarded();
        repository.rotate(change);
        repository.advance();
        for (known, floor) in [(Some(&known), &Floor::default()), (None, &floor)] {
            let error = after(&repository, &repository.publish(), known, floor).unwrap_err();
            assert!(matches!(error, TufError::Rollback { floor: 1_000_000, .. }), "{error}");
        }
    }
}

/// Both keys signed, so that what was signed still verifies when one of them is gone.
#[test]
fn known_metadata_that_still_verifies_is_dropped_by_a_recovery_too() {
    let mut repository = Repository::new();
    repository.timestamp.keys.push(Key::new());
    repository.snapshot.keys.push(Key::new());
    let root = repository.root_signed_by(&repository.root.keys);
    repository.roots = vec![(1, root)];
    let honest = repository.clone();
    repository.timestamp.version = 1_000_000;
    repository.snapshot.version = 1_000_000;
    let known = repository.publish();
    let mut recovered = honest;
    recovered.rotate(|one| {
        one.timestamp.keys.truncate(1);
        one.snapshot.keys.truncate(1);
    });
    let verified = after(&recovered, &recovered.publish(), Some(&known), &Floor::default()).unwrap();
    assert_eq!(verified.floor.timestamp, 1);
}

#[test]
fn a_recovery_counts_once() {
    let (mut repository, known, floor) = fast_forwarded();
    repository.rotate(|one| one.timestamp.keys = vec![Key::new()]);
    repository.advance();
    let verified = after(&repository, &repository.publish(), Some(&known), &floor).unwrap();
    repository.timestamp.version -= 1;
    let floor = floor.max(&verified.floor);
    let error = after(&repository, &repository.publish(), None, &floor).unwrap_err();
    assert!(matches!(error, TufError::Rollback { floor: 4, offered: 3, .. }), "{error}");
}

fn any_floor() -> impl Strategy<Value = Floor> {
    (1..4u64, 0..4u64, 0..9u64, 0..9u64, 0..9u64).prop_map(
        |(root, recovery, timestamp, snapshot, targets)| Floor {
            root,
            recovery: recovery.min(root),
            timestamp,
            snapshot,
            targets: [("targets".to_owned(), targets)].into(),
        },
    )
}

proptest! {
    #[test]
    fn floors_merge_in_any_order(a in any_floor(), b in any_floor()) {
        prop_assert_eq!(a.max(&b), b.max(&a));
        prop_assert_eq!(a.max(&a), a.clone());
        prop_assert_eq!(a.max(&Floor::default()), a);
    }
}
