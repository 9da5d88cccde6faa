use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::json;
use trustwright_api::spec::Base64Data;

use super::*;

mod changes;
mod dependents;
mod leading;
mod mirrors;
mod states;
mod support;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn root(spec: &Value, status: &Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot",
        "metadata": {"name": "r", "generation": 1}, "spec": spec, "status": status,
    }))
    .unwrap()
}

const WARNING: ExpiryWarning = ExpiryWarning {
    online: SignedDuration::from_hours(5 * 24),
    offline: SignedDuration::from_hours(30 * 24),
};

/// What is known about an object without a mirror.
fn observed(object: &DynamicObject, now: Timestamp) -> Observed {
    let root = trustwright_roots::read(object.data.get("spec"))
        .map(|spec| Root::of_spec(&spec, now).expect("a spec that holds its keys"));
    Observed::of(root)
}

fn decided(object: &DynamicObject, now: Timestamp) -> Decision {
    decide(object, &observed(object, now), WARNING, now)
}

fn applied(object: &DynamicObject, now: Timestamp) -> Option<Value> {
    decided(object, now).status
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
    let good = applied(&root(&keys(&[log(&p256), log(&ed25519)]), &json!({})), NOW).unwrap();
    assert_eq!(ready(&good), ("True", "Loaded", "all 2 keys can be used"));
    assert_eq!(good["source"], "sigstoreKeys");
    assert!(good["fingerprint"].as_str().unwrap().starts_with("sha256:"));

    let mixed = applied(&root(&keys(&[log(&p256), log("garbage"), log(&ed25519)]), &json!({})), NOW).unwrap();
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
    let status = applied(&root(&keys(&[log("garbage")]), &json!({})), NOW).unwrap();
    let (ready, reason, message) = ready(&status);
    assert_eq!((ready, reason), ("False", "NoUsableKeys"));
    assert!(message.contains("https://log.example"), "{message}");
    assert_eq!(status["keys"].as_array().unwrap().len(), 1);
    assert!(status.get("fingerprint").is_none());
    assert_eq!(status["conditions"][1]["type"], "Stalled");
}

#[test]
fn broken_specs_say_so() {
    for (spec, reason) in [
        (json!({"remote": {"mirror": "https://m"}}), "InvalidSpec"),
        (json!({"repository": {}}), "InvalidSpec"),
        (json!({"repository": {"root": "e30=", "mirrorFS": "e30="}}), "VerificationFailed"),
        (json!({"repository": {}, "onExpiry": "Never"}), "InvalidSpec"),
        (json!({}), "InvalidSpec"),
        (json!({"repository": {}, "remote": {}}), "InvalidSpec"),
        (json!({"sigstoreKeys": 3}), "InvalidSpec"),
        (json!(null), "InvalidSpec"),
    ] {
        let status = applied(&root(&spec, &json!({})), NOW).unwrap();
        assert_eq!((ready(&status).0, ready(&status).1), ("False", reason), "{spec}");
    }
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let spec = keys(&[log(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem())]);
    let status = applied(&root(&spec, &json!({})), NOW).unwrap();
    let later = NOW + jiff::SignedDuration::from_hours(1);
    assert_eq!(applied(&root(&spec, &status), later), None);
    let mut forged = status;
    forged["fingerprint"] = json!("sha256:00");
    assert!(applied(&root(&spec, &forged), later).is_some());
}

mod repository {
    use trustwright_testkit::tuf_repository::Repository;

    use super::*;

    /// Long before any role of the repository ends, and after all of them have.
    const BEFORE: &str = "2026-08-20T00:00:00Z";
    const AFTER: &str = "2026-10-01T00:00:00Z";

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn spec(repository: &Repository, change: impl FnOnce(&mut Value)) -> Value {
        let packed = repository.publish().pack(512 << 10).unwrap();
        let mut spec = json!({"repository": {
            "root": Base64Data::encode(repository.first_root()), "mirrorFS": Base64Data::encode(packed),
            "targets": "targets",
        }});
        change(&mut spec);
        spec
    }

