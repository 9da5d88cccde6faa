use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::json;
use trustwright_api::spec::Base64Data;

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn root(spec: &Value, status: &Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot",
        "metadata": {"name": "r", "generation": 1}, "spec": spec, "status": status,
    }))
    .unwrap()
}

fn log(pem: &str) -> Value {
    json!({"baseURL": "https://log.example", "hashAlgorithm": "sha-256", "publicKey": Base64Data::encode(pem)})
}

fn keys(logs: &[Value]) -> Value {
    json!({"sigstoreKeys": {"certificateAuthorities": [], "tLogs": logs}})
}

fn ready(status: &Value) -> (&str, &str, &str) {
    let condition = &status["conditions"][0];
    assert_eq!(condition["type"], "Ready");
    let text = |key: &str| condition[key].as_str().unwrap();
    (text("status"), text("reason"), text("message"))
}

#[test]
fn one_unusable_key_is_reported_and_leaves_the_root_ready() {
    let p256 = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem();
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap().public_key_pem();
    let good = decide(&root(&keys(&[log(&p256), log(&ed25519)]), &json!({})), NOW).unwrap();
    assert_eq!(ready(&good), ("True", "Loaded", "all 2 keys can be used"));
    assert_eq!(good["source"], "sigstoreKeys");
    assert!(good["fingerprint"].as_str().unwrap().starts_with("sha256:"));

    let mixed = decide(&root(&keys(&[log(&p256), log("garbage"), log(&ed25519)]), &json!({})), NOW).unwrap();
    let (status, _, message) = ready(&mixed);
    assert_eq!(status, "True");
    assert!(
        message.starts_with("2 of 3 keys can be used; TransparencyLog \"https://log.example\": "),
        "{message}"
    );
    assert_eq!(mixed["keys"][1]["usable"], false);
    assert!(!mixed["keys"][1]["reason"].as_str().unwrap().is_empty());
    assert_eq!(mixed["fingerprint"], good["fingerprint"]);
}

#[test]
fn a_root_without_a_usable_key_is_not_ready_and_says_which_and_why() {
    let status = decide(&root(&keys(&[log("garbage")]), &json!({})), NOW).unwrap();
    let (ready, reason, message) = ready(&status);
    assert_eq!((ready, reason), ("False", "NoUsableKeys"));
    assert!(message.contains("https://log.example"), "{message}");
    assert_eq!(status["keys"].as_array().unwrap().len(), 1);
    assert!(status.get("fingerprint").is_none());
    assert_eq!(status["conditions"][1]["type"], "Stalled");
}

#[test]
fn sources_of_later_versions_and_broken_specs_say_so() {
    for (spec, reason) in [
        (json!({"remote": {"mirror": "https://m"}}), "UnsupportedSource"),
        (json!({"repository": {}}), "UnsupportedSource"),
        (json!({}), "InvalidSpec"),
        (json!({"repository": {}, "remote": {}}), "InvalidSpec"),
        (json!({"sigstoreKeys": 3}), "InvalidSpec"),
        (json!(null), "InvalidSpec"),
    ] {
        let status = decide(&root(&spec, &json!({})), NOW).unwrap();
        assert_eq!((ready(&status).0, ready(&status).1), ("False", reason), "{spec}");
    }
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let spec = keys(&[log(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem())]);
    let status = decide(&root(&spec, &json!({})), NOW).unwrap();
    let later = NOW + jiff::SignedDuration::from_hours(1);
    assert_eq!(decide(&root(&spec, &status), later), None);
    let mut forged = status;
    forged["fingerprint"] = json!("sha256:00");
    assert!(decide(&root(&spec, &forged), later).is_some());
}
