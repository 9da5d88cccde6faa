//! The chain of roots (TUF specification 5.3).

use trustwright_trust::tuf::{Archive, Floor, Limits, Request, TufError, verify};

use crate::support::now;

use super::{accept, after, refuse, run};
use trustwright_testkit::tuf_repository::{Key, Repository, Role};

#[test]
fn roots_are_followed_to_the_last() {
    let mut repository = Repository::new();
    for _ in 0..3 {
        repository
            .rotate(|repository| repository.root = Role { version: repository.root.version, ..Role::new() });
    }
    let verified = accept(&repository, &repository.publish());
    assert_eq!(verified.floor.root, 4);
    assert!((1..=4).all(|version| verified.archive.get(&format!("{version}.root.json")).is_some()));
}

#[test]
fn an_anchor_that_did_not_sign_itself_is_refused() {
    let mut repository = Repository::new();
    accept(&repository, &repository.publish());
    repository.roots[0].1 = repository.root_signed_by(&[Key::new()]);
    let error = refuse(&repository, &repository.publish());
    assert!(matches!(error, TufError::Threshold { found: 0, threshold: 1, .. }), "{error}");
}

#[test]
fn a_root_needs_the_keys_before_and_its_own() {
    for (old, new) in [(false, true), (true, false), (true, true)] {
        let mut repository = Repository::new();
        let (before, after) = (Key::new(), Key::new());
        repository = {
            repository.root.keys = vec![before.clone()];
            let first = repository.root_signed_by(std::slice::from_ref(&before));
            Repository { roots: vec![(1, first)], ..repository }
        };
        repository.root.keys = vec![after.clone()];
        repository.root.version = 2;
        let signers: Vec<_> =
            [(old, before), (new, after)].into_iter().filter(|one| one.0).map(|one| one.1).collect();
        let second = repository.root_signed_by(&signers);
        repository.roots.push((2, second));
        let outcome = run(&repository, &repository.publish(), |_| ());
        match (old, new) {
            (true, true) => assert_eq!(outcome.unwrap().floor.root, 2),
            _ => assert!(matches!(outcome.unwrap_err().error, TufError::Threshold { found: 0, .. })),
        }
    }
}

#[test]
fn a_threshold_of_two_needs_two_keys() {
    for signers in [1, 2] {
        let mut repository = Repository::new();
        repository.root.keys.push(Key::new());
        repository.root.threshold = 2;
        let root = repository.root_signed_by(&repository.root.keys[..signers]);
        repository.roots = vec![(1, root)];
        let outcome = run(&repository, &repository.publish(), |_| ());
        match signers {
            1 => {
                let error = outcome.unwrap_err().error;
                assert!(matches!(error, TufError::Threshold { found: 1, threshold: 2, .. }), "{error}");
            }
            _ => assert!(outcome.is_ok()),
        }
    }
}

#[test]
fn a_root_version_is_not_skipped() {
    let mut repository = Repository::new();
    repository.rotate(|_| ());
    repository.rotate(|_| ());
    let good = repository.publish();
    accept(&repository, &good);
    let mut skipping = good.clone();
    skipping.insert("2.root.json", good.get("3.root.json").unwrap());
    let error = refuse(&repository, &skipping);
    assert!(matches!(error, TufError::RootVersion { expected: 2, offered: 3, .. }), "{error}");
}

#[test]
fn a_chain_is_followed_to_its_bound_and_no_further() {
    let mut repository = Repository::new();
    repository.rotate(|_| ());
    repository.rotate(|_| ());
    for (root_rotations, fits) in [(1, false), (2, true)] {
        let (floor, limits) = (Floor::default(), Limits { root_rotations, ..Limits::default() });
        let request = Request::new(repository.first_root(), &floor, &limits, now());
        let outcome = verify(&request, &repository.publish());
        if fits {
            assert_eq!(outcome.unwrap().floor.root, 3);
        } else {
            assert!(matches!(outcome.unwrap_err().error, TufError::TooManyRoots { limit: 1 }));
        }
    }
}

#[test]
fn a_hidden_root_is_below_the_floor_and_known_roots_stay() {
    let mut repository = Repository::new();
    let old = repository.publish();
    repository.rotate(|_| ());
    let new = repository.publish();
    let floor = accept(&repository, &new).floor;
    let error = after(&repository, &old, None, &floor).unwrap_err();
    assert!(matches!(error, TufError::Rollback { floor: 2, offered: 1, .. }), "{error}");
    // With the root that is known, a mirror that lost it does no harm.
    assert_eq!(after(&repository, &old, Some(&new), &floor).unwrap().floor.root, 2);
    // And a forged known root does not count.
    let mut forged = Archive::default();
    forged.insert("2.root.json", repository.root_signed_by(&[Key::new()]));
    assert_eq!(after(&repository, &old, Some(&forged), &Floor::default()).unwrap().floor.root, 1);
}

#[test]
fn a_root_that_was_seen_before_a_fault_is_handed_back() {
    let mut repository = Repository::new();
    repository.rotate(|repository| repository.timestamp = Role::new());
    let good = repository.publish();
    let broken: Archive = good.files().filter(|(path, _)| *path != "timestamp.json").collect();
    let failure = run(&repository, &broken, |_| ()).unwrap_err();
    assert!(matches!(&failure.error, TufError::Missing { file } if file == "timestamp.json"));
    assert_eq!((failure.floor.root, failure.floor.recovery, failure.floor.timestamp), (2, 2, 0));
    assert!(failure.archive.get("2.root.json").is_some());
}

#[test]
fn last_good_files_survive_a_new_root_unless_it_revokes_their_keys() {
    for revoked in [false, true] {
        let mut repository = Repository::new();
        let last_good = accept(&repository, &repository.publish()).archive;
        repository.rotate(|one| {
            if revoked {
                one.timestamp.keys = vec![Key::new()];
            }
        });
        let good = repository.publish();
        let broken: Archive = good.files().filter(|(path, _)| *path != "timestamp.json").collect();
        let failure = run(&repository, &broken, |_| ()).unwrap_err();
        let floor = Floor { root: failure.floor.root, ..Floor::default() };
        let error = after(&repository, &last_good, None, &floor).unwrap_err();
        assert!(matches!(error, TufError::Rollback { floor: 2, offered: 1, .. }), "{error}");
        let restored = after(&repository, &last_good.with_roots_of(&failure.archive), None, &floor);
        if revoked {
            assert!(matches!(restored, Err(TufError::Threshold { found: 0, .. })), "{restored:?}");
        } else {
            assert_eq!(restored.unwrap().floor.root, 2);
        }
    }
}

#[test]
fn an_expired_root_in_the_middle_does_no_harm_and_at_the_end_it_does() {
    let mut repository = Repository::new();
    repository.rotate(|repository| repository.root.expires = "2020-01-01T00:00:00Z");
    let error = refuse(&repository, &repository.publish());
    assert!(matches!(&error, TufError::Expired { role, .. } if role == "root"), "{error}");
    repository.rotate(|repository| repository.root.expires = "2030-01-01T00:00:00Z");
    accept(&repository, &repository.publish());
}
