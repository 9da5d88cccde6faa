//! `/defaulting`, `/validating` and `/resource-conversion`.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;

fn ours(version: &str, kind: &str, spec: &Value) -> Value {
    let mut review = create("policy.sigstore.dev", kind, spec);
    review["request"]["kind"]["version"] = json!(version);
    review["request"]["object"]["apiVersion"] = json!(format!("policy.sigstore.dev/{version}"));
    review
}

fn cip(version: &str, spec: &Value) -> Value {
    ours(version, "ClusterImagePolicy", spec)
}

fn good() -> Value {
    json!({"images": [{"glob": "ghcr.io/**"}], "authorities": [{"static": {"action": "pass"}}]})
}

#[tokio::test]
async fn the_patch_of_defaulting_is_base64_and_fills_in_what_validation_wants() {
    let server = Server::new([]);
    for version in ["v1alpha1", "v1beta1"] {
        let mut review = cip(version, &good());
        let response = server.review("/defaulting", &review).await;
        assert_eq!((&response["allowed"], &response["patchType"]), (&json!(true), &json!("JSONPatch")));
        let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        json_patch::patch(&mut review["request"]["object"], &patch).unwrap();
        let spec = &review["request"]["object"]["spec"];
        assert_eq!(spec["mode"], "enforce");
        assert_eq!(spec["authorities"][0]["name"], "authority-0");
        server.admits("/validating", &review).await;
        // What is complete gets no patch.
        server.admits("/defaulting", &review).await;
    }
}

#[tokio::test]
async fn a_bad_field_is_refused_by_name_and_its_good_neighbour_passes() {
    let server = Server::new([]);
    let review = |pointer: &str, value: Value| {
        with(cip("v1alpha1", &good()), &format!("/request/object{pointer}"), value)
    };
    server.admits("/validating", &review("/spec/mode", json!("warn"))).await;
    for (pointer, bad, start) in [
        (
            "/spec/images/0/glob",
            json!("$FOO*"),
            "validation failed: invalid value: $FOO*: spec.images[0].glob",
        ),
        ("/spec/images", json!([]), "validation failed: missing field(s): spec.images"),
        ("/spec/images", json!("x"), "decoding request failed: spec: "),
        ("/spec", Value::Null, "validation failed: missing field(s): spec.authorities, spec.images"),
        ("/spec", json!([]), "decoding request failed: spec: expected an object"),
        ("/kind", json!("TrustRoot"), "decoding request failed: AdmissionReview.request.object is not of"),
    ] {
        let message = server.refuses("/validating", &review(pointer, bad)).await;
        assert!(message.starts_with(start), "{message}");
    }
}

#[tokio::test]
async fn a_broken_policy_passes_only_on_its_way_out_or_with_its_status() {
    let server = Server::new([]);
    let broken = cip("v1alpha1", &json!({"images": [{"glob": "$FOO*"}]}));
    let update = with(broken.clone(), "/request/operation", json!("UPDATE"));
    server.refuses("/validating", &broken).await;
    server.refuses("/validating", &update).await;
    for (pointer, value) in [
        ("/request/subResource", json!("status")),
        ("/request/object/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
    ] {
        server.admits("/validating", &with(update.clone(), pointer, value.clone())).await;
        server.admits("/defaulting", &with(update.clone(), pointer, value.clone())).await;
        server.refuses("/validating", &with(broken.clone(), pointer, value)).await;
    }
    for subresource in ["", "scale"] {
        let review = with(update.clone(), "/request/subResource", json!(subresource));
        server.refuses("/validating", &review).await;
    }
    server.admits("/validating", &with(broken, "/request/operation", json!("DELETE"))).await;
}

#[tokio::test]
async fn kinds_that_are_not_ours_are_refused_by_both() {
    let server = Server::new([]);
    for (pointer, value, named) in [
        ("kind", json!("Policy"), "policy.sigstore.dev/v1alpha1, Kind=Policy"),
        ("version", json!("v9"), "policy.sigstore.dev/v9, Kind=ClusterImagePolicy"),
        ("group", json!("example.com"), "example.com/v1alpha1, Kind=ClusterImagePolicy"),
    ] {
        let review = with(cip("v1alpha1", &good()), &format!("/request/kind/{pointer}"), value);
        let expected = format!("unhandled kind: {named}");
        assert_eq!(
            server.refuses("/validating", &review).await,
            format!("decoding request failed: {expected}")
        );
        assert_eq!(server.refuses("/defaulting", &review).await, format!("mutation failed: {expected}"));
    }
    // One of ours, in the one version that it has, is read; this one is then refused for what it says.
    for (version, start) in [
        ("v1alpha1", "validation failed: "),
        ("v1beta1", "decoding request failed: unhandled kind: policy.sigstore.dev/v1beta1, Kind=TrustRoot"),
    ] {
        let message = server.refuses("/validating", &ours(version, "TrustRoot", &json!({}))).await;
        assert!(message.starts_with(start), "{message}");
    }
}

#[tokio::test]
async fn a_conversion_answers_in_the_version_asked_for_and_a_bad_one_says_why() {
    let server = Server::new([]);
    let object = json!({"apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
        "metadata": {"name": "p"}, "spec": good()});
    let review = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": {
        "uid": UID, "desiredAPIVersion": "policy.sigstore.dev/v1beta1", "objects": [object]}});
    let convert = async |review: Value| server.post("/resource-conversion", review.to_string()).await;
    let (status, text) = convert(review.clone()).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &answer["kind"]), (200, &json!("ConversionReview")));
    assert_eq!(answer["response"]["uid"], UID);
    assert_eq!(answer["response"]["result"]["status"], "Success");
    assert_eq!(answer["response"]["convertedObjects"][0]["apiVersion"], "policy.sigstore.dev/v1beta1");
    let (status, text) =
        convert(with(review.clone(), "/request/desiredAPIVersion", json!("policy.sigstore.dev/v9"))).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &answer["response"]["result"]["status"]), (200, &json!("Failure")));
    for broken in [
        with(review.clone(), "/kind", json!("AdmissionReview")),
        with(review.clone(), "/apiVersion", json!("apiextensions.k8s.io/v1beta1")),
        without(review, "", "request"),
        pod(IMAGE),
        json!(null),
    ] {
        let (status, text) = convert(broken).await;
        assert_eq!(status, 400);
        assert!(text.starts_with("could not decode body: "), "{text}");
    }
}
