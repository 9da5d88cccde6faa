//! What is done with a workload, and what is not.

use super::*;

fn decided(workload: &Workload, roots: &Roots) -> Action {
    decide(workload, roots, at(0), INTERVAL)
}

#[test]
fn what_was_never_told_is_recorded_and_not_restarted() {
    let new = workload("a", OnChange::Restart, None);
    assert_eq!(decided(&new, &ready(&[("a", 1), ("b", 2)])), Action::Record(known(&[("a", 1)])));
    // Where nothing restarts, nothing is lost by telling at once.
    let new = workload("a", OnChange::Annotate, None);
    assert_eq!(decided(&new, &ready(&[("a", 1), ("b", 2)])), Action::Annotate(known(&[("a", 1)])));
}

#[test]
fn new_material_restarts_and_the_same_does_not() {
    for (roots, expected) in [
        (ready(&[("a", 1), ("b", 1)]), Action::None),
        (ready(&[("a", 2), ("b", 1)]), Action::Restart(known(&[("a", 2), ("b", 1)]))),
        (ready(&[("a", 2), ("b", 2)]), Action::Restart(known(&[("a", 2), ("b", 2)]))),
        // Another one's.
        (ready(&[("a", 1), ("b", 1), ("c", 9)]), Action::None),
    ] {
        let workload = workload("a,b", OnChange::Restart, Some(known(&[("a", 1), ("b", 1)])));
        assert_eq!(decided(&workload, &roots), expected, "{roots:?}");
    }
}

#[test]
fn losing_material_restarts_nothing_and_neither_does_its_return() {
    let knows_both = workload("a,b", OnChange::Restart, Some(known(&[("a", 1), ("b", 1)])));
    let a = ready(&[("a", 1)]);
    for roots in [
        a.clone(),
        with(a.clone(), "b", Judgement::NotReady),
        with(a.clone(), "b", Judgement::Open),
        with(a.clone(), "b", Judgement::Ready(fingerprint(1))),
        ready(&[]),
    ] {
        assert_eq!(decided(&knows_both, &roots), Action::None, "{roots:?}");
    }
    // What is lost is kept in mind when another one changes.
    let roots = with(ready(&[("a", 2)]), "b", Judgement::NotReady);
    assert_eq!(decided(&knows_both, &roots), Action::Restart(known(&[("a", 2), ("b", 1)])));
    let roots = with(a, "b", Judgement::Ready(fingerprint(2)));
    assert_eq!(decided(&knows_both, &roots), Action::Restart(known(&[("a", 1), ("b", 2)])));
}

#[test]
fn all_roots_means_those_that_there_are() {
    let all = workload("*", OnChange::Restart, Some(known(&[("a", 1), ("gone", 1)])));
    assert_eq!(decided(&all, &ready(&[("a", 1)])), Action::None);
    assert_eq!(
        decided(&all, &ready(&[("a", 1), ("new", 1)])),
        Action::Restart(known(&[("a", 1), ("new", 1)]))
    );
    let one = workload("a", OnChange::Restart, Some(known(&[("a", 1)])));
    assert_eq!(decided(&one, &ready(&[("a", 1), ("new", 1)])), Action::None);
}

#[test]
fn a_name_that_is_no_longer_listed_restarts_nothing() {
    let fewer = workload("a", OnChange::Restart, Some(known(&[("a", 1), ("b", 1)])));
    assert_eq!(decided(&fewer, &ready(&[("a", 1), ("b", 2)])), Action::None);
    let same = workload("a,b", OnChange::Restart, Some(known(&[("a", 1), ("b", 1)])));
    assert_ne!(decided(&same, &ready(&[("a", 1), ("b", 2)])), Action::None);
}

#[test]
fn nothing_is_decided_before_every_root_has_been_looked_at() {
    let news = workload("a,b", OnChange::Restart, Some(known(&[("a", 1), ("b", 1)])));
    let roots = ready(&[("a", 2), ("b", 1)]);
    assert_eq!(decided(&news, &with(roots.clone(), "b", Judgement::Open)), Action::Wait(Waiting::Open));
    assert_eq!(decided(&news, &Roots { listed: false, ..roots.clone() }), Action::Wait(Waiting::Open));
    assert!(matches!(decided(&news, &with(roots.clone(), "c", Judgement::Open)), Action::Restart(_)));
    assert!(matches!(decided(&news, &roots), Action::Restart(_)));
    let new = workload("a,b", OnChange::Restart, None);
    assert_eq!(decided(&new, &with(roots, "b", Judgement::Open)), Action::Wait(Waiting::Open));
    let nothing = with(ready(&[]), "a", Judgement::NotReady);
    assert_eq!(decided(&new, &nothing), Action::Wait(Waiting::NothingReady));
}

#[test]
fn what_is_rolling_paused_or_ending_is_left_alone() {
    let roots = ready(&[("a", 2)]);
    let knows = |on_change| workload("a", on_change, Some(known(&[("a", 1)])));
    for (rollout, expected) in [
        (Rollout::Done, Action::Restart(known(&[("a", 2)]))),
        (Rollout::Rolling, Action::Wait(Waiting::Rolling)),
        (Rollout::Paused, Action::Wait(Waiting::Paused)),
    ] {
        let restarts = Workload { rollout, ..knows(OnChange::Restart) };
        assert_eq!(decided(&restarts, &roots), expected);
        // A note on the metadata disturbs no rollout.
        let annotates = Workload { rollout, ..knows(OnChange::Annotate) };
        assert_eq!(decided(&annotates, &roots), Action::Annotate(known(&[("a", 2)])));
    }
    assert_eq!(decided(&Workload { ends: true, ..knows(OnChange::Restart) }, &roots), Action::None);
}

#[test]
fn restarts_keep_their_distance() {
    let workload = |restarted_at| Workload {
        restarted_at: Some(restarted_at),
        ..workload("a", OnChange::Restart, Some(known(&[("a", 1)])))
    };
    let roots = ready(&[("a", 2)]);
    let (restart, wait) = (Action::Restart(known(&[("a", 2)])), |until| Action::Wait(Waiting::Until(until)));
    assert_eq!(decided(&workload(at(-300)), &roots), restart);
    assert_eq!(decided(&workload(at(-299)), &roots), wait(at(1)));
    // A clock that is a little ahead of ours.
    assert_eq!(decided(&workload(at(300)), &roots), wait(at(600)));
    assert_eq!(decided(&workload(at(301)), &roots), restart);
}

#[test]
fn a_root_that_flaps_restarts_once_per_interval() {
    let mut flapping = workload("a", OnChange::Restart, Some(known(&[("a", 1)])));
    let mut restarts = 0;
    for second in 0..3_600 {
        let roots = ready(&[("a", u8::from(second % 2 == 0) + 1)]);
        if let Action::Restart(next) = decide(&flapping, &roots, at(second), INTERVAL) {
            restarts += 1;
            flapping.known = Some(next);
            flapping.restarted_at = Some(at(second));
        }
    }
    assert!((11..=12).contains(&restarts), "{restarts}");
}

#[test]
fn a_wish_that_cannot_be_granted_changes_nothing() {
    let mut bad = workload("a", OnChange::Restart, Some(known(&[("a", 1)])));
    let error = wish::WishError::OnChange("reboot".to_owned());
    bad.wish = Err(wish::Refused { error, roots: Selection::All });
    assert_eq!(decided(&bad, &ready(&[("a", 2)])), Action::None);
}
