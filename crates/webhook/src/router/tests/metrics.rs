//! What is counted, under the names that dashboards use.

use super::*;

#[tokio::test]
async fn decisions_findings_and_durations_are_counted_by_endpoint() {
    let server = Server::new([
        ("deny", policy("enforce", "127.0.0.1:1/bad/**", &json!({"action": "fail"}))),
        ("pass", policy("enforce", "127.0.0.1:1/*/b**", &json!({"action": "pass"}))),
        ("warn", policy("warn", "127.0.0.1:1/warn/**", &json!({"action": "fail"}))),
    ]);
    let image = |repository: &str| pod(&IMAGE.replace("/a/b", &format!("/{repository}/b")));
    server.review("/validations", &image("a")).await;
    server.review("/validations", &image("bad")).await;
    server.review("/validations", &image("warn")).await;
    server.review("/validations", &create("", "Service", &json!({}))).await;
    server.post("/validations", "{").await;
    server.review("/mutations", &image("a")).await;
    server.review("/mutations", &create("", "Service", &json!({}))).await;
    server.post("/resource-conversion", "{").await;
    server.post("/resource-conversion", vec![b' '; Limits::default().body + 1]).await;
    for (name, value) in [
        (r#"trustwright_admission_total{endpoint="validations",decision="allow"}"#, 1),
        (r#"trustwright_admission_total{endpoint="validations",decision="deny"}"#, 2),
        (r#"trustwright_admission_total{endpoint="validations",decision="warn"}"#, 1),
        (r#"trustwright_admission_total{endpoint="validations",decision="error"}"#, 1),
        (r#"trustwright_admission_total{endpoint="mutations",decision="allow"}"#, 1),
        (r#"trustwright_admission_total{endpoint="resource-conversion",decision="error"}"#, 2),
        (r#"trustwright_admission_findings_total{decision="deny",reason="static_fail"}"#, 1),
        (r#"trustwright_admission_findings_total{decision="warn",reason="static_fail"}"#, 1),
        (r#"trustwright_admission_findings_total{decision="deny",reason="malformed_request"}"#, 3),
        (r#"trustwright_admission_findings_total{decision="deny",reason="no_signatures"}"#, 0),
        (r#"trustwright_admission_duration_seconds_count{endpoint="validations"}"#, 5),
        (r#"trustwright_admission_duration_seconds_bucket{le="+Inf",endpoint="validations"}"#, 5),
        (r#"trustwright_admission_evidence_total{answer="hit"}"#, 0),
        ("trustwright_admission_panics_total", 0),
        ("trustwright_admission_in_flight", 0),
    ] {
        assert_eq!(server.metric(name), Some(value), "{name} in\n{}", server.metrics());
    }
}

#[tokio::test]
async fn every_reason_is_there_before_it_counts_first() {
    let server = Server::new([]);
    for reason in Reason::ALL {
        for decision in ["warn", "deny"] {
            let reason = reason.as_str();
            let name = format!(
                "trustwright_admission_findings_total{{decision=\"{decision}\",reason=\"{reason}\"}}"
            );
            assert_eq!(server.metric(&name), Some(0), "{name}");
        }
    }
}

#[tokio::test]
async fn a_request_in_flight_is_counted_until_it_is_answered_or_given_up() {
    let server = Server::new([]);
    // Takes connections and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let review = pod(&format!("{}/a/b:1", silent.local_addr().unwrap()));
    let mut request = Box::pin(server.review("/mutations", &review));
    assert!(futures::poll!(&mut request).is_pending());
    assert_eq!(server.metric("trustwright_admission_in_flight"), Some(1));
    drop(request);
    assert_eq!(server.metric("trustwright_admission_in_flight"), Some(0));
}

#[tokio::test]
async fn a_trust_root_that_is_gone_leaves_no_series_behind() {
    let server = Server::new([]);
    let text = trustwright_testkit::tuf_repository::Repository::new().files["trusted_root.json"].clone();
    let usable = trustwright_roots::Root::of_text(&String::from_utf8(text).unwrap(), now());
    let unusable = trustwright_roots::Root::of_text("{}", now());
    let fingerprint = usable.trusted.as_ref().unwrap().fingerprint().to_string();
    let trust = [("usable".to_owned(), Arc::new(usable)), ("unusable".to_owned(), Arc::new(unusable))];
    let info =
        format!("trustwright_webhook_trustroot_info{{trustroot=\"usable\",fingerprint=\"{fingerprint}\"}}");
    for (trust, kept, infos, counts) in
        [(BTreeMap::from(trust), 1, Some(1), [2, 1, 1]), (BTreeMap::new(), 0, None, [0, 0, 0])]
    {
        server.app.metrics.snapshot(&Snapshot { trust, ..Snapshot::default() }, kept);
        assert_eq!(server.metric(&info), infos, "{}", server.metrics());
        let series = server.metrics().lines().filter(|line| line.contains("_trustroot_info{")).count();
        assert_eq!(series, usize::from(infos.is_some()));
        let names = ["snapshot_trustroots", "snapshot_unusable_trustroots", "snapshot_kept_trustroots"];
        for (name, count) in names.into_iter().zip(counts) {
            assert_eq!(server.metric(&format!("trustwright_{name}")), Some(count), "{name}");
        }
    }
}
