//! What a poll costs, and which news it finds.

use trustwright_testkit::http::Offered;

use super::*;

#[tokio::test]
async fn a_first_download_asks_for_each_file_once() {
    let mut place = Place::serving(Repository::new()).await;
    assert!(place.ask().await);
    place.expect_up_to_date();
    let asked = place.asked();
    assert_eq!(
        asked[..4],
        ["2.root.json 404", "timestamp.json 200", "1.snapshot.json 200", "1.targets.json 200"]
    );
    assert!(asked[4].starts_with("targets/") && asked[4].ends_with(".trusted_root.json 200"), "{asked:?}");
    assert_eq!(asked.len(), 5);
    assert_eq!(place.versions(), [1, 1, 1, 1]);
    assert_eq!(place.state().refreshed_at, Some(at(BEFORE)));
    place.expect_restorable();
}

#[tokio::test]
async fn a_quiet_poll_is_two_requests_whatever_validators_the_mirror_has() {
    for (offered, timestamp) in [
        (Offered::Both, "timestamp.json? 304"),
        (Offered::Etag, "timestamp.json? 304"),
        (Offered::LastModified, "timestamp.json? 304"),
        (Offered::None, "timestamp.json 200"),
    ] {
        let mut place = Place::serving(Repository::new()).await;
        place.server.offer(offered);
        place.ask().await;
        place.asked();
        let before = place.artifact();
        for _ in 0..3 {
            assert!(!place.ask().await, "{offered:?}");
            place.expect_up_to_date();
            assert_eq!(place.asked(), ["2.root.json 404", timestamp], "{offered:?}");
        }
        assert!(Arc::ptr_eq(&place.artifact(), &before), "{offered:?}");
    }
}

#[tokio::test]
async fn a_new_leader_with_what_the_status_held_asks_twice_and_then_quietly() {
    let known = Place::in_force(Repository::new()).await;
    let artifact = known.artifact();
    let mut place = Place::serving(known.repository.clone()).await;
    place.poll.shared.state().artifact = Some(artifact);
    assert!(place.ask().await, "that the mirror serves the same is news for the conditions");
    assert_eq!(place.asked(), ["2.root.json 404", "timestamp.json 200"]);
    assert!(!place.ask().await);
    assert_eq!(place.asked(), ["2.root.json 404", "timestamp.json? 304"]);
}

#[tokio::test]
async fn news_are_read_whole_and_what_is_known_is_not_read_again() {
    let mut place = Place::in_force(Repository::new()).await;
    let fingerprint = |place: &Place| {
        let root = Root::of_artifact(&place.artifact(), super::super::support::KEEP, at(BEFORE));
        root.trusted.unwrap().fingerprint().to_string()
    };
    let before = fingerprint(&place);
    place.repository.advance();
    place.publish();
    assert!(place.ask().await);
    assert_eq!(place.versions(), [1, 2, 2, 2]);
    assert_eq!(
        place.asked(),
        [
            "2.root.json 404",
            "timestamp.json? 200",
            "2.root.json 404",
            "timestamp.json 200",
            "2.snapshot.json 200",
            "2.targets.json 200",
        ]
    );
    assert_eq!(fingerprint(&place), before);
    assert!(!place.ask().await);
    assert_eq!(place.asked(), ["2.root.json 404", "timestamp.json? 304"]);

    super::super::support::change_material(&mut place.repository);
    place.publish();
    assert!(place.ask().await);
    assert_ne!(fingerprint(&place), before);
    assert_eq!(place.state().floor.accepted.targets["targets"], 3);
    place.expect_restorable();
}

#[tokio::test]
async fn a_timestamp_alone_that_is_signed_again_is_put_in_force() {
    let mut place = Place::in_force(Repository::new()).await;
    place.repository.timestamp.version = 2;
    place.repository.timestamp.expires = "2026-10-07T00:00:00Z";
    place.publish();
    assert!(place.ask().await);
    assert_eq!(place.versions(), [1, 2, 1, 1]);
    assert_eq!(place.asked().len(), 4);
}

