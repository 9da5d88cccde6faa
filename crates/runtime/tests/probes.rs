//! The probes' routes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

use std::sync::Arc;

use axum::{Router, body::Body};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;
use trustwright_runtime::{
    metrics::{BuildInfo, CONTENT_TYPE, Metrics},
    probes::{Readiness, router},
};

async fn get(router: &Router, path: &str) -> (StatusCode, String, String) {
    let response = router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let media_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let status = response.status();
    let text = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (status, media_type, text)
}

#[tokio::test]
async fn probes_follow_the_process_through_its_life() {
    let readiness = Readiness::new(&["tls"]);
    let metrics = Metrics::new("trustwright", &BuildInfo { version: "1", revision: "2" });
    let router = router(readiness.clone(), Arc::new(metrics));

    assert_eq!(get(&router, "/livez").await.0, StatusCode::OK);
    assert_eq!(get(&router, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&router, "/readyz?verbose").await.2, "[-]tls not ready: not started\nnot ready\n");
    readiness.ready("tls");
    assert_eq!(get(&router, "/readyz").await.2, "ok\n");
    assert_eq!(get(&router, "/readyz?verbose=1").await.2, "[+]tls ok\nok\n");
    readiness.drain();
    assert_eq!(
        (get(&router, "/readyz").await.0, get(&router, "/readyz").await.2.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n")
    );
    assert_eq!(get(&router, "/livez").await.0, StatusCode::OK);

    let (status, media_type, text) = get(&router, "/metrics").await;
    assert_eq!((status, media_type.as_str()), (StatusCode::OK, CONTENT_TYPE));
    assert!(text.contains("trustwright_build_info"));
}
