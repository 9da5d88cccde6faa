//! A bug in one request.

use super::*;

#[tokio::test]
async fn a_panic_denies_its_request_and_the_next_one_is_served() {
    let server = Server::new([("pass", pass())]);
    let named = |name: &str| with(pod(IMAGE), "/request/name", json!(name));
    for count in 1..=2 {
        let message = server.refuses("/faulty", &named("bug")).await;
        assert_eq!(
            message,
            format!("faulty failed: an internal error, which denies; please report it (request {UID})")
        );
        assert_eq!(server.metric("trustwright_admission_panics_total"), Some(count));
        server.admits("/faulty", &named("no-bug")).await;
        server.admits("/validations", &named("bug")).await;
    }
    let denied = r#"trustwright_admission_total{endpoint="faulty",decision="deny"}"#;
    assert_eq!(server.metric(denied), Some(2));
    let internal = r#"trustwright_admission_findings_total{decision="deny",reason="internal"}"#;
    assert_eq!(server.metric(internal), Some(2));
    assert_eq!(server.metric("trustwright_admission_in_flight"), Some(0));
}

#[tokio::test]
async fn a_panic_leaves_the_requests_beside_it_alone() {
    let server = Server::new([("pass", pass())]);
    let requests = (0..64).map(|index| {
        let name = if index % 2 == 0 { "bug" } else { "no-bug" };
        let review = with(pod(IMAGE), "/request/name", json!(name));
        let server = &server;
        async move { (index, server.review("/faulty", &review).await) }
    });
    for (index, response) in futures::future::join_all(requests).await {
        assert_eq!(response["allowed"], index % 2 != 0);
    }
}
