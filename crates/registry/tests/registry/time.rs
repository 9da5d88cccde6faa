use std::time::{Duration, Instant as Clock};

use tokio::time::Instant;
use trustwright_core::Reason;
use trustwright_registry::{Client, ClientConfig, Credential, Error, Outage, Reference, Timeouts};

use super::{
    LEAK, assert_silent, client, config, deadline, repository,
    server::{Answer, Server},
};

async fn read(client: &Client, host: &str, deadline: Instant) -> Result<(), Error> {
    let reference = Reference::Tag("v1".into());
    client.manifest(&repository(host), &reference, &Credential::Anonymous, deadline).await.map(|_| ())
}

#[tokio::test]
async fn what_passes_is_tried_again_twice() {
    for fault in [Answer::new(500, LEAK), Answer::new(503, LEAK), Answer::new(429, LEAK), Answer::closed()] {
        for (faults, good) in [(1, true), (2, true), (3, false)] {
            let answer = fault.clone();
            let server = Server::start(move |_, before| match before {
                // The first answer settles which scheme the server speaks.
                0 => Answer::ok("{}"),
                before if before <= faults => answer.clone(),
                _ => Answer::ok("{}"),
            })
            .await;
            let client = client();
            read(&client, &server.host, deadline()).await.unwrap();
            let result = read(&client, &server.host, deadline()).await;
            assert_eq!(result.is_ok(), good, "{fault:?} {faults} {result:?}");
            assert_eq!(server.seen().len(), 1 + 3.min(faults + 1));
            if let Err(error) = result {
                assert_eq!(error.reason(), Reason::RegistryUnavailable);
                assert_silent(&error.to_string());
            }
        }
    }
}

#[tokio::test]
async fn retry_after_is_honoured_where_it_fits_and_ends_the_call_where_it_does_not() {
    for (seconds, good) in [("1", true), ("3600", false)] {
        let server = Server::start(move |_, before| match before {
            0 => Answer::new(429, "").with("Retry-After", seconds),
            _ => Answer::ok("{}"),
        })
        .await;
        let start = Clock::now();
        let result = read(&client(), &server.host, deadline()).await;
        assert_eq!(result.is_ok(), good);
        assert_eq!(start.elapsed() >= Duration::from_secs(1), good);
        assert_eq!(server.seen().len(), if good { 2 } else { 1 });
    }
}

#[tokio::test]
async fn the_deadline_ends_slow_headers_and_slow_bodies() {
    for answer in [Answer::silent(), Answer::stalled(), Answer::announced(1000)] {
        let server = Server::start(move |_, _| answer.clone()).await;
        let error =
            read(&client(), &server.host, Instant::now() + Duration::from_millis(300)).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert_eq!(error.reason(), Reason::DeadlineExceeded);
    }
}

#[tokio::test]
async fn the_request_limit_ends_them_before_the_deadline() {
    let timeouts = Timeouts { request: Duration::from_millis(300), ..config().timeouts };
    let client = Client::new(&ClientConfig { timeouts, ..config() }).unwrap();
    for answer in [Answer::silent(), Answer::stalled()] {
        let server = Server::start(move |_, _| answer.clone()).await;
        let start = Clock::now();
        assert!(matches!(read(&client, &server.host, deadline()).await, Err(Error::Timeout { .. })));
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_passed_deadline_makes_no_request() {
    let server = Server::start(|_, _| Answer::ok("{}")).await;
    let result = read(&client(), &server.host, Instant::now()).await;
    assert!(matches!(result, Err(Error::Timeout { .. })), "{result:?}");
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_unavailable() {
    let host = Server::start(|_, _| Answer::ok("{}")).await.host.clone();
    let error = read(&client(), &host, deadline()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { outage: Outage::Connect, .. }), "{error}");
    assert!(error.to_string().ends_with("/manifests/v1: connection failed"));
}

#[tokio::test]
async fn a_link_local_registry_is_refused() {
    for host in ["169.254.169.254", "[fe80::1]:80", "2852039166:80"] {
        let error = read(&client(), host, deadline()).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{host}: {error}");
    }
}
