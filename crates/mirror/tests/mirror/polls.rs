use trustwright_mirror::{Conditional, Error, Invalid, Outcome, Validators};

use super::{
    LIMIT, deadline, mirror, read,
    server::{Answer, Seen, Server},
};

const ETAG: &str = "W/\"abc\"";
const CHANGED: &str = "Sun, 22 Nov 2026 10:00:00 GMT";

/// A mirror that has no next root, and a timestamp that does not change.
fn quiet(seen: &Seen, _: usize) -> Answer {
    match seen.target.as_str() {
        "/timestamp.json" if seen.header("If-None-Match") == Some(ETAG) => Answer::new(304, ""),
        "/timestamp.json" => Answer::ok("{}").with("ETag", ETAG).with("Last-Modified", CHANGED),
        _ => Answer::new(404, "<html>no such file</html>").with("Content-Type", "text/html"),
    }
}

#[tokio::test]
async fn a_quiet_poll_is_two_requests_on_one_connection() {
    let server = Server::start(quiet).await;
    let mirror = mirror(&server.url("/"));
    let first = mirror.get_if_changed("timestamp.json", None, LIMIT, deadline()).await.unwrap();
    let Conditional::Body(bytes, validators) = first else { panic!("{first:?}") };
    assert_eq!(bytes.as_ref(), b"{}");
    assert_eq!(validators, Validators { etag: Some(ETAG.into()), last_modified: Some(CHANGED.into()) });

    let before = mirror.requests();
    assert_eq!(mirror.get("2.root.json", LIMIT, deadline()).await.unwrap(), None);
    let again = mirror.get_if_changed("timestamp.json", Some(&validators), LIMIT, deadline()).await.unwrap();
    assert_eq!(again, Conditional::NotModified);
    let after = mirror.requests();
    assert_eq!(after.sent() - before.sent(), 2);
    assert_eq!((after.count(Outcome::NotFound), after.count(Outcome::NotModified)), (1, 1));
    assert_eq!(server.connections(), 1);
    assert_eq!(server.seen()[2].header("If-Modified-Since"), Some(CHANGED));
}

#[tokio::test]
async fn another_validator_brings_the_file() {
    let server = Server::start(quiet).await;
    let mirror = mirror(&server.url("/"));
    for validators in [
        Validators::default(),
        Validators { etag: Some("\"old\"".into()), last_modified: None },
        Validators { etag: Some("a\r\nHost: evil".into()), last_modified: Some("\n".into()) },
    ] {
        let answer = mirror.get_if_changed("timestamp.json", Some(&validators), LIMIT, deadline()).await;
        assert!(matches!(answer.unwrap(), Conditional::Body(..)));
    }
    assert_eq!(server.seen()[2].header("If-None-Match"), None);
    assert!(server.seen().iter().all(|seen| seen.header("Host") == Some(&server.host)));
}

#[tokio::test]
async fn unchanged_without_a_condition_is_no_answer() {
    let server = Server::start(|_, _| Answer::new(304, "")).await;
    let mirror = mirror(&server.url("/"));
    for validators in [None, Some(&Validators::default())] {
        let error = mirror.get_if_changed("timestamp.json", validators, LIMIT, deadline()).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { what: Invalid::NotModified, .. }), "{error}");
    }
    let known = Validators { etag: Some(ETAG.into()), last_modified: None };
    let answer = mirror.get_if_changed("timestamp.json", Some(&known), LIMIT, deadline()).await.unwrap();
    assert_eq!(answer, Conditional::NotModified);
}

#[tokio::test]
async fn validators_that_nobody_needs_are_none() {
    let long = format!("\"{}\"", "a".repeat(300));
    let server =
        Server::start(move |_, _| Answer::ok("{}").with("ETag", long.clone()).with("Last-Modified", "é"));
    let server = server.await;
    let answer = mirror(&server.url("/")).get_if_changed("timestamp.json", None, LIMIT, deadline()).await;
    assert_eq!(answer.unwrap(), Conditional::Body("{}".into(), Validators::default()));
}

#[tokio::test]
async fn not_found_and_forbidden_are_absences() {
    for (status, outcome) in [(404, Outcome::NotFound), (403, Outcome::Forbidden)] {
        let server = Server::start(move |_, _| Answer::new(status, "<Error/>")).await;
        let mirror = mirror(&server.url("/"));
        assert_eq!(read(&mirror).await.unwrap(), None);
        let answer = mirror.get_if_changed("timestamp.json", None, LIMIT, deadline()).await.unwrap();
        assert_eq!(answer, Conditional::Absent);
        assert_eq!((mirror.requests().count(outcome), mirror.requests().sent()), (2, 2));
    }
}
