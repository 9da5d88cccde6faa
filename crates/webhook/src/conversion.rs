//! `/resource-conversion`: for a CRD that names a conversion webhook. Our own converts without one.

use kube::core::{Status, TypeMeta, conversion::ConversionReview};
use serde_json::{Value, json};

/// Answers a `ConversionReview`; the first object that cannot be converted fails the batch. The error is the
/// text of an HTTP 400 answer.
pub(crate) fn convert(body: &[u8]) -> Result<Value, String> {
    let review: ConversionReview =
        serde_json::from_slice(body).map_err(|error| format!("could not decode body: {error}"))?;
    let TypeMeta { api_version, kind } = review.types;
    if (api_version.as_str(), kind.as_str()) != ("apiextensions.k8s.io/v1", "ConversionReview") {
        return Err(format!(
            "could not decode body: expected a ConversionReview of apiextensions.k8s.io/v1, got kind {kind:?} of \
             {api_version:?}"
        ));
    }
    let request = review.request.ok_or("could not decode body: ConversionReview.request is missing")?;
    let converted: Result<Vec<Value>, _> = request
        .objects
        .into_iter()
        .map(|object| trustwright_api::convert(object, &request.desired_api_version))
        .collect();
    let (objects, result) = match converted {
        Ok(objects) => (objects, Status::success()),
        Err(error) => (Vec::new(), Status::failure(&error.to_string(), "BadRequest")),
    };
    Ok(json!({"apiVersion": api_version, "kind": kind, "response": {
        "uid": request.uid, "convertedObjects": objects, "result": result,
    }}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(objects: &Value) -> Value {
        let review = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": {
            "uid": "u", "desiredAPIVersion": "policy.sigstore.dev/v1beta1", "objects": objects}});
        convert(&serde_json::to_vec(&review).unwrap()).unwrap()
    }

    #[test]
    fn objects_come_back_whole_in_the_version_asked_for() {
        let policy = json!({"apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
            "metadata": {"name": "p"}, "spec": {"authorities": [{"ctlog": {}}]}});
        let answer = answer(&json!([policy]));
        assert_eq!(answer["response"]["result"]["status"], "Success");
        assert_eq!(answer["response"]["uid"], "u");
        let converted = &answer["response"]["convertedObjects"][0];
        assert_eq!(converted["apiVersion"], "policy.sigstore.dev/v1beta1");
        assert_eq!(converted["spec"], policy["spec"]);
    }

    #[test]
    fn one_object_that_cannot_be_converted_fails_the_batch_with_its_cause() {
        let answer = answer(&json!([{"apiVersion": "v1", "kind": "Pod"}]));
        assert_eq!(answer["response"]["result"]["status"], "Failure");
        assert!(!answer["response"]["result"]["message"].as_str().unwrap().is_empty());
        assert!(convert(b"{").is_err());
        assert!(convert(br#"{"apiVersion":"x","kind":"ConversionReview"}"#).is_err());
    }
}
