use std::{num::NonZeroU32, time::Duration};

use futures::future::join_all;
use tokio::time::Instant;
use trustwright_core::Reason;
use trustwright_registry::{
    Client, ClientConfig, Credential, Error, HostLimits, Operation, Outage, Outcome, Reference, Timeouts,
};

use super::{
    alice, config, deadline, digest_of, repository,
    server::{Answer, Server},
};

fn with(host_limits: HostLimits) -> Client {
    Client::new(&ClientConfig { host_limits, ..config() }).unwrap()
}

fn concurrent(limit: u32) -> HostLimits {
    HostLimits { concurrent_requests: NonZeroU32::new(limit).unwrap(), ..HostLimits::default() }
}

async fn read(client: &Client, host: &str, credential: &Credential, until: Instant) -> Result<(), Error> {
    client.manifest(&repository(host), &Reference::Tag("v1".into()), credential, until).await.map(|_| ())
}

/// A client that knows the server to speak plain HTTP, and is otherwise new.
async fn knowing(server: &Server, host_limits: HostLimits) -> Client {
    let client = with(host_limits);
    read(&client, &server.host, &Credential::Anonymous, deadline()).await.unwrap();
    client
}

#[tokio::test]
async fn as_many_requests_are_under_way_to_a_host_as_the_limit() {
    for answer in [Answer::silent(), Answer::stalled()] {
        for (limit, arrived) in [(2, 2), (3, 3), (4, 3)] {
            let answer = answer.clone();
            let server = Server::start(move |_, before| match before {
                0 => Answer::ok("{}"),
                _ => answer.clone(),
            })
            .await;
            let client = knowing(&server, concurrent(limit)).await;
            // The last one gives up before the others make room.
            let start = Instant::now();
            let reads = [800, 800, 400].map(|milliseconds| {
                let until = start + Duration::from_millis(milliseconds);
                read(&client, &server.host, &Credential::Anonymous, until)
            });
            let ended = join_all(reads).await;
            assert_eq!(server.seen().len(), 1 + arrived);
            let held: Vec<_> = ended.into_iter().filter_map(Result::err).filter(is_limited).collect();
            assert_eq!(held.len(), 3 - arrived);
            for error in held {
                assert_eq!(error.reason(), Reason::RegistryUnavailable);
                assert!(error.to_string().ends_with("not sent: too many requests to this host are waiting"));
            }
        }
    }
}

fn is_limited(error: &Error) -> bool {
    matches!(error, Error::Unavailable { outage: Outage::Limited, .. })
}

#[tokio::test]
async fn a_token_service_on_the_registry_s_host_is_reached_under_a_limit_of_one() {
    let server = Server::start(|seen, _| match &seen.authorization {
        Some(token) if token == "Bearer t" => Answer::ok("{}"),
        _ if seen.target.starts_with("/token") => Answer::ok(r#"{"token":"t"}"#),
        _ => Answer::new(401, "")
            .with("WWW-Authenticate", format!("Bearer realm=\"http://{}/token\"", seen.host)),
    })
    .await;
    let until = Instant::now() + Duration::from_secs(5);
    read(&with(concurrent(1)), &server.host, &alice(), until).await.unwrap();
}

#[tokio::test]
async fn a_host_that_asks_for_a_minute_is_left_alone_and_others_are_not() {
    for (header, paused) in [(Some("60"), true), (None, false)] {
        let throttled = header.map_or_else(
            || Answer::error(429, "TOOMANYREQUESTS"),
            |header| Answer::error(429, "TOOMANYREQUESTS").with("Retry-After", header),
        );
        let server = Server::start(move |_, before| match before {
            1..=3 => throttled.clone(),
            _ => Answer::ok("{}"),
        })
        .await;
        let other = Server::start(|_, _| Answer::ok("{}")).await;
        let client = knowing(&server, HostLimits::default()).await;
        let ask =
            async |host: &str, credential: Credential| read(&client, host, &credential, deadline()).await;
        let error = ask(&server.host, Credential::Anonymous).await.unwrap_err();
        assert!(error.to_string().ends_with(": TOOMANYREQUESTS"), "{error}");
        let seen = server.seen().len();
        let next = ask(&server.host, alice()).await;
        assert_eq!(next.is_err(), paused, "{next:?}");
        if let Err(error) = next {
            assert!(matches!(error, Error::Unavailable { outage: Outage::Paused { seconds: 40..=60 }, .. }));
            assert!(error.to_string().contains("not sent: the host has asked for a pause, of which "));
            assert_eq!(server.seen().len(), seen);
            assert_eq!(client.metrics().count(Operation::Manifest, Outcome::Held), 1);
        }
        ask(&other.host, Credential::Anonymous).await.unwrap();
    }
}

#[tokio::test]
async fn a_pause_that_fits_is_waited_for_by_all() {
    let server = Server::start(|_, before| match before {
        1 => Answer::new(429, "").with("Retry-After", "1"),
        _ => Answer::ok("{}"),
    })
    .await;
    let client = knowing(&server, HostLimits::default()).await;
    let start = Instant::now();
    let reads = (0..3).map(async |number| {
        // The first one meets the 429.
        while number > 0 && server.seen().len() < 2 {
            tokio::task::yield_now().await;
        }
        read(&client, &server.host, &Credential::Anonymous, deadline()).await
    });
    assert!(join_all(reads).await.iter().all(Result::is_ok));
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn no_host_gets_a_longer_pause_than_the_limit() {
    let server = Server::start(|_, before| match before {
        1 => Answer::new(429, "").with("Retry-After", "4000000000"),
        _ => Answer::ok("{}"),
    })
    .await;
    let timeouts = Timeouts { pause: Duration::from_millis(100), ..config().timeouts };
    let client = Client::new(&ClientConfig { timeouts, ..config() }).unwrap();
    let ask = async || read(&client, &server.host, &Credential::Anonymous, deadline()).await;
    ask().await.unwrap();
    assert!(ask().await.is_err());
    ask().await.unwrap();
}

#[tokio::test]
async fn requests_beyond_the_rate_wait_and_fail_where_they_would_wait_too_long() {
    let body = "{}";
    let server = Server::start(move |_, _| Answer::ok(body)).await;
    let rate = NonZeroU32::new(2).unwrap();
    let client = with(HostLimits { requests_per_second: rate, ..HostLimits::default() });
    let start = Instant::now();
    // The first one also finds the scheme, which is a request.
    let blob = async |until| {
        let repository = repository(&server.host);
        client.blob(&repository, &digest_of(body), 10, &Credential::Anonymous, until).await.map(|_| ())
    };
    blob(deadline()).await.unwrap();
    blob(deadline()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(450), "{:?}", start.elapsed());
    let error = blob(Instant::now() + Duration::from_millis(100)).await.unwrap_err();
    assert!(is_limited(&error), "{error}");
    assert_eq!(server.seen().len(), 2);
}
