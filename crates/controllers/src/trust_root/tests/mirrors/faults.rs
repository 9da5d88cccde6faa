//! Mirrors that fail.

use tokio::time::Instant;

use super::*;
use crate::trust_root::refresh::{Start, refresh};

/// Every way to fail, and what is said of it.
fn faults() -> Vec<(&'static str, Fault, Reason, &'static str)> {
    let status = |status| Fault::Status(status, Vec::new());
    let unavailable = Reason::MirrorUnavailable;
    vec![
        ("403", status(403), unavailable, "the mirror has no timestamp.json"),
        ("404", status(404), unavailable, "the mirror has no timestamp.json"),
        ("401", status(401), unavailable, "wants a credential"),
        ("410", status(410), unavailable, "unexpected status 410"),
        ("500", status(500), unavailable, "mirror answers 500"),
        ("429", status(429), unavailable, "mirror answers 429"),
        ("truncated", Fault::Truncated, unavailable, "answer broke off before its end"),
        ("endless", Fault::Endless, unavailable, "longer than"),
        ("hanging", Fault::Hang, unavailable, "no further piece of the answer in time"),
        ("closed", Fault::Closed, unavailable, "connection broken"),
        ("captive portal", Fault::Portal, unavailable, "answer is a web page (text/html), not metadata"),
        ("dead redirect", Fault::Redirect("http://127.0.0.1:9".to_owned()), unavailable, "connection failed"),
        (
            "link-local redirect",
            Fault::Redirect("http://169.254.169.254".to_owned()),
            unavailable,
            "link-local",
        ),
        (
            "JSON of another kind",
            Fault::Content(b"{\"a\": 1}".to_vec()),
            Reason::VerificationFailed,
            "timestamp.json",
        ),
        ("no JSON", Fault::Content(b"timestamp".to_vec()), Reason::VerificationFailed, "timestamp.json"),
        ("nothing", Fault::Content(Vec::new()), Reason::VerificationFailed, "timestamp.json"),
    ]
}

#[tokio::test]
async fn each_fault_of_the_timestamp_has_its_reason_and_the_same_words_twice() {
    let mut first = Place::serving(Repository::new()).await;
    let mut place = Place::in_force(Repository::new()).await;
    for (name, fault, reason, expected) in faults() {
        first.fail("timestamp.json", fault.clone());
        let at_first = first.refuses(reason).await;
        assert!(at_first.contains(expected), "{name}: {at_first}");
        assert!(first.state().artifact.is_none(), "{name}");

        place.fail("timestamp.json", fault);
        let message = place.refuses(reason).await;
        assert!(message.len() < 400 && !message.contains('\n'), "{name}: {message}");
        assert!(place.state().refreshed_at.is_some());
        place.heal();
        first.heal();
        assert!(place.ask().await, "{name}: the end of it is news");
        place.expect_up_to_date();
    }
}

#[tokio::test]
async fn each_fault_of_the_next_root_fails_the_refresh_unless_it_says_that_there_is_none() {
    let mut place = Place::in_force(Repository::new()).await;
    for (name, fault, ..) in faults() {
        place.fail("2.root.json", fault);
        place.ask().await;
        place.heal();
        if ["403", "404"].contains(&name) {
            place.expect_up_to_date();
            continue;
        }
        let Refresh::Failed(failure) = place.state().refresh else { panic!("{name}: taken for none") };
        let reasons = [Reason::MirrorUnavailable, Reason::VerificationFailed];
        assert!(reasons.contains(&failure.reason), "{name}: {failure:?}");
        assert_eq!(place.versions(), [1, 1, 1, 1], "{name}");
    }
}

#[tokio::test]
async fn each_file_of_a_full_refresh_can_fail_and_the_next_refresh_goes_on() {
    let mut place = Place::in_force(Repository::new()).await;
    let faults = [Fault::Truncated, Fault::Closed, Fault::Portal, Fault::Status(404, Vec::new())];
    let files = ["timestamp", "snapshot", "targets"];
    for (file, fault) in files.iter().flat_map(|file| faults.iter().map(move |fault| (file, fault))) {
        place.repository.advance();
        let version = place.repository.targets.version;
        let path =
            if *file == "timestamp" { "timestamp.json".to_owned() } else { format!("{version}.{file}.json") };
        place.publish();
        place.server.fail(&path, fault.clone());
        let message = place.refuses(Reason::MirrorUnavailable).await;
        assert!(message.contains(&path), "{path} {fault:?}: {message}");
        place.server.heal();
        assert!(place.ask().await);
        assert_eq!(place.versions(), [1, version, version, version], "{path} {fault:?}");
    }
}

