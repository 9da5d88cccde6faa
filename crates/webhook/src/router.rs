//! HTTP: paths, limits, and answers in the form that the API server expects.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, RawQuery, State, rejection::BytesRejection},
    http::{
        HeaderMap, StatusCode, Uri,
        header::{CONTENT_TYPE, USER_AGENT},
    },
    response::{IntoResponse, Response},
    routing::post,
};
use jiff::Timestamp;
use kube::core::admission::AdmissionResponse;
use tokio::time::Instant;
use trustwright_core::Reason;
use trustwright_engine::Engine;
use trustwright_policy::{Languages, Snapshot};
use trustwright_runtime::probes::Readiness;

use crate::{
    Denials, Metrics, PullSecrets, admission, conversion, deadline,
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
    /// What workloads show to registries.
    pub pull_secrets: PullSecrets,
    /// What is counted.
    pub metrics: Metrics,
    /// Takes what is refused, to be told as events.
    pub denials: Denials,
    /// Whether the process still takes new work, for the kubelet's probes.
    pub readiness: Readiness,
    /// The namespace that we run in, where the policies' Secrets have to be.
    pub namespace: Arc<str>,
    /// What compiles the texts of policies as they are written.
    pub languages: Arc<dyn Languages>,
    /// The time.
    pub clock: fn() -> Timestamp,
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
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(limits.body))
        .with_state(app)
}

/// Longest time for a request's body to arrive whole: the API server waits no longer for its answer.
const BODY_TIME: Duration = Duration::from_secs(30);

/// A request's body, within the limits of size and time; the rejection is the answer.
struct Whole {
    bytes: Bytes,
    /// When it began to arrive: the API server counts from there.
    since: Instant,
}

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Response;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Response> {
        let since = Instant::now();
        match tokio::time::timeout(BODY_TIME, Bytes::from_request(request, state)).await {
            Ok(Ok(bytes)) => Ok(Self { bytes, since }),
            Ok(Err(rejection)) => Err(refuse_body(&rejection)),
            Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "could not read body: it did not arrive in time")
                .into_response()),
        }
    }
}

type Body = Result<Whole, Response>;

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
    let (decision, response) = match body {
        Err(response) => ("error", response),
        Ok(Whole { bytes, .. }) => match guard(async { conversion::convert(&bytes) }).await {
            Ok(Ok(answer)) => ("allow", json(serde_json::to_vec(&answer))),
            Ok(Err(error)) => ("error", refuse(&error)),
            Err(panic) => {
                app.metrics.panicked();
                ("error", (StatusCode::INTERNAL_SERVER_ERROR, panic).into_response())
            }
        },
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
    /// `/validations` with a bug that the name `bug` brings out.
    #[cfg(test)]
    Faulty,
}

impl Endpoint {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Validations => "validations",
            Self::Mutations => "mutations",
            Self::Defaulting => "defaulting",
            Self::Validating => "validating",
            #[cfg(test)]
            Self::Faulty => "faulty",
        }
    }

    async fn decide(self, app: &App, request: &Request, deadline: Instant) -> AdmissionResponse {
        match self {
            Self::Validations => admission::validate(app, request, deadline).await,
            Self::Mutations => mutation::mutate(app, request, deadline).await,
            Self::Defaulting => objects::default(request),
            Self::Validating => objects::validate(app, request).await,
            #[cfg(test)]
            Self::Faulty => {
                assert_ne!(request.name, "bug", "a bug");
                admission::validate(app, request, deadline).await
            }
        }
    }

    /// Decodes the review, has it decided, and answers; a panic is a denial.
    async fn answer(self, app: &App, query: Option<&str>, body: Body) -> Response {
        let in_flight = app.metrics.started();
        let (decision, response) = match body {
            Err(response) => ("error", response),
            Ok(Whole { bytes, since }) => match decode(app, &bytes).await {
                Err(error) => ("error", refuse(&error)),
                Ok(request) => {
                    let deadline = since + deadline::budget(query);
                    let answer = guard(self.decide(app, &request, deadline)).await.unwrap_or_else(|_| {
                        app.metrics.panicked();
                        self.deny_for_a_bug(&request)
                    });
                    let decision = match (answer.allowed, answer.warnings.is_some()) {
                        (false, _) => "deny",
                        (true, true) => "warn",
                        (true, false) => "allow",
                    };
                    (decision, json(review::encode(answer)))
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

/// Decodes a review. The error, also where that panics, is the text of an HTTP 400 answer.
async fn decode(app: &App, body: &Bytes) -> Result<Request, String> {
    let decoded = guard(async { review::decode(body) }).await.unwrap_or_else(|_| {
        app.metrics.panicked();
        Err("could not decode body: an internal error; please report it".into())
    });
    decoded.inspect_err(|_| app.metrics.refused(Reason::MalformedRequest))
}

/// The kubelet's probes may use any path; everything else is a mistake of the configuration.
async fn elsewhere(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    let unknown = || (StatusCode::BAD_REQUEST, format!("no controller registered for: {}", uri.path()));
    probe(&app, &headers).unwrap_or_else(|| unknown().into_response())
}

/// A path that we know, asked with another method than POST.
async fn other_method(State(app): State<App>, headers: HeaderMap) -> Response {
    probe(&app, &headers).unwrap_or_else(|| StatusCode::METHOD_NOT_ALLOWED.into_response())
}

/// The answer to the kubelet, where it is the kubelet that asks.
fn probe(app: &App, headers: &HeaderMap) -> Option<Response> {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    if !headers.contains_key("k-kubelet-probe") && !agent.starts_with("kube-probe/") {
        return None;
    }
    Some(if app.readiness.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down").into_response()
    } else {
        StatusCode::OK.into_response()
    })
}

fn refuse(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, review::bounded(error)).into_response()
}

fn refuse_body(rejection: &BytesRejection) -> Response {
    (rejection.status(), format!("could not read body: {}", rejection.body_text())).into_response()
}

fn json(body: Result<Vec<u8>, serde_json::Error>) -> Response {
    match body {
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("could not write answer: {error}")).into_response()
        }
    }
}

#[cfg(test)]
mod tests;
