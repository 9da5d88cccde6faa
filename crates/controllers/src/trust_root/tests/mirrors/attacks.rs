//! Mirrors that lie.

use trustwright_roots::Rule;
use trustwright_testkit::tuf_repository::{Delegation, Key, Role};
use trustwright_trust::tuf::Floor;

use super::super::support::{KEEP, change_material, empty_material};
use super::*;

/// Takes the key of the timestamp away, as after a theft, and gives it another.
fn revoke_timestamp_key(repository: &mut Repository) {
    repository.rotate(|repository| repository.timestamp.keys = vec![Key::new()]);
}

/// The roots of `repository` with everything below as `old` serves it.
fn roots_above(repository: &Repository, old: &Repository) -> trustwright_trust::tuf::Archive {
    old.publish().with_roots_of(&repository.publish())
}

#[tokio::test]
async fn a_stolen_timestamp_key_cannot_hide_the_root_that_revokes_it() {
    let mut place = Place::in_force(Repository::new()).await;
    let old = place.repository.clone();
    revoke_timestamp_key(&mut place.repository);
    place.server.serve(&roots_above(&place.repository, &old));
    place.server.fail("timestamp.json", Fault::Unchanged);
    let message = place.refuses(Reason::VerificationFailed).await;
    assert_eq!(message, "timestamp.json has 0 of the 1 valid signatures that it needs");
    // The revoked metadata stays in force, frozen, and nothing that it signs is taken any more.
    assert_eq!(place.versions(), [1, 1, 1, 1]);
    let seen = place.state().floor.seen;
    assert_eq!((seen.root, seen.recovery), (2, 2));
    let mut stolen = old.clone();
    stolen.timestamp.version = 100;
    place.server.serve(&stolen.publish());
    place.server.heal();
    let message = place.refuses(Reason::RolledBack).await;
    assert_eq!(message, "root goes back to version 1, and version 2 is known");
    place.expect_restorable();
    // Fast-forward recovery: what the thief signed counts for nothing.
    place.publish();
    assert!(place.ask().await);
    place.expect_up_to_date();
    assert_eq!(place.versions(), [2, 1, 1, 1]);
    place.expect_restorable();
}

#[tokio::test]
async fn a_root_that_a_mirror_shows_before_it_breaks_off_is_kept_where_the_rest_still_verifies() {
    let mut place = Place::in_force(Repository::new()).await;
    let old = place.repository.clone();
    place.repository.rotate(|repository| repository.root.keys = vec![Key::new()]);
    place.publish();
    place.server.fail("timestamp.json", Fault::Status(500, Vec::new()));
    assert!(place.ask().await);
    place.expect_failure(Reason::MirrorUnavailable);
    assert_eq!(place.versions(), [2, 1, 1, 1]);
    assert_eq!(place.state().floor.accepted.root, 2);
    place.expect_restorable();
    assert!(!place.ask().await, "it is adopted once");
    // What signed the root before is worth nothing any more.
    place.server.heal();
    place.server.serve(&old.publish());
    place.ask().await;
    place.expect_up_to_date();
    assert_eq!(place.versions(), [2, 1, 1, 1], "the chain that we keep leads further than the mirror's");
    let mut forged = old.clone();
    forged.rotate(|_| ());
    forged.advance();
    forged.rotate(|_| ());
    place.server.serve(&forged.publish());
    let message = place.refuses(Reason::VerificationFailed).await;
    assert!(message.starts_with("3.root.json has "), "{message}");
}

#[tokio::test]
async fn a_first_download_that_breaks_off_after_a_root_holds_to_it() {
    let mut place = Place::serving(Repository::new()).await;
    let old = place.repository.publish();
    revoke_timestamp_key(&mut place.repository);
    place.publish();
    place.server.fail("timestamp.json", Fault::Closed);
    assert!(place.ask().await);
    place.expect_failure(Reason::MirrorUnavailable);
    let floor = place.state().floor;
    assert_eq!((floor.accepted, floor.seen.root), (Floor::default(), 2));
    place.server.heal();
    place.server.serve(&old);
    place.refuses(Reason::RolledBack).await;
    place.publish();
    assert!(place.ask().await);
    assert_eq!(place.versions(), [2, 1, 1, 1]);
}

