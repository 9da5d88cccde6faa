//! What is no review, too large, or at the wrong place.

use super::*;

const REVIEWS: [&str; 4] = ["/validations", "/mutations", "/defaulting", "/validating"];

#[tokio::test]
async fn a_body_that_is_no_review_is_refused_with_400_and_a_review_is_not() {
    let server = Server::new([("pass", pass())]);
    let good = pod(IMAGE);
    let text = good.to_string();
    server.admits("/validations", &good).await;
    let json = |value: Value| value.to_string().into_bytes();
    let twice = text.replacen("\"uid\":", "\"uid\":\"other\",\"uid\":", 1);
    let mut not_utf8 = text.clone().into_bytes();
    not_utf8[text.find("masters").unwrap()] = 0xff;
    for (body, cause) in [
        (b"".to_vec(), "EOF"),
        (b"not JSON".to_vec(), "expected ident"),
        (b"null".to_vec(), "invalid type: null"),
        (b"[]".to_vec(), "invalid type: sequence"),
        (text.as_bytes()[..text.len() / 2].to_vec(), "EOF"),
        (format!("{text}{{}}").into_bytes(), "trailing characters"),
        (not_utf8, "invalid unicode"),
        (twice.into_bytes(), "duplicate field `uid`"),
        (json(with(good.clone(), "/kind", json!("Pod"))), "got kind \"Pod\""),
        (
            json(with(good.clone(), "/apiVersion", json!("admission.k8s.io/v1beta1"))),
            "got kind \"AdmissionReview\"",
        ),
        (json(without(good.clone(), "", "kind")), "missing field `kind`"),
        (json(without(good.clone(), "", "apiVersion")), "missing field `apiVersion`"),
        (json(without(good.clone(), "", "request")), "AdmissionReview.request is missing"),
        (json(with(good.clone(), "/request", Value::Null)), "AdmissionReview.request is missing"),
        (json(with(good.clone(), "/request/uid", json!(""))), "AdmissionReview.request.uid is empty"),
        (json(without(good.clone(), "/request", "uid")), "missing field `uid`"),
        (json(without(good.clone(), "/request", "kind")), "missing field `kind`"),
        (json(with(good.clone(), "/request/operation", json!("PATCH"))), "unknown variant `PATCH`"),
        (json(with(good.clone(), "/request/object", json!("pod"))), "invalid type: string"),
        (json(with(good.clone(), "/request/object/metadata", json!({"labels": {"a": 1}}))), "invalid type"),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        for path in REVIEWS {
            let (status, message) = server.post(path, body.clone()).await;
            assert_eq!(status, 400, "{path} {shown}");
            assert!(message.starts_with("could not decode body: "), "{message}");
            assert!(message.contains(cause), "{message} to {shown}");
        }
    }
    assert_eq!(server.metric("trustwright_admission_panics_total"), Some(0));
}

#[tokio::test]
async fn nesting_has_a_limit_and_what_stays_below_it_is_judged() {
    let server = Server::new([("pass", pass())]);
    let nested = |depth: usize| {
        pod(IMAGE).to_string().replace(
            "\"containers\":",
            &format!("\"x\":{}{},\"containers\":", "[".repeat(depth), "]".repeat(depth)),
        )
    };
    for (depth, expected) in [(100, 200), (130, 400), (1_000_000, 400)] {
        let (status, text) = server.post("/validations", nested(depth)).await;
        assert_eq!(status, expected, "{depth} {text}");
    }
}

#[tokio::test]
async fn the_text_of_a_400_is_bounded_whatever_it_quotes() {
    let server = Server::new([]);
    let long = with(pod(IMAGE), "/kind", json!("é".repeat(1 << 20)));
    let (status, text) = server.post("/validations", long.to_string()).await;
    assert_eq!(status, 400);
    assert!(text.len() < 70_000, "{}", text.len());
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413_and_one_at_the_limit_is_judged() {
    let server = Server::new([("pass", pass())]);
    let limit = Limits::default().body;
    let padded = |size: usize| {
        let mut body = pod(IMAGE).to_string().into_bytes();
        body.resize(size, b' ');
        body
    };
    for path in ["/validations", "/mutations", "/resource-conversion"] {
        let (status, text) = server.post(path, padded(limit + 1)).await;
        assert_eq!(status, 413, "{path}");
        assert!(text.starts_with("could not read body: "), "{text}");
    }
    let (status, text) = server.post("/validations", padded(limit)).await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("\"allowed\":true"), "{text}");
}

#[tokio::test]
async fn a_body_that_ends_early_is_refused_and_the_whole_one_is_not() {
    let server = Server::new([("pass", pass())]);
    let text = pod(IMAGE).to_string();
    let (head, tail) = text.split_at(text.len() / 2);
    let stream = |tail: Result<String, std::io::Error>| {
        Body::from_stream(futures::stream::iter([Ok(head.to_owned()), tail]))
    };
    let (status, _) = server.post("/validations", stream(Ok(tail.to_owned()))).await;
    assert_eq!(status, 200);
    let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let (status, text) = server.post("/validations", stream(Err(cut))).await;
    assert_eq!(status, 400);
    assert!(text.starts_with("could not read body: "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let server = Server::new([("pass", pass())]);
    let hanging = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let (status, text) = server.post("/validations", hanging).await;
    assert_eq!(status, 408);
    assert_eq!(text, "could not read body: it did not arrive in time");
}

#[tokio::test]
async fn other_methods_are_405_and_other_paths_are_400() {
    let server = Server::new([("pass", pass())]);
    let plain = ("accept", "*/*");
    for path in REVIEWS.into_iter().chain(["/resource-conversion"]) {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            assert_eq!(server.ask(method, path, plain).await.0, 405, "{path}");
        }
        let request = axum::http::Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(server.send(request).await.0.headers()["allow"], "POST");
    }
    for (path, named) in
        [("/x", "/x"), ("/", "/"), ("/validations/", "/validations/"), ("/x?timeout=1s", "/x")]
    {
        let expected = (400, format!("no controller registered for: {named}"));
        assert_eq!(server.ask(Method::GET, path, plain).await, expected);
        assert_eq!(server.post(path, pod(IMAGE).to_string()).await, expected);
    }
    let with_query = server.post("/validations?timeout=25s", pod(IMAGE).to_string()).await;
    assert_eq!(with_query.0, 200);
}

#[tokio::test]
async fn the_kubelet_is_answered_on_any_path_and_told_of_a_shutdown() {
    let server = Server::new([]);
    let headers = [("k-kubelet-probe", "queue"), ("user-agent", "kube-probe/1.33")];
    let paths = ["/", "/healthz", "/validations", "/resource-conversion"];
    for path in paths {
        for header in headers {
            assert_eq!(server.ask(Method::GET, path, header).await.0, 200, "{path}");
        }
        assert_ne!(server.ask(Method::GET, path, ("user-agent", "curl/8")).await.0, 200, "{path}");
    }
    server.app.readiness.drain();
    for path in paths {
        for header in headers {
            assert_eq!(server.ask(Method::GET, path, header).await, (503, "shutting down".into()));
        }
    }
}
