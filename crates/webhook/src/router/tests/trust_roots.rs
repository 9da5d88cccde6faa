//! `/validating` for trust roots: what only verifying shows.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use trustwright_testkit::tuf_repository::Repository;

use super::*;

const EXPIRED: &str = "2026-08-01T00:00:00Z";

fn trust_root(spec: &Value) -> Value {
    let mut review = create("policy.sigstore.dev", "TrustRoot", spec);
    review["request"]["kind"]["version"] = json!("v1alpha1");
    review["request"]["object"]["apiVersion"] = json!("policy.sigstore.dev/v1alpha1");
    review
}

fn archive(repository: &Repository) -> Value {
    json!(STANDARD.encode(repository.publish().pack(1 << 20).unwrap()))
}

fn in_spec(repository: &Repository) -> Value {
    let root = STANDARD.encode(repository.first_root());
    json!({"repository": {"root": root, "mirrorFS": archive(repository), "targets": "targets"}})
}

/// The request to change something else than `before` says, from there to `after`.
fn update(before: &Value, after: &Value) -> Value {
    let mut review = trust_root(after);
    review["request"]["operation"] = json!("UPDATE");
    let mut old = review["request"]["object"].clone();
    old["spec"] = before.clone();
    review["request"]["oldObject"] = old;
    review["request"]["object"]["metadata"]["labels"] = json!({"a": "b"});
    review
}

#[tokio::test]
async fn a_repository_that_does_not_verify_is_refused_in_the_words_of_the_field() {
    let server = Server::new([]);
    let good = Repository::new();
    server.admits("/validating", &trust_root(&in_spec(&good))).await;
    let packed =
        |archive: trustwright_trust::tuf::Archive| json!(STANDARD.encode(archive.pack(1 << 20).unwrap()));
    let mut empty = good.clone();
    empty.files.insert("trusted_root.json".to_owned(), b"{}".to_vec());
    let mut without = good.clone();
    without.files.clear();
    let mut cut_off = STANDARD.decode(archive(&good).as_str().unwrap()).unwrap();
    cut_off.truncate(cut_off.len() - 10);
    let no_timestamp = good.publish().files().filter(|(path, _)| *path != "timestamp.json").collect();
    for (mirror_fs, details) in [
        (json!(STANDARD.encode("<html>")), "failed to uncompress: gzip: invalid header"),
        (
            json!(STANDARD.encode(cut_off)),
            "spec.repository.mirrorFS: the gzip stream is damaged or cut off: ",
        ),
        (archive(&Repository::new()), "spec.repository: timestamp.json has 0 of the 1 valid signatures "),
        (packed(no_timestamp), "spec.repository: the mirror has no timestamp.json"),
        (archive(&without), "spec.repository: no role lists trusted_root.json, and no target says "),
        (archive(&empty), "spec.repository: "),
    ] {
        let review = with(trust_root(&in_spec(&good)), "/request/object/spec/repository/mirrorFS", mirror_fs);
        let message = server.refuses("/validating", &review).await;
        let start = "validation failed: invalid value: failed to construct a TUF client: \
                     spec.repository.mirrorFS\n";
        assert!(message.starts_with(&format!("{start}{details}")), "{message}");
    }
}

#[tokio::test]
async fn an_expired_repository_is_admitted_with_a_warning_that_says_which_role_ended_when() {
    let server = Server::new([]);
    let mut expired = Repository::new();
    expired.timestamp.expires = EXPIRED;
    let role = "timestamp version 1 expired at 2026-08-01T00:00:00Z";
    for (rule, effect) in [
        (json!({}), "it stays in force"),
        (json!({"maxStaleness": "720h"}), "it stays in force"),
        (
            json!({"maxStaleness": "24h"}),
            "nothing of it is in force, as that is longer ago than spec.maxStaleness",
        ),
        (json!({"onExpiry": "Reject"}), "nothing of it is in force, as spec.onExpiry is Reject"),
    ] {
        let mut spec = in_spec(&expired);
        spec.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
        let response = server.review("/validating", &trust_root(&spec)).await;
        assert_eq!(response["allowed"], true, "{response}");
        assert_eq!(response["warnings"], json!([format!("{role}; {effect}: spec.repository.mirrorFS")]));
    }
    // What its author vouches for has to be theirs all the same.
    let mut forged = Repository::new();
    forged.timestamp.expires = EXPIRED;
    let review =
        with(trust_root(&in_spec(&expired)), "/request/object/spec/repository/mirrorFS", archive(&forged));
    server.refuses("/validating", &review).await;
}

#[tokio::test]
async fn an_update_that_leaves_the_spec_as_it_is_passes_whatever_time_did_to_it() {
    let server = Server::new([]);
    let good = Repository::new();
    let damaged = |repository: &Repository| {
        let mut spec = in_spec(repository);
        spec["repository"]["mirrorFS"] = archive(&Repository::new());
        spec
    };
    let text = json!({"trustedRoot": {"data": "<html>"}});
    let expired = in_spec(&good.clone().until(EXPIRED));
    let mut no_archive = in_spec(&good);
    no_archive["repository"]["mirrorFS"] = json!(STANDARD.encode("<html>"));
    for spec in [in_spec(&good), expired.clone(), damaged(&good), no_archive, text.clone()] {
        server.admits("/validating", &update(&spec, &spec)).await;
    }
    for (before, after) in
        [(in_spec(&good), damaged(&good)), (damaged(&good), text.clone()), (text, damaged(&good))]
    {
        server.refuses("/validating", &update(&before, &after)).await;
    }
    // Nor does it pass as a new object, where there is an old one of the same spec.
    let spec = damaged(&good);
    let review = with(update(&spec, &spec), "/request/operation", json!("CREATE"));
    server.refuses("/validating", &review).await;
    let response = server.review("/validating", &update(&in_spec(&good), &expired)).await;
    assert_eq!((&response["allowed"], response["warnings"].is_array()), (&json!(true), true));
}

#[tokio::test]
async fn a_trusted_root_is_admitted_with_a_warning_and_refused_without_a_usable_key() {
    let server = Server::new([]);
    let text = Repository::new().files["trusted_root.json"].clone();
    let good = json!({"trustedRoot": {"data": String::from_utf8(text).unwrap()}});
    let reference = json!({"trustedRoot": {"configMapRef": {"name": "n"}}});
    for spec in [good, reference] {
        let response = server.review("/validating", &trust_root(&spec)).await;
        assert_eq!(response["allowed"], true, "{response}");
        let warning = response["warnings"][0].as_str().unwrap();
        assert!(warning.starts_with("not protected by TUF") && warning.ends_with(": spec.trustedRoot"));
    }
    for data in
        ["<html>", "{}", r#"{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#]
    {
        let review = trust_root(&json!({"trustedRoot": {"data": data}}));
        let message = server.refuses("/validating", &review).await;
        let start =
            "validation failed: invalid value: no trusted root: spec.trustedRoot.data\nspec.trustedRoot: ";
        assert!(message.starts_with(start), "{message}");
    }
}
