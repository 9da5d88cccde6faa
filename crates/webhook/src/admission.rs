//! `/validations`: the images of a workload, judged.

use std::collections::BTreeMap;

use kube::core::admission::AdmissionResponse;
use serde_json::Value;
use tokio::time::Instant;
use trustwright_core::{Decision, Reason, Verdict};
use trustwright_engine::{ImageField, Review};
use trustwright_policy::{Snapshot, Workload};

use crate::{
    App, Puller, WorkloadCredentials, message,
    review::{self, Request},
    skip,
    workload::{self, Image},
};

/// Judges the request's object.
pub(crate) async fn validate(app: &App, request: &Request, deadline: Instant) -> AdmissionResponse {
    let response = AdmissionResponse::from(request);
    if skip::needs_no_verdict(request) {
        return response;
    }
    let images = match images(request) {
        Ok(images) => images,
        Err(error) => {
            app.metrics.refused(Reason::MalformedRequest);
            return review::deny(response, &format!("decoding request failed: {error}"));
        }
    };
    if images.is_empty() {
        // The API server admits no pod without containers; a verdict on nothing would be consent to anything.
        app.metrics.refused(Reason::MalformedRequest);
        return review::deny(
            response,
            "decoding request failed: no container found, so there is nothing to judge",
        );
    }
    let credentials = match credentials(app, request, deadline) {
        Ok(credentials) => credentials,
        Err(error) => {
            app.metrics.refused(Reason::MalformedRequest);
            return review::deny(response, &format!("decoding request failed: {error}"));
        }
    };
    let verdict = judge(app, request, images, &credentials, deadline).await;
    credentials.forget_if_refused(&verdict);
    app.metrics.judged(&verdict);
    app.denials.note(request, &verdict, &app.metrics);
    log(request, &verdict);
    message::respond(response, &verdict)
}

async fn judge(
    app: &App,
    request: &Request,
    images: Vec<Image>,
    credentials: &WorkloadCredentials,
    deadline: Instant,
) -> Verdict {
    let labels = labels(request);
    let workload = workload(request, &labels);
    let fields: Vec<ImageField> = images.into_iter().map(|image| image.field).collect();
    let snapshot = app.snapshot.load_full();
    let object = object(&snapshot, request);
    let review = Review {
        workload: &workload,
        images: &fields,
        object: object.as_ref(),
        credentials,
        now: (app.clock)(),
        deadline,
    };
    app.engine.judge(&snapshot, &review).await
}

/// Has the evidence for these images looked for, as far as nobody has asked for them before, and does not wait for it.
pub(crate) async fn prefetch(
    app: &App,
    request: &Request,
    images: &[ImageField],
    credentials: &WorkloadCredentials,
    deadline: Instant,
) {
    let labels = labels(request);
    let review = Review {
        workload: &workload(request, &labels),
        images,
        object: None,
        credentials,
        now: (app.clock)(),
        deadline,
    };
    app.engine.prefetch(&app.snapshot.load_full(), &review).await;
}

/// The request's object, as policies select it.
fn workload<'a>(request: &'a Request, labels: &'a BTreeMap<String, String>) -> Workload<'a> {
    let kind = &request.kind;
    Workload {
        group: &kind.group,
        version: &kind.version,
        // What the images were read from decides which policies speak of them.
        resource: workload::resource(&kind.group, &kind.kind).unwrap_or(&request.resource.resource),
        labels,
    }
}

fn labels(request: &Request) -> BTreeMap<String, String> {
    request.object.as_ref().and_then(|object| object.metadata.labels.clone()).unwrap_or_default()
}

/// The request's object as a whole, where a policy in force may look at it. What cannot be written as JSON was not read
/// from any.
fn object(snapshot: &Snapshot, request: &Request) -> Option<Value> {
    let object = request.object.as_ref().filter(|_| snapshot.policies.include_workload())?;
    serde_json::to_value(object).ok()
}

/// What the request's workload has for registries; nothing of it is read yet. The error is fit for a person.
pub(crate) fn credentials(
    app: &App,
    request: &Request,
    deadline: Instant,
) -> Result<WorkloadCredentials, String> {
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let (kind, body) = (&request.kind, &review::object(request)?.data);
    Ok(app.pull_secrets.of(Puller::of(namespace, &kind.group, &kind.version, &kind.kind, body)?, deadline))
}

/// The images of the request's object; the error is fit for a person.
pub(crate) fn images(request: &Request) -> Result<Vec<Image>, String> {
    let body: &Value = &review::object(request)?.data;
    workload::images(&request.kind.group, &request.kind.version, &request.kind.kind, body)
}

fn log(request: &Request, verdict: &Verdict) {
    let decision = verdict.decision();
    let reason = match verdict {
        Verdict::Allow => "",
        Verdict::Warn(findings) | Verdict::Deny { findings, .. } => {
            findings.first().causes.first().reason.as_str()
        }
    };
    let namespace = request.namespace.as_deref().unwrap_or_default();
    if decision == Decision::Allow {
        tracing::debug!(request.uid, kind = request.kind.kind, namespace, name = request.name, "Admitted");
    } else {
        tracing::info!(
            request.uid,
            kind = request.kind.kind,
            namespace,
            name = request.name,
            decision = decision.as_str(),
            reason,
            dry_run = request.dry_run,
            "Not simply admitted"
        );
    }
}
