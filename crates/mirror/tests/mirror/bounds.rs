use std::time::{Duration, Instant as Clock};

use tokio::time::Instant;
use trustwright_mirror::{Error, Mirror, MirrorConfig, Outage, Timeouts, Wait};

use super::{
    LIMIT, PATIENCE, SHORT, config, deadline, fail, mirror, read,
    server::{Answer, Server},
};

#[tokio::test]
async fn a_file_of_the_limit_is_read_and_one_byte_more_is_not() {
    for (length, good) in [(LIMIT, true), (LIMIT + 1, false)] {
        let body = "a".repeat(usize::try_from(length).unwrap());
        let expected = body.clone();
        let server = Server::start(move |_, _| Answer::ok(body.clone())).await;
        match read(&mirror(&server.url("/"))).await {
            Ok(Some(text)) => assert!(good && text == expected),
            Err(Error::TooLarge { limit: LIMIT, .. }) => assert!(!good),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_endless_or_huge_file_ends_at_the_limit() {
    for answer in [
        Answer::endless("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Duration::ZERO),
        Answer::endless("   ", Duration::ZERO),
        Answer::announced(u64::MAX / 2, "{", false),
        Answer::announced(LIMIT + 1, "{", false),
    ] {
        let server = Server::start(move |_, _| answer.clone()).await;
        let start = Clock::now();
        let error = fail(&mirror(&server.url("/"))).await;
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        assert_eq!(error.reason(), "too_large");
        assert!(start.elapsed() < PATIENCE / 2);
    }
}

#[tokio::test]
async fn a_truncated_file_is_none() {
    let whole = Server::start(|_, _| Answer::announced(2, "{}", true)).await;
    assert_eq!(read(&mirror(&whole.url("/"))).await.unwrap().unwrap(), "{}");
    for answer in [
        Answer::announced(3, "{}", true),
        Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    ] {
        let server = Server::start(move |_, _| answer.clone()).await;
        let error = fail(&mirror(&server.url("/"))).await;
        assert!(matches!(error, Error::Unreachable { outage: Outage::Body, .. }), "{error}");
        assert_eq!(error.reason(), "broken_off");
    }
}

fn hurried(base: &str, timeouts: Timeouts) -> Mirror {
    Mirror::new(&MirrorConfig { timeouts, ..config(base) }).unwrap()
}

#[tokio::test]
async fn a_slow_first_byte_and_a_slow_piece_have_limits_of_their_own() {
    let patient = Timeouts { answer: PATIENCE, chunk: PATIENCE, ..Timeouts::default() };
    for (answer, timeouts, expected) in [
        (Answer::silent(), Timeouts { answer: SHORT, ..patient }, Wait::Answer),
        (Answer::announced(2, "{", false), Timeouts { chunk: SHORT, ..patient }, Wait::Chunk),
        (Answer::endless("a", PATIENCE), Timeouts { chunk: SHORT, ..patient }, Wait::Chunk),
    ] {
        let server = Server::start(move |_, _| answer.clone()).await;
        let start = Clock::now();
        let error = fail(&hurried(&server.url("/"), timeouts)).await;
        assert!(matches!(error, Error::Timeout { wait, .. } if wait == expected), "{error}");
        assert!(start.elapsed() < PATIENCE / 2);
    }
}

#[tokio::test]
async fn pieces_that_come_in_time_are_waited_for() {
    let server = Server::start(|_, _| Answer::chunks(&["{", "\"a\"", ":1", "}"])).await;
    let timeouts = Timeouts { chunk: Duration::from_secs(5), ..Timeouts::default() };
    assert_eq!(read(&hurried(&server.url("/"), timeouts)).await.unwrap().unwrap(), "{\"a\":1}");
}

#[tokio::test]
async fn the_deadline_ends_a_trickle_that_keeps_every_other_limit() {
    for answer in [Answer::endless("a", Duration::from_millis(20)), Answer::silent()] {
        let server = Server::start(move |_, _| answer.clone()).await;
        let start = Clock::now();
        let mirror = mirror(&server.url("/"));
        let error = mirror.get("timestamp.json", LIMIT, Instant::now() + SHORT).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { wait: Wait::Deadline, .. }), "{error}");
        assert!(start.elapsed() < PATIENCE / 2);
    }
}

#[tokio::test]
async fn a_passed_deadline_makes_no_request() {
    let server = Server::start(|_, _| Answer::ok("{}")).await;
    let mirror = mirror(&server.url("/"));
    let error = mirror.get("timestamp.json", LIMIT, Instant::now()).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { wait: Wait::Deadline, .. }), "{error}");
    assert_eq!((server.connections(), mirror.requests().sent()), (0, 0));
    assert!(mirror.get("timestamp.json", LIMIT, deadline()).await.unwrap().is_some());
}

#[tokio::test]
async fn an_absence_does_not_wait_for_the_body_that_explains_it() {
    for length in [9, 1 << 40] {
        let answer = Answer::announced(length, "n", false).with_status(404);
        let server = Server::start(move |_, _| answer.clone()).await;
        let mirror = hurried(&server.url("/"), Timeouts { chunk: SHORT, ..Timeouts::default() });
        let start = Clock::now();
        assert_eq!(read(&mirror).await.unwrap(), None);
        assert!(start.elapsed() < PATIENCE / 2);
    }
}
