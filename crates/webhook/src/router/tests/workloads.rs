//! `/validations`: which images are judged, and what a refusal says.

use super::*;

const TEMPLATES: [(&str, &str, &str); 7] = [
    ("", "Pod", "spec"),
    ("apps", "Deployment", "spec.template.spec"),
    ("apps", "ReplicaSet", "spec.template.spec"),
    ("apps", "StatefulSet", "spec.template.spec"),
    ("apps", "DaemonSet", "spec.template.spec"),
    ("batch", "Job", "spec.template.spec"),
    ("batch", "CronJob", "spec.jobTemplate.spec.template.spec"),
];

/// The request to create `kind` with `spec` as its pod spec, which stands at `path`.
fn workload(group: &str, kind: &str, path: &str, spec: &Value) -> Value {
    let outer = path.split('.').skip(1).collect::<Vec<_>>();
    create(group, kind, &outer.into_iter().rev().fold(spec.clone(), |inner, key| json!({key: inner})))
}

#[tokio::test]
async fn every_kind_is_admitted_refused_or_warned_of_with_the_texts_that_the_field_knows() {
    let passing = Server::new([("pass", pass())]);
    let failing = Server::new([("deny", fail("enforce"))]);
    let warning = Server::new([("warn", fail("warn"))]);
    for (group, kind, path) in TEMPLATES {
        let review = workload(group, kind, path, &json!({"containers": [{"name": "c", "image": IMAGE}]}));
        passing.admits("/validations", &review).await;
        let message = failing.refuses("/validations", &review).await;
        assert_eq!(
            message,
            format!(
                "validation failed: failed policy: deny: {path}.containers[0].image\n\
                 {IMAGE} disallowed by static policy: not here"
            )
        );
        let warned = warning.review("/validations", &review).await;
        assert_eq!(warned["allowed"], true);
        let lines = json!([
            format!("failed policy: warn: {path}.containers[0].image"),
            format!("{IMAGE} disallowed by static policy: not here"),
        ]);
        assert_eq!(warned["warnings"], lines);
    }
}

#[tokio::test]
async fn a_refusal_and_a_warning_stand_side_by_side() {
    let server = Server::new([("a-warn", fail("warn")), ("b-pass", pass()), ("c-deny", fail("enforce"))]);
    let response = server.review("/validations", &pod(IMAGE)).await;
    assert_eq!(response["allowed"], false);
    let message = response["status"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("validation failed: failed policy: c-deny: spec.containers[0].image\n"),
        "{message}"
    );
    assert!(!message.contains("a-warn"), "{message}");
    assert_eq!(response["warnings"][0], "failed policy: a-warn: spec.containers[0].image");
}

#[tokio::test]
async fn every_place_of_an_image_counts_and_is_named() {
    let bad = IMAGE.replace("/a/b", "/bad/b");
    let server = Server::new([
        ("pass", pass()),
        ("deny", policy("enforce", "127.0.0.1:1/bad/**", &json!({"action": "fail"}))),
    ]);
    let places = [
        ("initContainers", "/request/object/spec/initContainers/0/image"),
        ("containers", "/request/object/spec/containers/0/image"),
        ("ephemeralContainers", "/request/object/spec/ephemeralContainers/0/image"),
        ("volumes", "/request/object/spec/volumes/0/image/reference"),
    ];
    let all = pod_with(&json!({
        "initContainers": [{"image": IMAGE}], "containers": [{"image": IMAGE}],
        "ephemeralContainers": [{"image": IMAGE}],
        "volumes": [{"name": "v", "image": {"reference": IMAGE}}, {"name": "w", "emptyDir": {}}],
    }));
    server.admits("/validations", &all).await;
    for (list, pointer) in places {
        let message = server.refuses("/validations", &with(all.clone(), pointer, json!(bad))).await;
        assert!(
            message.starts_with(&format!(
                "validation failed: failed policy: deny: spec.{list}[0].image\n{bad} "
            ))
        );
    }
    // The subresource that adds ephemeral containers to a running pod.
    let mut debug = with(all.clone(), "/request/operation", json!("UPDATE"));
    debug["request"]["subResource"] = json!("ephemeralcontainers");
    debug["request"]["oldObject"] = all["request"]["object"].clone();
    server.admits("/validations", &debug).await;
    server.refuses("/validations", &with(debug, places[2].1, json!(bad))).await;
}

