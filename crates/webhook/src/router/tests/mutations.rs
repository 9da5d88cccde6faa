//! `/mutations`: tags pinned, or left with a warning.

use std::{net::TcpListener, time::Duration};

use futures::StreamExt as _;

use super::*;
use crate::credentials::tests::{empty_api_server, silent_api_server};

/// The key of python-tuf's test repository, as good as any.
const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEUluqUOWoNN5vhXc8zvjRhrGg2AKk
RVuK2AMeSiCX5kWoFGm6W++HToe7ux67kvrhOEl9TicWWZYJmFYOz2dxOA==
-----END PUBLIC KEY-----
";

#[tokio::test]
async fn a_tag_whose_registry_is_away_stays_with_a_warning_and_a_digest_is_left_alone() {
    let server = Server::new([]);
    // Nobody listens there any more.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tag = format!("127.0.0.1:{port}/a/b:1");
    let response = server.review("/mutations", &pod(&tag)).await;
    assert_eq!((&response["allowed"], &response["patch"]), (&json!(true), &Value::Null));
    let warnings = response["warnings"].as_array().unwrap();
    let start = format!("spec.containers[0].image: {tag} stays a tag: ");
    assert!(warnings[0].as_str().unwrap().starts_with(&start), "{warnings:?}");
    // The validating webhook then has the last word.
    server.refuses("/validations", &pod(&tag)).await;
    server.admits("/mutations", &pod(IMAGE)).await;
    server.admits("/mutations", &pod("in@valid")).await;
}

#[tokio::test]
async fn what_needs_no_verdict_is_not_changed_and_what_cannot_be_read_is_refused() {
    let server = Server::new([]);
    let tag = "127.0.0.1:1/a/b:1";
    let status =
        with(with(pod(tag), "/request/operation", json!("UPDATE")), "/request/subResource", json!("status"));
    server.admits("/mutations", &status).await;
    server.admits("/mutations", &with(pod(tag), "/request/operation", json!("DELETE"))).await;
    let unhandled = server.refuses("/mutations", &create("", "Service", &json!({}))).await;
    assert_eq!(unhandled, "decoding request failed: unhandled kind: v1, Kind=Service");
    let unreadable = server.refuses("/mutations", &pod_with(&json!({"containers": "x"}))).await;
    assert_eq!(unreadable, "decoding request failed: spec.containers: expected a list");
}

#[tokio::test]
async fn the_time_to_decide_in_is_the_one_that_the_request_names() {
    let server = Server::new([]);
    // Takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let review = pod(&format!("{}/a/b:1", silent.local_addr().unwrap()));
    let since = Instant::now();
    let response = server.review("/mutations?timeout=1s", &review).await;
    assert_eq!(response["allowed"], true);
    assert!(!response["warnings"][0].as_str().unwrap().is_empty());
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_time_in_which_a_request_arrives_is_part_of_it() {
    let review = pod("127.0.0.1:1/a/b:1").to_string();
    let slowly = |pause: Duration| {
        let (start, end) = review.split_at(review.len() / 2);
        let pieces = [(Duration::ZERO, start.to_owned()), (pause, end.to_owned())];
        Body::from_stream(futures::stream::iter(pieces).then(async |(pause, piece)| {
            tokio::time::sleep(pause).await;
            Ok::<_, std::convert::Infallible>(piece)
        }))
    };
    for pause in [0, 8].map(Duration::from_secs) {
        let server = Server::new([]).pulling(PullSecrets::new(silent_api_server()));
        let since = tokio::time::Instant::now();
        let (status, answer) = server.post("/mutations?timeout=10s", slowly(pause)).await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains("stays a tag"), "{answer}");
        let took = since.elapsed();
        assert!((Duration::from_secs(8)..Duration::from_secs(10)).contains(&took), "{took:?} with {pause:?}");
    }
}

#[tokio::test]
async fn evidence_is_looked_for_while_the_object_is_on_its_way() {
    // Takes connections and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let image = format!("{}/a/b@sha256:{}", silent.local_addr().unwrap(), "0".repeat(64));
    let keyless = json!({"keyless": {"identities": [{"issuer": "i", "subject": "s"}], "trustRootRef": "r"}});
    let key = json!({"key": {"data": KEY}});
    for (authority, asks) in [(keyless, false), (key, true)] {
        let policy = json!({"images": [{"glob": "**"}], "authorities": [authority]});
        let server = Server::new([("p", policy)]).pulling(empty_api_server());
        server.admits("/mutations", &pod(&image)).await;
        let flights = server.metric("trustwright_admission_evidence_total{answer=\"flight\"}");
        assert_eq!(flights, Some(u64::from(asks)), "{}", server.metrics());
        if asks {
            tokio::time::timeout(Duration::from_secs(10), silent.accept()).await.unwrap().unwrap();
        }
    }
}
