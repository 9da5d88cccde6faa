//! The webhooks as the API server sees them: HTTP requests in, answers out.

mod endpoints;
mod envelope;
mod faults;
mod metrics;
mod mutations;
mod properties;
mod trust_roots;
mod workloads;

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{Method, header::CONTENT_TYPE},
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use trustwright_policy::{NoLanguages, NoReferences, Policies, compile};
use trustwright_registry::{Client, ClientConfig, Proxies, Retries};
use trustwright_runtime::metrics::BuildInfo;

use super::*;

const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";
/// An image of a repository that nobody serves.
const IMAGE: &str = "127.0.0.1:1/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The time of all tests, within the validity of what `testkit` makes.
fn now() -> Timestamp {
    "2026-08-22T12:00:00Z".parse().unwrap()
}

/// The webhooks with policies of their own.
struct Server {
    router: Router,
    app: App,
    registry: trustwright_runtime::metrics::Metrics,
}

impl Server {
    fn new<const N: usize>(policies: [(&str, Value); N]) -> Self {
        let policies: Policies = policies
            .into_iter()
            .map(|(name, spec)| {
                let spec = serde_json::from_value(spec).unwrap();
                (name.to_owned(), Arc::new(compile(name, &spec, &NoReferences, &NoLanguages)))
            })
            .collect();
        let config = ClientConfig {
            retries: Retries { attempts: 0, ..ClientConfig::default().retries },
            proxies: Proxies::None,
            ..ClientConfig::default()
        };
        let build = BuildInfo { version: "1", revision: "2" };
        let mut registry = trustwright_runtime::metrics::Metrics::new("trustwright", &build);
        let metrics = Metrics::register(registry.own());
        let app = App {
            snapshot: Arc::new(ArcSwap::from_pointee(Snapshot { policies, ..Snapshot::default() })),
            engine: Engine::new(Client::new(&config).unwrap()).counting(metrics.engine()),
            metrics,
            pull_secrets: PullSecrets::new(crate::credentials::tests::no_api_server()),
            denials: crate::denials().0,
            readiness: Readiness::new(&[]),
            namespace: "trustwright-system".into(),
            languages: Arc::new(NoLanguages),
            clock: now,
        };
        let faulty =
            async |State(app): State<App>, body: super::Body| Endpoint::Faulty.answer(&app, None, body).await;
        let router = Router::new()
            .route("/faulty", post(faulty))
            .with_state(app.clone())
            .merge(router(app.clone(), Limits::default()));
        Self { router, app, registry }
    }

    /// The same, with other pull secrets.
    fn pulling(self, pull_secrets: PullSecrets) -> Self {
        let app = App { pull_secrets, ..self.app };
        Self { router: router(app.clone(), Limits::default()), app, ..self }
    }

    /// Sends a request and returns the answer with its body.
    async fn send(&self, request: axum::http::Request<Body>) -> (Response<()>, Vec<u8>) {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        (Response::from_parts(parts, ()), body)
    }

    /// Posts a body and returns the status and the text of the answer.
    async fn post(&self, path: &str, body: impl Into<Body>) -> (u16, String) {
        let request = axum::http::Request::post(path).body(body.into()).unwrap();
        let (answer, body) = self.send(request).await;
        (answer.status().as_u16(), String::from_utf8(body).unwrap())
    }

    /// Asks with another method and one header.
    async fn ask(&self, method: Method, path: &str, header: (&str, &str)) -> (u16, String) {
        let request = axum::http::Request::builder().method(method).uri(path).header(header.0, header.1);
        let (answer, body) = self.send(request.body(Body::empty()).unwrap()).await;
        (answer.status().as_u16(), String::from_utf8(body).unwrap())
    }

    /// Posts a review and returns its response, having checked everything that all responses share.
    async fn review(&self, path: &str, review: &Value) -> Value {
        let request = axum::http::Request::post(path).body(Body::from(review.to_string())).unwrap();
        let (answer, body) = self.send(request).await;
        let text = String::from_utf8_lossy(&body);
        assert_eq!(answer.status(), StatusCode::OK, "{text}");
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(answer["kind"], "AdmissionReview");
        assert_eq!(answer["request"], Value::Null);
        let response = &answer["response"];
        assert_eq!(response["uid"], review["request"]["uid"]);
        if response["allowed"] == false {
            assert_eq!(response["status"]["status"], "Failure");
            assert_eq!(response["status"]["reason"], "BadRequest");
            assert_eq!(response["status"]["code"], 400);
            assert_eq!(response["patch"], Value::Null);
        }
        response.clone()
    }

    /// Has a review admitted, without a warning.
    async fn admits(&self, path: &str, review: &Value) {
        let response = self.review(path, review).await;
        assert_eq!(response["allowed"], true, "{response} to {review}");
        assert_eq!(response["warnings"], Value::Null);
    }

    /// Has a review refused and returns why.
    async fn refuses(&self, path: &str, review: &Value) -> String {
        let response = self.review(path, review).await;
        assert_eq!(response["allowed"], false, "{review}");
        response["status"]["message"].as_str().unwrap().to_owned()
    }

    fn metrics(&self) -> String {
        self.registry.encode().unwrap()
    }

    /// The value of one line of the metrics.
    fn metric(&self, name: &str) -> Option<u64> {
        let text = self.metrics();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map(|value| value.parse().unwrap())
    }
}

fn policy(mode: &str, glob: &str, authority: &Value) -> Value {
    json!({"mode": mode, "images": [{"glob": glob}], "authorities": [{"static": authority}]})
}

/// A policy that admits every image.
fn pass() -> Value {
    policy("enforce", "**", &json!({"action": "pass"}))
}

/// A policy that refuses every image, or warns of it.
fn fail(mode: &str) -> Value {
    policy(mode, "**", &json!({"action": "fail", "message": "not here"}))
}

/// The request to create an object.
fn create(group: &str, kind: &str, spec: &Value) -> Value {
    let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let resource = format!("{}s", kind.to_lowercase());
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": UID, "name": "n", "namespace": "ns", "operation": "CREATE", "dryRun": false,
            "kind": {"group": group, "version": "v1", "kind": kind},
            "resource": {"group": group, "version": "v1", "resource": resource},
            "userInfo": {"username": "system:admin", "groups": ["system:masters"]},
            "object": {"apiVersion": api_version, "kind": kind, "metadata": {"name": "n"}, "spec": spec},
            "oldObject": null, "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        },
    })
}

fn pod_with(spec: &Value) -> Value {
    create("", "Pod", spec)
}

/// The request to create a pod of one container.
fn pod(image: &str) -> Value {
    pod_with(&json!({"containers": [{"name": "c", "image": image}]}))
}

/// The same request with `value` at `pointer`, a member of an object.
fn with(mut review: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    review.pointer_mut(parent).unwrap()[key] = value;
    review
}

/// The same request without `key` of the object at `parent`.
fn without(mut review: Value, parent: &str, key: &str) -> Value {
    review.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    review
}
