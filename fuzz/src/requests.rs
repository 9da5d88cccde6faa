//! What comes with HTTP.

/// The header with which a registry asks for credentials.
pub(crate) mod www_authenticate {
    use axum::http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        [
            r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:x:pull""#,
            r#"Basic realm="r", Bearer realm="https://auth.example/token?a=b""#,
            "Basic",
        ]
        .map(|header| header.as_bytes().to_vec())
        .into()
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        let Ok(value) = HeaderValue::from_bytes(data) else { return false };
        trustwright_registry::has_challenge(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]))
    }
}

/// An `AdmissionReview`, sent to every path of the webhooks. No policy matches, so that nothing may pass but what is no
/// image's.
pub(crate) mod admission_review {
    use std::{cell::LazyCell, sync::Arc};

    use arc_swap::ArcSwap;
    use axum::{Router, body::Body, http::Request};
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};
    use tokio::runtime::Runtime;
    use tower::ServiceExt as _;
    use trustwright_engine::Engine;
    use trustwright_policy::{NoLanguages, Snapshot};
    use trustwright_registry::{Client, ClientConfig, Proxies, Retries};
    use trustwright_runtime::{
        metrics::{BuildInfo, Metrics},
        probes::Readiness,
    };
    use trustwright_webhook::{App, Limits, PullSecrets, denials, router};

    use super::super::webhook::{creation, empty_api_server};

    thread_local! {
        static SERVER: LazyCell<(Runtime, Router)> = LazyCell::new(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            // The client of the API server has a task.
            let server = { let _entered = runtime.enter(); server() };
            (runtime, server)
        });
    }

    fn server() -> Router {
        let config = ClientConfig {
            retries: Retries { attempts: 0, ..ClientConfig::default().retries },
            proxies: Proxies::None,
            ..ClientConfig::default()
        };
        let mut metrics = Metrics::new("fuzz", &BuildInfo { version: "1", revision: "2" });
        let app = App {
            snapshot: Arc::new(ArcSwap::from_pointee(Snapshot::default())),
            engine: Engine::new(Client::new(&config).unwrap()),
            metrics: trustwright_webhook::Metrics::register(metrics.own()),
            pull_secrets: PullSecrets::new(empty_api_server()),
            denials: denials().0,
            languages: Arc::new(NoLanguages),
            readiness: Readiness::new(&[]),
            namespace: "trustwright-system".into(),
            clock: || jiff::Timestamp::UNIX_EPOCH,
        };
        router(app, Limits::default())
    }

    const IMAGE: &str =
        "127.0.0.1:1/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000";

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        let review = creation(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "labels": { "a": "b" } },
            "spec": { "initContainers": [], "containers": [{ "name": "c", "image": IMAGE }] },
        }));
        vec![review.to_string().into_bytes()]
    }

    fn send(path: &str, data: &[u8]) -> (u16, Value) {
        SERVER.with(|server| {
            let (runtime, router) = &**server;
            let request = Request::post(path).body(Body::from(data.to_vec())).unwrap();
            runtime.block_on(async {
                let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
            })
        })
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        let mut answered = false;
        for path in ["/validations?timeout=1s", "/defaulting?timeout=1s", "/validating?timeout=1s"] {
            let (status, answer) = send(path, data);
            assert!(status == 200 || status == 400, "{path}: {status}");
            answered |= status == 200;
            // With an image in a Pod that is created, and no policy for it, there is nothing to allow.
            let review: Value = serde_json::from_slice(data).unwrap_or_default();
            let request = &review["request"];
            let has_image = request["object"]["spec"]["containers"][0]["image"].is_string()
                && request["operation"] == "CREATE"
                && request["resource"]["resource"] == "pods"
                && request["resource"]["group"] == ""
                && request["kind"]["kind"] == "Pod"
                && request["subResource"].is_null()
                && request["object"]["metadata"]["deletionTimestamp"].is_null();
            if path.starts_with("/validations") && status == 200 && has_image {
                assert_eq!(answer["response"]["allowed"], false, "{answer}");
            }
        }
        answered
    }
}
