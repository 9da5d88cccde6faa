//! What the webhooks need around them: also for the test of the conformance suite's cases.

use serde_json::{Value, json};

/// An API server that has none of the objects that it is asked for.
pub(crate) fn empty_api_server() -> kube::Client {
    let nothing = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#;
    let answer = async |_: axum::http::Request<kube::client::Body>| {
        let response = axum::http::Response::builder().status(404);
        Ok::<_, std::io::Error>(response.body(kube::client::Body::from(nothing.as_bytes().to_vec())).unwrap())
    };
    kube::Client::new(tower::service_fn(answer), "default")
}

/// The review of the creation of a Pod `p` in the namespace `n`.
pub(crate) fn creation(pod: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "name": "p", "namespace": "n", "operation": "CREATE", "userInfo": {}, "dryRun": false,
            "object": pod, "oldObject": null, "options": null,
        },
    })
}
