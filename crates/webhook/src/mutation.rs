//! `/mutations`: tags pinned to the digests that they name now.

use futures::future::join_all;
use kube::core::admission::AdmissionResponse;
use serde_json::{Value, json};
use tokio::time::Instant;
use trustwright_core::ImageRef;

use crate::{
    App,
    admission::images,
    review::{self, Request},
    skip,
    workload::Image,
};

/// Pins every tag of the request's object. What cannot be resolved is left as it is, with a warning that says
/// why: the validating webhook then refuses it, since it is no digest.
pub(crate) async fn mutate(app: &App, request: &Request, deadline: Instant) -> AdmissionResponse {
    let response = AdmissionResponse::from(request);
    if skip::needs_no_verdict(request) {
        return response;
    }
    let images = match images(request) {
        Ok(images) => images,
        Err(error) => return review::deny(response, &format!("decoding request failed: {error}")),
    };
    let results = join_all(images.iter().map(|image| pin(app, image, deadline))).await;
    let mut operations = Vec::new();
    let mut warnings = Vec::new();
    for (image, result) in images.iter().zip(results) {
        match result {
            Ok(Some(pinned)) => {
                operations.push(json!({"op": "replace", "path": image.pointer, "value": pinned}));
            }
            Ok(None) => {}
            Err(error) => {
                warnings.push(format!("{}: {} stays a tag: {error}", image.field.path, image.field.image));
            }
        }
    }
    let response = review::warn(response, warnings);
    with_patch(response, operations)
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

/// The pinned form of a tag; `None` where there is nothing to pin. The error is fit for a person.
async fn pin(app: &App, image: &Image, deadline: Instant) -> Result<Option<String>, String> {
    // What is no reference at all is the validating webhook's to refuse.
    let Ok(reference) = image.field.image.parse::<ImageRef>() else { return Ok(None) };
    if reference.digest().is_some() {
        return Ok(None);
    }
    let digest = app.engine.resolve(&reference, deadline).await.map_err(|error| error.to_string())?;
    Ok(Some(reference.pinned(digest)))
}