#[tokio::test]
async fn a_target_that_is_not_the_one_that_was_signed_for_is_refused() {
    let mut place = Place::in_force(Repository::new()).await;
    super::super::support::change_material(&mut place.repository);
    place.publish();
    let file = &place.repository.files["trusted_root.json"];
    let path = place.repository.target_path("trusted_root.json", file);
    let mut wrong = file.clone();
    wrong[10] ^= 1;
    place.server.fail(&path, Fault::Content(wrong));
    let message = place.refuses(Reason::VerificationFailed).await;
    assert!(message.contains("sha256"), "{message}");
    place.server.fail(&path, Fault::Content(vec![b' '; 1 << 20]));
    place.refuses(Reason::MirrorUnavailable).await;
    place.server.heal();
    assert!(place.ask().await);
    place.expect_up_to_date();
}

#[tokio::test]
async fn a_redirect_to_another_host_is_followed() {
    let mut place = Place::in_force(Repository::new()).await;
    place.repository.advance();
    let other = HttpServer::start(&place.repository.publish()).await.unwrap();
    place.server.fail_everywhere(Fault::Redirect(other.url().to_owned()));
    assert!(place.ask().await);
    place.expect_up_to_date();
    assert_eq!(place.versions(), [1, 2, 2, 2]);
    assert_eq!(other.asked().len(), place.asked().len());
}

#[tokio::test]
async fn a_redirect_without_end_is_refused() {
    let mut place = Place::in_force(Repository::new()).await;
    place.server.fail_everywhere(Fault::Redirect(place.server.url().to_owned()));
    let message = place.refuses(Reason::MirrorUnavailable).await;
    assert!(message.contains("redirects"), "{message}");
    assert_eq!(place.asked().len(), 12, "the first request and five more, twice");
}

#[tokio::test]
async fn a_wish_to_be_left_alone_is_heard_wherever_it_is_said() {
    let wish = |status, seconds: &str| Fault::Status(status, vec![("Retry-After", seconds.to_owned())]);
    for (path, status) in [("2.root.json", 429), ("timestamp.json", 429), ("timestamp.json", 503)] {
        let mut first = Place::serving(Repository::new()).await;
        first.server.fail(path, wish(status, "120"));
        first.ask().await;
        assert_eq!(first.retry_after, Some(Duration::from_mins(2)), "{path} {status} at first");
        let mut place = Place::in_force(Repository::new()).await;
        place.server.fail(path, wish(status, "120"));
        place.ask().await;
        let message = place.expect_failure(Reason::MirrorUnavailable);
        assert!(!message.contains("120"), "a wish that changes is no other failure: {message}");
        assert_eq!(place.retry_after, Some(Duration::from_mins(2)), "{path} {status}");
        place.server.fail(path, wish(status, "60"));
        assert!(!place.ask().await);
        place.server.heal();
        place.ask().await;
        assert_eq!(place.retry_after, None);
    }
}

#[tokio::test]
async fn of_a_body_without_end_no_more_is_taken_than_the_file_may_have() {
    for path in ["2.root.json", "timestamp.json"] {
        let mut place = Place::in_force(Repository::new()).await;
        let before = place.server.sent();
        place.server.fail(path, Fault::Endless);
        place.ask().await;
        place.expect_failure(Reason::MirrorUnavailable);
        // What the two ends of a connection buffer comes on top; a gigabyte was on offer.
        let taken = place.server.sent() - before;
        assert!(taken < 32 << 20, "{path}: {taken} bytes");
    }
}

#[tokio::test]
async fn a_body_that_never_pauses_and_never_ends_is_given_up_at_the_deadline() {
    let place = Place::in_force(Repository::new()).await;
    place.server.fail("timestamp.json", Fault::Drip(Duration::from_millis(20)));
    let (known, floor) = (place.artifact(), place.state().floor.for_download());
    for known in [Some(&*known), None] {
        let begun = Instant::now();
        let start = Start {
            mirror: &place.poll.mirror,
            anchor: &place.poll.anchor,
            known,
            floor: &floor,
            validators: None,
            now: at(BEFORE),
            deadline: begun + Duration::from_secs(1),
        };
        let failed = refresh(&start).await.err().expect("there is no end to wait for");
        assert_eq!(failed.failure.reason, Reason::MirrorUnavailable);
        assert!(failed.failure.message.contains("no complete answer in time"), "{}", failed.failure.message);
        assert!((1..10).contains(&begun.elapsed().as_secs()));
    }
}

#[tokio::test]
async fn a_mirror_that_is_gone_is_said_to_be_and_what_is_in_force_stays() {
    let mut place = Place::in_force(Repository::new()).await;
    place.poll.mirror = {
        let gone = HttpServer::start(&place.repository.publish()).await.unwrap();
        mirror(gone.url())
    };
    // The port is closed once the server's task has ended.
    while std::net::TcpStream::connect(place.poll.mirror.base().socket_addrs(|| None).unwrap()[0]).is_ok() {
        tokio::task::yield_now().await;
    }
    let message = place.refuses(Reason::MirrorUnavailable).await;
    assert!(message.contains("connection failed"), "{message}");
}