#[tokio::test]
async fn an_image_without_a_policy_a_tag_and_what_is_no_reference_are_refused() {
    let server = Server::new([("pass", policy("enforce", "127.0.0.1:1/a/*", &json!({"action": "pass"})))]);
    server.admits("/validations", &pod(IMAGE)).await;
    let other = IMAGE.replace("/a/b", "/c/b");
    assert_eq!(
        server.refuses("/validations", &pod(&other)).await,
        format!(
            "validation failed: no matching policies: spec.containers[0].image\n{other}\n\
             no ClusterImagePolicy has a glob that matches the image; kubectl get cip lists them"
        )
    );
    for (image, start) in [
        ("127.0.0.1:1/a/b:1", "invalid value: 127.0.0.1:1/a/b:1 must be an image digest"),
        ("127.0.0.1:1/a/b", "invalid value: 127.0.0.1:1/a/b must be an image digest"),
        ("in@valid", "could not parse reference: in@valid"),
        ("", "could not parse reference: "),
        (" ", "could not parse reference:  "),
    ] {
        let message = server.refuses("/validations", &pod(image)).await;
        let line = message.lines().next().unwrap();
        assert_eq!(line, format!("validation failed: {start}: spec.containers[0].image"));
    }
}

#[tokio::test]
async fn a_policy_speaks_of_what_the_object_is_and_not_of_what_the_request_calls_its_resource() {
    let mut scoped = fail("enforce");
    scoped["match"] = json!([{"version": "v1", "resource": "pods"}]);
    let server = Server::new([("deny", scoped), ("pass", pass())]);
    for resource in ["pods", "deployments", ""] {
        let review = with(pod(IMAGE), "/request/resource/resource", json!(resource));
        server.refuses("/validations", &review).await;
    }
    let job = create("batch", "Job", &json!({"template": {"spec": {"containers": [{"image": IMAGE}]}}}));
    server.admits("/validations", &job).await;
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_refused_and_never_passed_over() {
    let server = Server::new([("pass", pass())]);
    let good = pod(IMAGE);
    server.admits("/validations", &good).await;
    // Who leaves the types out is taken at the request's word.
    server.admits("/validations", &without(good.clone(), "/request/object", "kind")).await;
    let object =
        |pointer: &str, value: Value| with(good.clone(), &format!("/request/object{pointer}"), value);
    for (review, cause) in [
        (create("", "Service", &json!({})), "unhandled kind: v1, Kind=Service"),
        (create("apps", "Pod", &json!({})), "unhandled kind: apps/v1, Kind=Pod"),
        (create("", "ReplicationController", &json!({})), "unhandled kind: v1, Kind=ReplicationController"),
        (without(good.clone(), "/request", "object"), "AdmissionReview.request.object is missing"),
        (object("", Value::Null), "AdmissionReview.request.object is missing"),
        (object("/kind", json!("Deployment")), "AdmissionReview.request.object is not of the request's kind"),
        (object("/apiVersion", json!("v2")), "AdmissionReview.request.object is not of the request's kind"),
        (without(good.clone(), "/request/object", "spec"), "spec: expected an object"),
        (object("/spec", Value::Null), "spec: expected an object"),
        (
            object("/spec", json!({"template": {"spec": {"containers": [{"image": IMAGE}]}}})),
            "no container found",
        ),
        (object("/spec/containers", Value::Null), "no container found"),
        (object("/spec/containers", json!([])), "no container found"),
        (object("/spec", json!({"Containers": [{"image": IMAGE}]})), "no container found"),
        (object("/spec/containers", json!({"image": IMAGE})), "spec.containers: expected a list"),
        (object("/spec/containers", json!([null])), "spec.containers[0]: expected an object"),
        (
            object("/spec/containers", json!([{"image": [IMAGE]}])),
            "spec.containers[0].image: expected a string",
        ),
        (object("/spec/volumes", json!([{"image": IMAGE}])), "spec.volumes[0].image: expected an object"),
    ] {
        let message = server.refuses("/validations", &review).await;
        assert!(message.starts_with(&format!("decoding request failed: {cause}")), "{message}");
    }
    for image in [json!(null), json!("")] {
        let message = server.refuses("/validations", &object("/spec/containers/0/image", image)).await;
        assert!(message.starts_with("validation failed: could not parse reference: "), "{message}");
    }
    let renamed = object("/spec/containers", json!([{"Image": IMAGE}]));
    server.refuses("/validations", &renamed).await;
}

#[tokio::test]
async fn a_repeated_key_means_its_last_value_as_it_does_to_the_api_server() {
    let server = Server::new([("pass", policy("enforce", "127.0.0.1:1/a/*", &json!({"action": "pass"})))]);
    let twice = |first: &str, last: &str| {
        let images = format!("\"image\":\"{first}\",\"image\":\"{last}\"");
        pod("IMAGE").to_string().replace("\"image\":\"IMAGE\"", &images)
    };
    let other = IMAGE.replace("/a/b", "/c/b");
    for (body, allowed) in
        [(twice(&other, IMAGE), "\"allowed\":true"), (twice(IMAGE, &other), "\"allowed\":false")]
    {
        let (status, text) = server.post("/validations", body).await;
        assert!(status == 200 && text.contains(allowed), "{text}");
    }
}

#[tokio::test]
async fn what_runs_no_new_image_passes_and_its_neighbour_is_refused() {
    let server = Server::new([("deny", fail("enforce"))]);
    let update = |review: Value| {
        let old = review["request"]["object"].clone();
        with(with(review, "/request/operation", json!("UPDATE")), "/request/oldObject", old)
    };
    let fresh = pod(IMAGE);
    server.refuses("/validations", &update(fresh.clone())).await;
    for (pointer, value) in [
        ("/request/subResource", json!("status")),
        ("/request/object/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
    ] {
        server.admits("/validations", &with(update(fresh.clone()), pointer, value.clone())).await;
        server.refuses("/validations", &with(fresh.clone(), pointer, value)).await;
    }
    for subresource in ["Status", "status ", "", "resize", "ephemeralcontainers"] {
        let review = with(update(fresh.clone()), "/request/subResource", json!(subresource));
        server.refuses("/validations", &review).await;
    }
    for operation in ["DELETE", "CONNECT"] {
        let review =
            with(without(fresh.clone(), "/request", "object"), "/request/operation", json!(operation));
        server.admits("/validations", &review).await;
    }
    let spec = json!({"replicas": 3, "template": {"spec": {"containers": [{"image": IMAGE}]}}});
    let deployment = update(create("apps", "Deployment", &spec));
    for (replicas, passes) in [(2, true), (0, true), (3, false), (4, false)] {
        let scaled = with(deployment.clone(), "/request/object/spec/replicas", json!(replicas));
        let response = server.review("/validations", &scaled).await;
        assert_eq!(response["allowed"], passes, "{replicas}");
    }
    let mut changed = with(deployment, "/request/object/spec/replicas", json!(1));
    changed["request"]["object"]["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
    server.refuses("/validations", &changed).await;
}

#[tokio::test]
async fn a_thousand_containers_are_judged_in_one_request() {
    let server = Server::new([
        ("pass", pass()),
        ("deny", policy("enforce", "127.0.0.1:1/bad/**", &json!({"action": "fail"}))),
    ]);
    let containers = |bad: Option<usize>| -> Value {
        (0..1000)
            .map(|index| {
                let repository = if bad == Some(index) { "bad" } else { "good" };
                json!({"name": index, "image": IMAGE.replace("/a/b", &format!("/{repository}/r{index}"))})
            })
            .collect()
    };
    server.admits("/validations", &pod_with(&json!({"containers": containers(None)}))).await;
    let message =
        server.refuses("/validations", &pod_with(&json!({"containers": containers(Some(999))}))).await;
    assert!(
        message.starts_with("validation failed: failed policy: deny: spec.containers[999].image\n"),
        "{message}"
    );
    // A refusal of each is bounded, and still one.
    let failing = Server::new([("deny", fail("enforce"))]);
    let message = failing.refuses("/validations", &pod_with(&json!({"containers": containers(None)}))).await;
    assert!(message.len() < 70_000, "{}", message.len());
}
