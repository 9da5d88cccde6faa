//! The poll itself: when it asks again.

use tokio::sync::mpsc;

use super::*;

/// Runs the poll until it is dropped; what it reports is that its state has changed.
fn run(poll: Poll) -> (Arc<Shared>, mpsc::UnboundedReceiver<()>, tokio::task::JoinSet<()>) {
    let shared = poll.shared.clone();
    let (teller, changes) = mpsc::unbounded_channel();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(poll.run(move || teller.send(()).unwrap_or_default()));
    (shared, changes, tasks)
}

/// The wait that was planned last, in seconds.
fn planned(shared: &Shared) -> i64 {
    shared.state().next_at.expect("a time to ask again").duration_since(at(BEFORE)).as_secs()
}

/// No address that is ever connected to, so that time can be made to pass.
fn refused(repository: &Repository) -> Poll {
    poll("http://169.254.169.254", repository)
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_fails_is_asked_more_and_more_rarely_and_no_more_rarely_than_else() {
    let (shared, mut changes, _tasks) = run(refused(&Repository::new()));
    changes.recv().await.unwrap();
    for (shortest, longest) in
        [(5, 6), (10, 12), (20, 24), (40, 48), (80, 96), (160, 192), (320, 384), (600, 720), (600, 720)]
    {
        let wait = planned(&shared);
        assert!((shortest..=longest).contains(&wait), "{wait}, expected {shortest} to {longest}");
        // Each asking is at an end within the second after it was due.
        tokio::time::sleep(Duration::from_secs(u64::try_from(wait).unwrap() + 1)).await;
    }
    assert!(changes.try_recv().is_err(), "the same failure is no news");
}

#[tokio::test(start_paused = true)]
async fn a_wish_ends_the_wait() {
    let (shared, mut changes, _tasks) = run(refused(&Repository::new()));
    changes.recv().await.unwrap();
    assert!((5..=6).contains(&planned(&shared)));
    shared.ask(Cause::Wish);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!((10..=12).contains(&planned(&shared)), "asked again at once, and once");
}

#[tokio::test]
async fn a_mirror_that_answers_is_asked_again_within_the_interval_or_before_something_ends() {
    let place = Place::serving(Repository::new()).await;
    let (shared, mut changes, _tasks) = run(place.poll);
    changes.recv().await.unwrap();
    assert_eq!(shared.state().refresh, Refresh::UpToDate);
    assert!((540..=600).contains(&planned(&shared)), "{}", planned(&shared));

    let mut repository = Repository::new();
    repository.timestamp.expires = "2026-08-22T12:01:30Z";
    let place = Place::serving(repository).await;
    let (shared, mut changes, _tasks) = run(place.poll);
    changes.recv().await.unwrap();
    assert_eq!(planned(&shared), 90);
}

#[tokio::test]
async fn a_mirror_that_wishes_to_be_left_alone_is() {
    for (wish, shortest, longest) in [("120", 120, 120), ("1", 5, 6), ("999999", 3_600, 3_600)] {
        let place = Place::serving(Repository::new()).await;
        place.server.fail_everywhere(Fault::Status(429, vec![("Retry-After", wish.to_owned())]));
        let (shared, mut changes, _tasks) = run(place.poll);
        changes.recv().await.unwrap();
        let wait = planned(&shared);
        assert!((shortest..=longest).contains(&wait), "{wish}: {wait}");
        assert_eq!(place.server.asked().len(), 1, "{wish}");
    }
}

#[tokio::test]
async fn a_mirror_that_comes_back_is_asked_at_the_interval_again() {
    let place = Place::serving(Repository::new()).await;
    place.server.fail_everywhere(Fault::Status(500, Vec::new()));
    let (shared, mut changes, _tasks) = run(place.poll);
    changes.recv().await.unwrap();
    place.server.heal();
    shared.ask(Cause::Wish);
    changes.recv().await.unwrap();
    assert_eq!(shared.state().refresh, Refresh::UpToDate);
    assert!((540..=600).contains(&planned(&shared)));
    place.server.fail_everywhere(Fault::Status(500, Vec::new()));
    shared.ask(Cause::Wish);
    changes.recv().await.unwrap();
    assert!((5..=6).contains(&planned(&shared)), "the failures before are forgotten");
    assert!(shared.state().artifact.is_some());
}
