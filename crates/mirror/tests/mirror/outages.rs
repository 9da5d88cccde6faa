use std::time::Duration;

use trustwright_mirror::{Error, Outage, Outcome};

use super::{
    LEAK, fail, mirror, read,
    server::{Answer, Server},
};

#[tokio::test]
async fn a_mirror_that_asks_for_patience_is_quoted_on_how_much() {
    let (now, later) = ("Sun, 22 Nov 2026 10:00:00 GMT", "Sun, 22 Nov 2026 10:02:00 GMT");
    for status in [429, 503] {
        for (wish, expected) in [("7", Some(7)), (later, Some(120)), ("soon", None)] {
            let answer = Answer::new(status, LEAK).with("Retry-After", wish).with("Date", now);
            let server = Server::start(move |_, _| answer.clone()).await;
            let error = fail(&mirror(&server.url("/"))).await;
            assert!(matches!(error, Error::Unavailable { status: s, .. } if s == status), "{error}");
            assert_eq!(error.retry_after(), expected.map(Duration::from_secs));
            assert_eq!(error.reason(), if status == 429 { "throttled" } else { "unavailable" });
        }
    }
}

#[tokio::test]
async fn a_mirror_that_fails_is_unavailable_and_is_asked_once() {
    for status in [500, 501, 502, 503, 504, 511, 599] {
        let server = Server::start(move |_, _| Answer::new(status, LEAK)).await;
        let mirror = mirror(&server.url("/"));
        let error = fail(&mirror).await;
        assert!(
            matches!(error, Error::Unavailable { status: s, retry_after: None, .. } if s == status),
            "{error}"
        );
        assert_eq!((mirror.requests().count(Outcome::ServerError), server.seen().len()), (1, 1));
    }
}

#[tokio::test]
async fn a_mirror_that_is_not_there_is_unreachable() {
    let url = Server::start(|_, _| Answer::ok("{}")).await.url("/");
    let mirror = mirror(&url);
    let error = fail(&mirror).await;
    assert!(matches!(error, Error::Unreachable { outage: Outage::Connect, .. }), "{error}");
    assert_eq!(error.to_string(), format!("GET {url}timestamp.json: connection failed"));
    assert_eq!(mirror.requests().count(Outcome::Transport), 1);
}

#[tokio::test]
async fn a_name_that_is_none_does_not_resolve() {
    let error = fail(&mirror("https://tuf.invalid/")).await;
    assert!(matches!(error, Error::Unreachable { outage: Outage::Dns, .. }), "{error}");
}

#[tokio::test]
async fn what_is_not_http_is_a_broken_connection() {
    let good = Server::start(|_, _| Answer::raw("HTTP/1.1 200 OK\r\n\r\n{}")).await;
    assert_eq!(read(&mirror(&good.url("/"))).await.unwrap().unwrap(), "{}");
    for answer in [Answer::closed(), Answer::raw("internal-secret-text\r\n\r\n"), Answer::raw("HTTP/1.1 2")] {
        let server = Server::start(move |_, _| answer.clone()).await;
        let error = fail(&mirror(&server.url("/"))).await;
        assert!(matches!(error, Error::Unreachable { outage: Outage::Connection, .. }), "{error}");
        assert_eq!(error.reason(), "connection");
    }
}

#[tokio::test]
async fn a_mirror_that_comes_back_is_read_again() {
    let server = Server::start(|_, before| match before {
        0 => Answer::closed(),
        1 => Answer::new(503, LEAK),
        _ => Answer::ok("{}"),
    })
    .await;
    let mirror = mirror(&server.url("/"));
    fail(&mirror).await;
    fail(&mirror).await;
    assert_eq!(read(&mirror).await.unwrap().unwrap(), "{}");
}
