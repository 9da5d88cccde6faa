//! `/mutations`: tags pinned to the digests that they name now, and their evidence looked for while the API server asks
//! others.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use kube::core::admission::AdmissionResponse;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use trustwright_core::{ImageRef, Reason};
use trustwright_engine::{Credentials, ImageField, ResolveError};

use crate::{
    App,
    admission::{credentials, images, prefetch},
    review::{self, Request},
    skip,
    workload::Image,
};

/// Tags of one object that are asked for at once.
const CONCURRENCY: usize = 16;
/// For how long an answer waits for what is shown to registries, where evidence is looked for ahead.
const PREFETCH: Duration = Duration::from_millis(100);

/// Pins every tag of the request's object. What cannot be resolved is left as it is, with a warning that says
/// why: the validating webhook then refuses it, since it is no digest.
pub(crate) async fn mutate(app: &App, request: &Request, deadline: Instant) -> AdmissionResponse {
    let response = AdmissionResponse::from(request);
    if skip::needs_no_verdict(request) {
        return response;
    }
    let read = images(request).and_then(|images| Ok((images, credentials(app, request, deadline)?)));
    let (images, credentials) = match read {
        Ok(read) => read,
        Err(error) => {
            app.metrics.refused(Reason::MalformedRequest);
            return review::deny(response, &format!("decoding request failed: {error}"));
        }
    };
    let pins = pin_all(app, &images, &credentials, deadline).await;
    if pins.values().any(is_unauthorized) {
        credentials.forget();
    }
    let mut operations = Vec::new();
    let mut warnings = Vec::new();
    for image in &images {
        match pins.get(image.field.image.as_str()) {
            Some(Ok(Some(pinned))) => {
                operations.push(json!({"op": "replace", "path": image.pointer, "value": pinned}));
            }
            Some(Ok(None)) | None => {}
            Some(Err(error)) => {
                warnings.push(format!("{}: {} stays a tag: {error}", image.field.path, image.field.image));
            }
        }
    }
    let pinned: Vec<_> = images.iter().map(|image| pinned(&image.field, &pins)).collect();
    // Where it is not in time, the validating webhook looks for everything itself.
    let _ = timeout(PREFETCH, prefetch(app, request, &pinned, &credentials, deadline)).await;
    let response = review::warn(response, warnings);
    with_patch(response, operations)
}

/// The field as the API server will have it.
fn pinned(field: &ImageField, pins: &BTreeMap<&str, Pin>) -> ImageField {
    let image = match pins.get(field.image.as_str()) {
        Some(Ok(Some(pinned))) => pinned,
        Some(Ok(None) | Err(_)) | None => &field.image,
    };
    ImageField { path: field.path.clone(), image: image.clone() }
}

/// Adds the operations as a JSON patch, where there are any.
pub(crate) fn with_patch(response: AdmissionResponse, operations: Vec<Value>) -> AdmissionResponse {
    if operations.is_empty() {
        return response;
    }
    let failed = review::deny(response.clone(), "mutation failed: the patch could not be written");
    serde_json::from_value(Value::Array(operations))
        .ok()
        .and_then(|patch: json_patch::Patch| response.with_patch(patch).ok())
        .unwrap_or(failed)
}

/// The pinned form of each text among the images, asked for once however often it stands there.
async fn pin_all<'i>(
    app: &App,
    images: &'i [Image],
    credentials: &dyn Credentials,
    deadline: Instant,
) -> BTreeMap<&'i str, Pin> {
    let texts: BTreeSet<&str> = images.iter().map(|image| image.field.image.as_str()).collect();
    let asked: Vec<_> = texts.iter().map(|text| pin(app, text, credentials, deadline)).collect();
    let pinned: Vec<_> = stream::iter(asked).buffered(CONCURRENCY).collect().await;
    texts.into_iter().zip(pinned).collect()
}

/// The pinned form of a tag; `None` where there is nothing to pin.
type Pin = Result<Option<String>, ResolveError>;

/// Whether a registry refused what it was shown: it may have been changed since it was read.
fn is_unauthorized(pin: &Pin) -> bool {
    match pin {
        Err(ResolveError::Registry(error)) => error.reason() == Reason::RegistryUnauthorized,
        Err(ResolveError::Credential(_)) | Ok(_) => false,
    }
}

async fn pin(app: &App, text: &str, credentials: &dyn Credentials, deadline: Instant) -> Pin {
    // What is no reference at all is the validating webhook's to refuse.
    let Ok(reference) = text.parse::<ImageRef>() else { return Ok(None) };
    if reference.digest().is_some() {
        return Ok(None);
    }
    let digest = app.engine.resolve(&reference, credentials, deadline).await?;
    Ok(Some(reference.pinned(digest)))
}