#[tokio::test]
async fn a_timestamp_of_the_same_version_in_other_bytes_changes_nothing() {
    let mut place = Place::in_force(Repository::new()).await;
    let before = place.artifact();
    let mut files = place.repository.publish();
    let mut timestamp = files.get("timestamp.json").unwrap().to_vec();
    timestamp.push(b'\n');
    files.insert("timestamp.json", timestamp);
    place.server.serve(&files);
    assert!(!place.ask().await);
    place.expect_up_to_date();
    assert!(Arc::ptr_eq(&place.artifact(), &before), "TUF specification 5.4.3.1");
    place.asked();
    assert!(!place.ask().await);
    assert_eq!(place.asked(), ["2.root.json 404", "timestamp.json? 304"]);
}

#[tokio::test]
async fn unchanged_extends_nothing_once_metadata_has_expired() {
    let mut repository = Repository::new();
    repository.timestamp.expires = "2026-09-01T00:00:00Z";
    let mut place = Place::in_force(repository).await;
    place.repository.timestamp.version = 2;
    place.repository.timestamp.expires = "2026-09-30T00:00:00Z";
    place.publish();
    // A cache in between that says so whatever happens behind it.
    place.server.fail("timestamp.json", Fault::Unchanged);
    assert!(!place.ask().await, "nothing has expired: its word is taken");
    assert_eq!(place.asked(), ["2.root.json 404", "timestamp.json? 304"]);
    place.poll.clock = || at(SOON);
    assert!(place.ask().await);
    assert_eq!(place.asked(), ["2.root.json 404", "timestamp.json 200"]);
    assert_eq!(place.versions(), [1, 2, 1, 1]);
}

#[tokio::test]
async fn a_mirror_that_has_nothing_newer_than_what_expired_is_told_so_and_what_was_verified_stays() {
    let mut place = Place::in_force(Repository::new()).await;
    place.poll.clock = || at(AFTER);
    let message = place.refuses(Reason::Expired).await;
    assert_eq!(message, "the mirror serves a root that expired at 2026-09-30T00:00:00Z");
    assert_eq!(place.asked(), ["2.root.json 404", "2.root.json 404"], "there is no use in the others");
    place.expect_restorable();
    place.repository.rotate(|repository| {
        for role in [
            &mut repository.root,
            &mut repository.timestamp,
            &mut repository.snapshot,
            &mut repository.targets,
        ] {
            role.expires = "2026-12-01T00:00:00Z";
        }
    });
    place.repository.advance();
    place.publish();
    assert!(place.ask().await);
    place.expect_up_to_date();
    assert_eq!(place.versions(), [2, 2, 2, 2]);
}

#[tokio::test]
async fn a_new_root_is_found_behind_a_timestamp_that_says_unchanged() {
    let mut place = Place::in_force(Repository::new()).await;
    place.repository.rotate(|_| ());
    place.publish();
    place.server.fail("timestamp.json", Fault::Unchanged);
    assert!(place.ask().await);
    place.expect_up_to_date();
    assert_eq!(place.versions(), [2, 1, 1, 1]);
    place.expect_restorable();
    place.asked();
    assert!(!place.ask().await);
    assert_eq!(place.asked(), ["3.root.json 404", "timestamp.json? 304"]);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_costs_one_refresh() {
    // Files named by version are gone, those that are not are others than were signed for.
    for (consistent, reason) in [(true, Reason::MirrorUnavailable), (false, Reason::VerificationFailed)] {
        let mut repository = Repository::new();
        repository.consistent = consistent;
        let expires = repository.root.expires;
        let mut place = Place::serving(repository.until(expires)).await;
        place.repository.advance();
        place.server.serve_after("timestamp.json", place.repository.publish());
        place.ask().await;
        place.expect_failure(reason);
        assert!(place.state().artifact.is_none());
        assert!(place.ask().await);
        place.expect_up_to_date();
        assert_eq!(place.versions(), [1, 2, 2, 2]);
    }
}
