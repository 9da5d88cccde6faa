//! A stand-in for the API server whose faults can be switched on: it keeps objects by path, hands out
//! `resourceVersion`s and refuses writes over stale ones. Lists and watches are forbidden.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use kube::{Client, client::Body};
use serde_json::{Value, json};

/// How a client finds the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Answers.
    Fine,
    /// Never answers.
    Hanging,
    /// Answers 503.
    Overloaded,
    /// Refuses writes.
    ReadOnly,
}

#[derive(Clone, Default)]
pub(crate) struct ApiServer(Arc<Mutex<Store>>);

#[derive(Default)]
struct Store {
    objects: BTreeMap<String, Value>,
    version: u64,
    writes: u32,
}

/// The way from one client to the server.
#[derive(Clone)]
pub(crate) struct Link(Arc<Mutex<Mood>>);

impl Link {
    pub(crate) fn set(&self, mood: Mood) {
        *self.0.lock().unwrap() = mood;
    }
}

impl ApiServer {
    pub(crate) fn client(&self) -> (Client, Link) {
        let (server, link) = (self.clone(), Link(Arc::new(Mutex::new(Mood::Fine))));
        let mood = link.0.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (server, mood) = (server.clone(), *mood.lock().unwrap());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                // Lets others in between, as a network does.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                let (code, object) = match mood {
                    Mood::Hanging => std::future::pending().await,
                    Mood::Overloaded => failure(503, "ServiceUnavailable"),
                    // Only lists and watches have a selector.
                    _ if parts.uri.query().is_some_and(|query| query.contains("fieldSelector")) => {
                        failure(403, "Forbidden")
                    }
                    Mood::ReadOnly if parts.method != Method::GET => failure(403, "Forbidden"),
                    Mood::Fine | Mood::ReadOnly => {
                        server.0.lock().unwrap().answer(&parts.method, parts.uri.path(), &body)
                    }
                };
                let response =
                    Response::builder().status(code).body(Full::new(Bytes::from(object.to_string())));
                Ok::<_, std::convert::Infallible>(response.unwrap())
            }
        });
        (Client::new(service, "default"), link)
    }

    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().objects.get(path).cloned()
    }

    pub(crate) fn put(&self, path: &str, object: Value) {
        self.0.lock().unwrap().store(path, object);
    }

    pub(crate) fn writes(&self) -> u32 {
        self.0.lock().unwrap().writes
    }
}

impl Store {
    fn answer(&mut self, method: &Method, path: &str, body: &[u8]) -> (u16, Value) {
        match *method {
            Method::GET => match self.objects.get(path) {
                Some(object) => (200, object.clone()),
                None => failure(404, "NotFound"),
            },
            Method::POST => {
                let object: Value = serde_json::from_slice(body).unwrap();
                let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
                if self.objects.contains_key(&path) {
                    return failure(409, "AlreadyExists");
                }
                self.writes += 1;
                (201, self.store(&path, object))
            }
            Method::PUT => {
                let object: Value = serde_json::from_slice(body).unwrap();
                let Some(present) = self.objects.get(path) else { return failure(404, "NotFound") };
                if object["metadata"]["resourceVersion"] != present["metadata"]["resourceVersion"] {
                    return failure(409, "Conflict");
                }
                self.writes += 1;
                (200, self.store(path, object))
            }
            _ => failure(405, "MethodNotAllowed"),
        }
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
        "message": reason, "code": code, "metadata": {}});
    (code, status)
}