    #[test]
    fn a_packed_repository_is_verified_and_its_roles_and_keys_are_told() {
        let repository = Repository::new();
        let decision = decided(&root(&spec(&repository, |_| ()), &json!({})), at(BEFORE));
        let status = decision.status.unwrap();
        let (ready, reason, message) = ready(&status);
        assert_eq!((ready, reason), ("True", "Loaded"), "{message}");
        assert_eq!(status["source"], "repository");
        let roles: Vec<_> =
            status["metadata"].as_array().unwrap().iter().map(|role| role["role"].clone()).collect();
        assert_eq!(roles, ["root", "timestamp", "snapshot", "targets"]);
        assert_eq!(status["expires"], "2026-09-30T00:00:00Z");
        // When the roles that people sign begin to expire.
        assert_eq!(decision.again, Some(at("2026-08-31T00:00:00Z")));
        assert!(status["keys"].as_array().unwrap().iter().any(|key| key["algorithm"] == "ed25519"));
        assert_eq!(status["conditions"].as_array().unwrap().len(), 1);

        // The keys are the same, so is the fingerprint, whatever the versions.
        let mut newer = repository.clone();
        newer.advance();
        let again = applied(&root(&spec(&newer, |_| ()), &json!({})), at(BEFORE)).unwrap();
        assert_eq!(again["fingerprint"], status["fingerprint"]);
        assert_ne!(again["metadata"], status["metadata"]);
    }

    #[test]
    fn an_expired_repository_stays_in_force_unless_the_spec_rejects_it() {
        let repository = Repository::new();
        let kept = decided(&root(&spec(&repository, |_| ()), &json!({})), at(AFTER));
        let status = kept.status.unwrap();
        let (met, reason, message) = ready(&status);
        assert_eq!((met, reason), ("True", "ExpiredKept"));
        assert!(message.contains("timestamp version 1 expired at 2026-09-30"), "{message}");
        assert_eq!(kept.again, None);
        let expired =
            |status: &Value| status["conditions"].as_array().unwrap().last().unwrap()["type"] == "Expired";
        assert!(expired(&status));
        assert!(status["fingerprint"].is_string());

        let reject = |spec: &mut Value| spec["onExpiry"] = json!("Reject");
        let status = applied(&root(&spec(&repository, reject), &json!({})), at(AFTER)).unwrap();
        assert_eq!((ready(&status).0, ready(&status).1), ("False", "Expired"));
        assert!(expired(&status) && status.get("fingerprint").is_none());
        assert_eq!(status["metadata"].as_array().unwrap().len(), 4);
        let status = applied(&root(&spec(&repository, reject), &json!({})), at(BEFORE)).unwrap();
        assert_eq!((ready(&status).0, ready(&status).1), ("True", "Loaded"));
    }

    #[test]
    fn what_does_not_chain_to_the_root_or_is_damaged_is_refused_with_its_cause() {
        let (repository, other) = (Repository::new(), Repository::new());
        let foreign = |spec: &mut Value| {
            spec["repository"]["root"] = json!(Base64Data::encode(other.first_root()));
        };
        let cut = |spec: &mut Value| {
            let packed = repository.publish().pack(512 << 10).unwrap();
            spec["repository"]["mirrorFS"] = json!(Base64Data::encode(&packed[..packed.len() / 2]));
        };
        let target = |spec: &mut Value| spec["repository"]["trustedRootTarget"] = json!("other.json");
        for (spec, reason, text) in [
            (spec(&repository, foreign), "VerificationFailed", "spec.repository: "),
            (spec(&repository, cut), "VerificationFailed", "spec.repository.mirrorFS: "),
            (spec(&repository, target), "VerificationFailed", "spec.repository: "),
            (
                spec(&repository, |spec| spec["repository"]["root"] = json!("?")),
                "InvalidSpec",
                "spec.repository.root",
            ),
        ] {
            let status = applied(&root(&spec, &json!({})), at(BEFORE)).unwrap();
            let (met, found, message) = ready(&status);
            assert_eq!((met, found), ("False", reason), "{message}");
            assert!(message.contains(text) && message.len() > text.len() + 10, "{message}");
            assert!(status.get("fingerprint").is_none());
        }
    }
}
