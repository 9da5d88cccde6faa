//! The envelope: `AdmissionReview` in, `AdmissionReview` out (admission.k8s.io/v1).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::core::{
    DynamicObject, GroupVersionKind, Status,
    admission::{AdmissionRequest, AdmissionResponse, AdmissionReview},
    response::StatusSummary,
};

/// A decoded request.
pub(crate) type Request = AdmissionRequest<DynamicObject>;

/// Decodes a request body. The error is the text of an HTTP 400 answer.
pub(crate) fn decode(body: &[u8]) -> Result<Request, String> {
    let review: AdmissionReview<DynamicObject> =
        serde_json::from_slice(body).map_err(|error| format!("could not decode body: {error}"))?;
    if (review.types.api_version.as_str(), review.types.kind.as_str())
        != ("admission.k8s.io/v1", "AdmissionReview")
    {
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
    // No subresource and an empty one are the same to the API server.
    request.sub_resource.take_if(|name| name.is_empty());
    Ok(request)
}

/// The request's object, which has to be of the kind that the request speaks of. The error is fit for a person.
pub(crate) fn object(request: &Request) -> Result<&DynamicObject, String> {
    let object = request.object.as_ref().ok_or("AdmissionReview.request.object is missing")?;
    let asked = &request.kind;
    match object.types.as_ref().map(GroupVersionKind::try_from) {
        // Whatever it is then, it is read as what the request says.
        None => Ok(object),
        Some(Ok(actual)) if actual == *asked => Ok(object),
        Some(_) => Err(format!(
            "AdmissionReview.request.object is not of the request's kind {}/{}, Kind={}",
            asked.group, asked.version, asked.kind
        )),
    }
}

/// Writes the answer to the request that `response` was made from, with the patch in base64 as the API has it.
pub(crate) fn encode(mut response: AdmissionResponse) -> Result<Vec<u8>, serde_json::Error> {
    let Some(patch) = response.patch.take() else { return serde_json::to_vec(&response.into_review()) };
    let mut review = serde_json::to_value(response.into_review())?;
    review["response"]["patch"] = STANDARD.encode(patch).into();
    serde_json::to_vec(&review)
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
pub(crate) fn warn(
    mut response: AdmissionResponse,
    texts: impl IntoIterator<Item = String>,
) -> AdmissionResponse {
    let lines: Vec<String> = texts
        .into_iter()
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
        .filter(|line| !line.is_empty())
        .collect();
    if !lines.is_empty() {
        response.warnings.get_or_insert_default().extend(lines);
    }
    response
}

/// Longest message of a denial, in bytes; the API server and kubectl carry it whole.
const MAX_MESSAGE: usize = 64 << 10;

/// The start of a message that quotes what it was sent.
pub(crate) fn bounded(message: &str) -> String {
    if message.len() <= MAX_MESSAGE {
        return message.to_owned();
    }
    let mut end = MAX_MESSAGE;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &message[..end])
}
