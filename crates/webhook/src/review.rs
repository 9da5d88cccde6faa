//! The envelope: `AdmissionReview` in, `AdmissionReview` out (admission.k8s.io/v1).

use kube::core::{
    DynamicObject, Status,
    admission::{AdmissionRequest, AdmissionResponse, AdmissionReview},
    response::StatusSummary,
};

/// A decoded request.
pub(crate) type Request = AdmissionRequest<DynamicObject>;

/// Decodes a request body. The error is the text of an HTTP 400 answer.
pub(crate) fn decode(body: &[u8]) -> Result<Request, String> {
    let review: AdmissionReview<DynamicObject> =
        serde_json::from_slice(body).map_err(|error| format!("could not decode body: {error}"))?;
    if (review.types.api_version.as_str(), review.types.kind.as_str()) != ("admission.k8s.io/v1", "AdmissionReview") {
        return Err(format!(
            "could not decode body: expected an AdmissionReview of admission.k8s.io/v1, got kind {:?} of {:?}",
            review.types.kind, review.types.api_version
        ));
    }
    let types = review.types;
    let mut request = review.request.ok_or("could not decode body: AdmissionReview.request is missing")?;
    request.types = types;
    if request.uid.is_empty() {
        return Err("could not decode body: AdmissionReview.request.uid is empty".into());
    }
    Ok(request)
}

/// Turns a response into a denial with the status that users of the field know: `BadRequest`, code 400.
pub(crate) fn deny(mut response: AdmissionResponse, message: &str) -> AdmissionResponse {
    response.allowed = false;
    response.patch = None;
    response.result = Status {
        status: Some(StatusSummary::Failure),
        code: 400,
        message: bounded(message),
        reason: "BadRequest".into(),
        ..Status::default()
    };
    response
}

/// Adds warnings, each line of a text as one, as the API server wants them.
pub(crate) fn warn(mut response: AdmissionResponse, texts: impl IntoIterator<Item = String>) -> AdmissionResponse {
    let lines: Vec<String> = texts
        .into_iter()
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| !line.is_empty())
        .map(|line| line.chars().filter(|c| !c.is_control()).collect())
        .collect();
    if !lines.is_empty() {
        response.warnings.get_or_insert_default().extend(lines);
    }
    response
}

/// Longest message of a denial, in bytes; the API server and kubectl carry it whole.
const MAX_MESSAGE: usize = 64 << 10;

fn bounded(message: &str) -> String {
    if message.len() <= MAX_MESSAGE {
        return message.to_owned();
    }
    let mut end = MAX_MESSAGE;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &message[..end])
}
