//! What the Secret of floors does.

use super::*;

#[test]
fn a_replica_that_starts_does_not_go_below_the_floor_of_the_secret() {
    let old = Repository::new();
    let new = next(&old);
    let mut replica = Replica::new();
    replica.namespace.put_floor("uid-1", new.first_root(), &floor(&new));
    replica.apply(&shown(&old));
    assert_eq!(replica.refuses("r").0, TrustRootReason::RolledBack);
    replica.apply(&shown(&new));
    replica.trusts("r");
    // The floor of one object is none of another's.
    replica.apply(&anew(shown(&old)));
    replica.trusts("r");
}

#[test]
fn a_damaged_floor_is_not_the_absence_of_one() {
    let old = Repository::new();
    let new = next(&old);
    for damage in [&b""[..], b"{}", b"\xff", b"{\"accepted\":7}"] {
        let mut started = Replica::new();
        started.namespace.put_floor("uid-1", new.first_root(), damage);
        started.apply(&shown(&new));
        let (reason, message) = started.refuses("r");
        assert_eq!(reason, TrustRootReason::VerificationFailed);
        assert!(message.contains(FLOORS_SECRET), "{message}");

        let mut running = Replica::new();
        running.apply(&shown(&old));
        let before = running.trusts("r");
        running.namespace.put_floor("uid-1", new.first_root(), damage);
        running.apply(&shown(&new));
        assert_eq!((running.trusts("r"), running.index.kept()), (before.clone(), 1));

        for replica in [&mut started, &mut running] {
            replica.namespace.put_floor("uid-1", new.first_root(), &floor(&old));
            assert_eq!(replica.settle(), 1);
            assert_ne!(replica.trusts("r"), before);
            assert_eq!(replica.index.kept(), 0);
        }
    }
}

#[test]
fn what_has_expired_counts_only_if_it_was_in_force_before() {
    let expired = Repository::new().until("2026-08-01T00:00:00Z");
    let seen = FloorEntry { accepted: Floor::default(), seen: versions(&expired) };
    for (entry, kept) in [(None, false), (Some(seen.encode()), false), (Some(floor(&expired)), true)] {
        let mut replica = Replica::new();
        if let Some(entry) = &entry {
            replica.namespace.put_floor("uid-1", expired.first_root(), entry);
        }
        replica.apply(&shown(&expired));
        if kept {
            replica.trusts("r");
            assert_eq!(replica.index.roots()["r"].standing, trustwright_roots::Standing::Kept);
        } else {
            assert_eq!(replica.refuses("r").0, TrustRootReason::Expired);
        }
    }
}

#[test]
fn a_floor_that_rises_above_what_is_in_force_leaves_it_there_and_binds_what_comes() {
    let old = Repository::new();
    let (new, newest) = (next(&old), next(&next(&old)));
    let mut replica = Replica::new();
    replica.apply(&shown(&old));
    let before = replica.trusts("r");
    replica.namespace.put_floor("uid-1", old.first_root(), &floor(&newest));
    replica.settle();
    assert_eq!((replica.trusts("r"), replica.index.kept()), (before.clone(), 0));
    replica.apply(&shown(&new));
    assert_eq!((replica.trusts("r"), replica.index.kept()), (before.clone(), 1));
    replica.apply(&shown(&newest));
    assert_ne!(replica.trusts("r"), before);
}

#[test]
fn a_floor_that_is_taken_away_leaves_the_one_in_memory() {
    let old = Repository::new();
    let new = next(&old);
    let mut replica = Replica::new();
    replica.namespace.put_floor("uid-1", new.first_root(), &floor(&new));
    replica.apply(&shown(&new));
    let before = replica.trusts("r");
    replica.namespace = Namespace::default();
    replica.apply(&shown(&old));
    assert_eq!((replica.trusts("r"), replica.index.kept()), (before, 1));
}
