//! HTTP: paths, limits, and answers in the form that the API server expects.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, RawQuery, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use kube::core::admission::AdmissionResponse;
use tokio::time::Instant;
use trustwright_engine::Engine;
use trustwright_policy::Snapshot;
use trustwright_runtime::probes::Readiness;

use crate::{
    Metrics, admission, conversion, deadline,
    guard::guard,
    mutation, objects,
    review::{self, Request},
};

/// Sizes that a request may have.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest request body, in bytes. The API server sends an object and its predecessor, of at most 3 MiB
    /// each as etcd takes them.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 8 << 20 }
    }
}

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct App {
    /// The policies in force.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Judges images.
    pub engine: Engine,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether the process still takes new work, for the kubelet's probes.
    pub readiness: Readiness,
    /// The namespace that we run in, where the policies' Secrets have to be.
    pub namespace: Arc<str>,
}

/// All paths of the webhooks.
pub fn router(app: App, limits: Limits) -> Router {
    Router::new()
        .route("/validations", post(validations))
        .route("/mutations", post(mutations))
        .route("/defaulting", post(defaulting))
        .route("/validating", post(validating))
        .route("/resource-conversion", post(resource_conversion))
        .fallback(elsewhere)
        .layer(DefaultBodyLimit::max(limits.body))
        .with_state(app)
}

type Body = Result<Bytes, BytesRejection>;

async fn validations(State(app): State<App>, RawQuery(query): RawQuery, body: Body) -> Response {
    Endpoint::Validations.answer(&app, query.as_deref(), body).await
}

async fn mutations(State(app): State<App>, RawQuery(query): RawQuery, body: Body) -> Response {
    Endpoint::Mutations.answer(&app, query.as_deref(), body).await
}

async fn defaulting(State(app): State<App>, RawQuery(query): RawQuery, body: Body) -> Response {
    Endpoint::Defaulting.answer(&app, query.as_deref(), body).await
}

async fn validating(State(app): State<App>, RawQuery(query): RawQuery, body: Body) -> Response {
    Endpoint::Validating.answer(&app, query.as_deref(), body).await
}

async fn resource_conversion(State(app): State<App>, body: Body) -> Response {
    let in_flight = app.metrics.started();
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return refuse_body(&rejection),
    };
    let (decision, response) = match guard(async { conversion::convert(&body) }).await {
        Ok(Ok(answer)) => ("allow", json(StatusCode::OK, &answer)),
        Ok(Err(error)) => ("error", (StatusCode::BAD_REQUEST, error).into_response()),
        Err(panic) => {
            app.metrics.panicked();
            ("error", (StatusCode::INTERNAL_SERVER_ERROR, panic).into_response())
        }
    };
    app.metrics.answered("resource-conversion", decision, &in_flight);
    response
}

/// The paths that take an `AdmissionReview`.
#[derive(Debug, Clone, Copy)]
enum Endpoint {
    Validations,
    Mutations,
    Defaulting,
    Validating,
}

impl Endpoint {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Validations => "validations",
            Self::Mutations => "mutations",
            Self::Defaulting => "defaulting",
            Self::Validating => "validating",
        }
    }

    async fn decide(self, app: &App, request: &Request, deadline: Instant) -> AdmissionResponse {
        match self {
            Self::Validations => admission::validate(app, request, deadline).await,
            Self::Mutations => mutation::mutate(app, request, deadline).await,
            Self::Defaulting => objects::default(request),
            Self::Validating => objects::validate(&app.namespace, request),
        }
    }

    /// Decodes the review, has it decided, and answers; a panic is a denial.
    async fn answer(self, app: &App, query: Option<&str>, body: Body) -> Response {
        let deadline = Instant::now() + deadline::budget(query);
        let in_flight = app.metrics.started();
        let (decision, response) = match body {
            Err(rejection) => ("error", refuse_body(&rejection)),
            Ok(body) => match review::decode(&body) {
                Err(error) => ("error", (StatusCode::BAD_REQUEST, error).into_response()),
                Ok(request) => {
                    let answer = guard(self.decide(app, &request, deadline)).await.unwrap_or_else(|_| {
                        app.metrics.panicked();
                        self.deny_for_a_bug(&request)
                    });
                    let decision = match (answer.allowed, answer.warnings.is_some()) {
                        (false, _) => "deny",
                        (true, true) => "warn",
                        (true, false) => "allow",
                    };
                    (decision, json(StatusCode::OK, &answer.into_review()))
                }
            },
        };
        app.metrics.answered(self.as_str(), decision, &in_flight);
        response
    }

    fn deny_for_a_bug(self, request: &Request) -> AdmissionResponse {
        let text = format!(
            "{} failed: an internal error, which denies; please report it (request {})",
            self.as_str(),
            request.uid
        );
        review::deny(AdmissionResponse::from(request), &text)
    }
}

/// The kubelet's probes may use any path; everything else is a mistake of the configuration.
async fn elsewhere(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    let agent = headers.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    if headers.contains_key("k-kubelet-probe") || agent.starts_with("kube-probe/") {
        return if !app.readiness.is_draining() {
            StatusCode::OK.into_response()
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "shutting down").into_response()
        };
    }
    (StatusCode::BAD_REQUEST, format!("no controller registered for: {}", uri.path())).into_response()
}

fn refuse_body(rejection: &BytesRejection) -> Response {
    (rejection.status(), format!("could not read body: {}", rejection.body_text())).into_response()
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("could not write answer: {error}")).into_response(),
    }
}

#[cfg(test)]
mod tests;