#[tokio::test]
async fn a_root_above_keys_that_nobody_can_use_is_held_to_as_well() {
    for revoked in [false, true] {
        let mut place = Place::in_force(Repository::new()).await;
        let old = place.repository.publish();
        if revoked {
            revoke_timestamp_key(&mut place.repository);
        } else {
            place.repository.rotate(|_| ());
        }
        empty_material(&mut place.repository);
        place.publish();
        assert!(place.ask().await);
        place.expect_failure(Reason::NoUsableKeys);
        let state = place.state();
        assert_eq!((state.floor.seen.root, state.floor.seen.recovery), (2, if revoked { 2 } else { 0 }));
        assert_eq!(place.versions(), [if revoked { 1 } else { 2 }, 1, 1, 1]);
        place.expect_restorable();
        place.server.serve(&old);
        if revoked {
            place.refuses(Reason::RolledBack).await;
        } else {
            place.ask().await;
            place.expect_up_to_date();
            assert_eq!(place.versions()[0], 2);
        }
    }
}

#[tokio::test]
async fn keys_that_nobody_can_use_do_not_replace_those_in_force() {
    let mut place = Place::in_force(Repository::new()).await;
    let good = place.repository.files.clone();
    empty_material(&mut place.repository);
    place.publish();
    let message = place.refuses(Reason::NoUsableKeys).await;
    assert!(!message.is_empty());
    place.repository.files = good;
    place.repository.advance();
    place.publish();
    assert!(place.ask().await);
    assert_eq!(place.versions(), [1, 3, 3, 3]);
}

#[tokio::test]
async fn a_repository_that_no_status_could_hold_does_not_replace_the_one_in_force() {
    let mut place = Place::in_force(Repository::new()).await;
    let noise = |bytes: u64| {
        let hash = |number: u64| trustwright_roots::Anchor {
            root: number.to_be_bytes().to_vec(),
            target: String::new(),
        };
        (0..bytes / 64).map(|number| hash(number).hash()).collect::<String>()
    };
    // Half of a hexadecimal digit is information.
    for (bytes, fits) in [(600_000, true), (900_000, false)] {
        place.repository.custom.insert("trusted_root.json".to_owned(), json!({ "noise": noise(bytes) }));
        place.repository.advance();
        place.publish();
        if fits {
            assert!(place.ask().await);
            place.expect_up_to_date();
            assert!(place.artifact().packed.len() <= trustwright_roots::MAX_PACKED);
            place.expect_restorable();
        } else {
            let message = place.refuses(Reason::TooLarge).await;
            assert!(message.contains("524288"), "{message}");
            assert_eq!(place.versions(), [1, 2, 2, 2]);
        }
    }
}

/// A repository at version 2 with a delegated role.
fn delegating() -> Repository {
    let mut repository = Repository::new();
    repository.delegations.push(Delegation {
        name: "registry".to_owned(),
        role: Role::new(),
        paths: vec!["registry/*"],
        terminating: false,
        targets: std::collections::BTreeMap::new(),
        children: Vec::new(),
    });
    repository.advance();
    repository
}

#[tokio::test]
async fn no_role_goes_back() {
    type Change = fn(&mut Repository);
    let cases: [(&str, Change, &str); 4] = [
        ("timestamp", |repository| repository.timestamp.version = 1, "timestamp"),
        (
            "snapshot",
            |repository| (repository.timestamp.version, repository.snapshot.version) = (3, 1),
            "snapshot",
        ),
        (
            "targets",
            |repository| {
                (repository.timestamp.version, repository.snapshot.version) = (3, 3);
                repository.targets.version = 1;
            },
            "targets",
        ),
        (
            "delegated role",
            |repository| {
                repository.advance();
                repository.delegations[0].role.version = 1;
            },
            "registry",
        ),
    ];
    for (name, change, expected) in cases {
        let mut place = Place::in_force(delegating()).await;
        assert_eq!(place.versions(), [1, 2, 2, 2]);
        let good = place.repository.clone();
        change(&mut place.repository);
        place.publish();
        let message = place.refuses(Reason::RolledBack).await;
        assert!(message.contains(expected), "{name}: {message}");
        assert!(message.contains(" goes back to version 1, and version 2 is known"), "{name}: {message}");
        assert_eq!(place.versions(), [1, 2, 2, 2], "{name}");
        // One version on instead of back, and it is taken.
        place.repository = good;
        place.repository.advance();
        place.publish();
        place.ask().await;
        place.expect_up_to_date();
        assert_eq!(place.versions(), [1, 3, 3, 3], "{name}");
    }
}

#[tokio::test]
async fn a_role_that_is_gone_could_come_back_older_and_is_missed() {
    let mut place = Place::in_force(delegating()).await;
    let floor = place.state().floor;
    let mut without = place.repository.clone();
    without.advance();
    without.delegations.clear();
    place.server.serve(&without.publish());
    let message = place.refuses(Reason::VerificationFailed).await;
    assert!(message.contains("registry"), "{message}");
    // The same where only the floor tells.
    let mut heir = Place::serving(without).await;
    heir.poll.shared.state().floor = floor;
    let message = heir.refuses(Reason::RolledBack).await;
    assert_eq!(message, "the snapshot no longer lists registry, which it did at version 2");
    place.repository.advance();
    heir.server.serve(&place.repository.publish());
    heir.poll.anchor = anchor(&place.repository);
    assert!(heir.ask().await);
    heir.expect_up_to_date();
}

#[tokio::test]
async fn a_floor_holds_where_everything_else_is_lost() {
    let mut place = Place::in_force(Repository::new()).await;
    let old = place.repository.publish();
    change_material(&mut place.repository);
    place.publish();
    assert!(place.ask().await);
    // Another leader, a wiped status: of all that was known there is the floor of our Secret.
    let floor = place.state().floor;
    let mut heir = Place::serving(place.repository.clone()).await;
    heir.poll.shared.state().floor = FloorEntry::decode(&floor.encode()).unwrap();
    heir.server.serve(&old);
    heir.ask().await;
    let message = heir.expect_failure(Reason::RolledBack);
    assert_eq!(message, "timestamp goes back to version 1, and version 2 is known");
    assert!(heir.state().artifact.is_none());
    heir.publish();
    assert!(heir.ask().await);
    heir.expect_up_to_date();
}

#[tokio::test]
async fn a_mirror_of_another_repository_is_refused() {
    let mut place = Place::in_force(Repository::new()).await;
    let mut other = Repository::new();
    other.advance();
    place.server.serve(&other.publish());
    place.refuses(Reason::VerificationFailed).await;
    other.rotate(|_| ());
    place.server.serve(&other.publish());
    let message = place.refuses(Reason::VerificationFailed).await;
    assert!(message.starts_with("2.root.json has "), "{message}");
}

#[tokio::test]
async fn a_root_in_the_spec_that_is_none_is_the_specs_fault() {
    let mut place = Place::serving(Repository::new()).await;
    for (root, is_good) in [(b"{}".to_vec(), false), (place.poll.anchor.root.clone(), true)] {
        place.poll.anchor.root = root;
        place.ask().await;
        if is_good {
            place.expect_up_to_date();
        } else {
            let message = place.expect_failure(Reason::InvalidSpec);
            assert!(message.starts_with("spec.remote.root: "), "{message}");
            assert_eq!(place.asked(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn what_is_expired_at_the_first_download_is_never_put_in_force() {
    let mut place = Place::serving(Repository::new()).await;
    place.poll.clock = || at(AFTER);
    place.ask().await;
    place.expect_failure(Reason::Expired);
    let state = place.state();
    assert!(state.artifact.is_none());
    assert_eq!(state.floor.accepted, Floor::default());
    // Nor by way of a status, whose author may be the mirror's.
    let (packed, anchor) =
        (super::super::support::artifact(&place.repository).packed, anchor(&place.repository));
    assert!(Artifact::restore(&packed, &anchor, Some(&state.floor.accepted), at(AFTER)).is_err());
    let rule = Rule { max_staleness: None, ..KEEP };
    let kept = Artifact::restore(&packed, &anchor, Some(&Floor { root: 1, ..Floor::default() }), at(AFTER));
    assert!(Root::of_artifact(&kept.unwrap(), rule, at(AFTER)).trusted.is_ok());
}
