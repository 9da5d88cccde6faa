//! Every state that a policy can be in, what its conditions say of it, and what tools make of that.

use std::collections::BTreeMap;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use trustwright_roots::Root;
use trustwright_testkit::kstatus::Status;
use trustwright_testkit::tuf_repository::Repository;

use super::*;
use crate::judges::{Judged, assert_argo_cd, assert_kstatus};

/// What holds of each part, in the order of [`PARTS`]; all else follows from it.
struct State {
    name: &'static str,
    observed: Observed,
    /// The reason of `Ready`, and what there is beside it where that is not met.
    ready: (&'static str, Option<&'static str>),
    /// The reason of each condition that is not met, besides `Ready`.
    unmet: Vec<(&'static str, &'static str)>,
    kstatus: Status,
}

const CHECKS: &str = "SignatureChecksReady";
const KEYS: &str = "KeysResolved";
const POLICIES: &str = "PoliciesResolved";
const TRUST: &str = "TrustReady";
const ENFORCED: &str = "Enforced";
const PARTS: [&str; 5] = [CHECKS, KEYS, POLICIES, TRUST, ENFORCED];

const RECONCILING: Option<&str> = Some("Reconciling");
const STALLED: Option<&str> = Some("Stalled");
const LATE: Reach = Reach::Spreading(ON_ITS_WAY);

/// The Secrets and `ConfigMaps` of the namespace: `good` is as it should be, and of the others each has one fault.
fn secret(name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let pem = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem().into_bytes();
    let entries = |entries: Vec<(&str, Vec<u8>)>| {
        Some(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    match name {
        "good" => entries(vec![("cosign.pub", pem())]),
        "empty" => entries(vec![]),
        "two" => entries(vec![("a", pem()), ("b", pem())]),
        "garbage" => entries(vec![("a", b"no key".to_vec())]),
        _ => None,
    }
}

fn config_map(name: &str) -> Option<BTreeMap<String, String>> {
    let text = BTreeMap::from([("policy".to_owned(), "package sigstore".to_owned())]);
    (name == "good").then_some(text)
}

/// The trust root `good`, of which everything is in force, and `refused`, of which nothing is.
fn roots() -> BTreeMap<String, Arc<Root>> {
    let good = Repository::new().files["trusted_root.json"].clone();
    let good = Root::of_text(std::str::from_utf8(&good).unwrap(), "2026-08-20T00:00:00Z".parse().unwrap());
    let refused = Root::of_text("{}", NOW);
    assert!(good.trusted.is_ok() && refused.trusted.is_err());
    BTreeMap::from([("good".to_owned(), Arc::new(good)), ("refused".to_owned(), Arc::new(refused))])
}

/// What [`Policies::decide`] gathers about a policy with this spec.
fn observed(spec: &Value, reach: Reach) -> Observed {
    let policy = compile_stored("p", Some(spec), &(secret, config_map), &NoLanguages);
    let trust = trust_problems(&policy, &roots()).iter().map(ToString::to_string).collect();
    Observed { policy, trust, reach, patience: ON_ITS_WAY }
}

fn state(
    name: &'static str,
    (spec, reach): (Value, Reach),
    ready: (&'static str, Option<&'static str>),
    unmet: &[(&'static str, &'static str)],
    kstatus: Status,
) -> State {
    State { name, observed: observed(&spec, reach), ready, unmet: unmet.to_vec(), kstatus }
}

fn with(authority: &Value) -> Value {
    json!({"images": [{"glob": "**"}], "authorities": [authority]})
}

/// A policy with a field of another value.
fn but(field: &str, value: Value) -> Value {
    let mut spec = good();
    spec[field] = value;
    spec
}

fn in_secret(name: &str) -> Value {
    with(&json!({"key": {"secretRef": {"name": name}}}))
}

fn keyless(root: &str) -> Value {
    with(&json!({"keyless": {"trustRootRef": root, "identities": [{"issuer": "i", "subject": "s"}]}}))
}

/// What one policy says of itself, and where it has come to.
fn of_working_policies() -> Vec<State> {
    let pem = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem();
    let works = |name, spec| state(name, (spec, Reach::InForce), ("Compiled", None), &[], Status::Current);
    let spreading = [(ENFORCED, "Spreading")];
    vec![
        works("a fixed outcome", good()),
        works("warns", but("mode", json!("warn"))),
        works("a key in the spec", with(&json!({"key": {"data": pem}}))),
        works("a key in a Secret", in_secret("good")),
        works("a trust root in force", keyless("good")),
        state(
            "not everywhere yet",
            (good(), LATE),
            ("Spreading", RECONCILING),
            &spreading,
            Status::InProgress,
        ),
        state(
            "no replica",
            (good(), Reach::NoReplica),
            ("NoReplica", RECONCILING),
            &[(ENFORCED, "NoReplica")],
            Status::InProgress,
        ),
    ]
}

/// What another object may cure.
fn of_missing_objects() -> Vec<State> {
    let key = [(CHECKS, "NotResolved"), (KEYS, "NotResolved")];
    let text = [(CHECKS, "NotResolved"), (POLICIES, "NotResolved")];
    let root = [(CHECKS, "TrustRootNotReady"), (TRUST, "TrustRootNotReady")];
    let both = [(CHECKS, "NotResolved"), (KEYS, "NotResolved"), (TRUST, "TrustRootNotReady")];
    let waits = |name, spec, unmet: &[(&'static str, &'static str)]| {
        let reason = unmet[0].1;
        state(name, (spec, Reach::InForce), (reason, RECONCILING), unmet, Status::InProgress)
    };
    let map = json!({"type": "rego", "configMapRef": {"name": "missing", "key": "policy"}});
    let remote = json!({"type": "rego", "remote": {"url": "https://e.example/p", "sha256sum": "00"}});
    let attested = |policy: &Value| {
        let mut authority = in_secret("good")["authorities"][0].clone();
        authority["attestations"] = json!([{"name": "a", "predicateType": "custom", "policy": policy}]);
        with(&authority)
    };
    let mut key_and_root = keyless("missing");
    let key_too = in_secret("missing")["authorities"][0].clone();
    key_and_root["authorities"].as_array_mut().unwrap().push(key_too);
    vec![
        waits("no Secret", in_secret("missing"), &key),
        waits("a Secret without entries", in_secret("empty"), &key),
        waits("a Secret of two entries", in_secret("two"), &key),
        waits("a Secret without a key in it", in_secret("garbage"), &key),
        waits("no ConfigMap", but("policy", map.clone()), &text),
        waits("a remote text that was not fetched", but("policy", remote), &text),
        waits("no ConfigMap for an attestation", attested(&map), &text),
        waits("no TrustRoot", keyless("missing"), &root),
        waits("no default TrustRoot", keyless(""), &root),
        waits("a TrustRoot of which nothing is in force", keyless("refused"), &root),
        waits("neither key nor TrustRoot", key_and_root, &both),
        state(
            "no Secret, and not everywhere yet",
            (in_secret("missing"), LATE),
            ("NotResolved", RECONCILING),
            &[(CHECKS, "NotResolved"), (KEYS, "NotResolved"), (ENFORCED, "Spreading")],
            Status::InProgress,
        ),
        state(
            "no Secret, and no replica",
            (in_secret("missing"), Reach::NoReplica),
            ("NotResolved", RECONCILING),
            &[(CHECKS, "NotResolved"), (KEYS, "NotResolved"), (ENFORCED, "NoReplica")],
            Status::InProgress,
        ),
    ]
}

/// What only a change of the spec cures.
fn of_bad_specs() -> Vec<State> {
    let unmet = [(CHECKS, "NotCompiled")];
    let bad =
        |name, spec| state(name, (spec, Reach::InForce), ("NotCompiled", STALLED), &unmet, Status::Failed);
    let key = [(CHECKS, "NotResolved"), (KEYS, "NotResolved")];
    let key =
        |name, spec| state(name, (spec, Reach::InForce), ("NotResolved", STALLED), &key, Status::Failed);
    let glob = json!([{"glob": "$FOO*"}]);
    let mut glob_and_secret = in_secret("missing");
    glob_and_secret["images"] = glob.clone();
    let mut regexp = keyless("good");
    regexp["authorities"][0]["keyless"]["identities"] = json!([{"issuer": "i", "subjectRegExp": "("}]);
    let selector = json!([{
        "group": "apps", "version": "v1", "resource": "deployments",
        "selector": {"matchExpressions": [{"key": "a", "operator": "?"}]},
    }]);
    let data = json!({"type": "rego", "data": "package sigstore"});
    vec![
        bad("a bad glob", but("images", glob)),
        bad("no glob", but("images", json!([]))),
        bad("a bad selector", but("match", selector)),
        bad("an unknown mode", but("mode", json!("audit"))),
        bad("no authority", but("authorities", json!([]))),
        bad("a bad expression", regexp),
        bad("a key and a fixed outcome", with(&json!({"key": {"data": "?"}, "static": {"action": "pass"}}))),
        bad("a policy over the whole result", but("policy", data)),
        bad("a spec of another form", json!({"images": 3})),
        bad("no spec", json!(null)),
        key("a text that is no key", with(&json!({"key": {"data": "no key"}}))),
        key("a key of a KMS", with(&json!({"key": {"kms": "gcpkms://k"}}))),
        state(
            "a bad glob, and no Secret",
            (glob_and_secret, Reach::InForce),
            ("NotCompiled", STALLED),
            &[(CHECKS, "NotCompiled"), (KEYS, "NotResolved")],
            Status::Failed,
        ),
        state(
            "an unknown mode, and not everywhere yet",
            (but("mode", json!("audit")), LATE),
            ("NotCompiled", STALLED),
            &[(CHECKS, "NotCompiled"), (ENFORCED, "Spreading")],
            Status::Failed,
        ),
    ]
}

fn states() -> Vec<State> {
    [of_working_policies(), of_missing_objects(), of_bad_specs()].into_iter().flatten().collect()
}

fn object() -> DynamicObject {
    policy(&json!({}), &json!({}))
}

fn usable(root: &str) -> bool {
    root == "good"
}

fn first(state: &State) -> Value {
    let status = decide(&object(), &state.observed, &usable, NOW).status;
    status.unwrap_or_else(|| panic!("{}: nothing to write", state.name))
}

fn with_status(status: &Value) -> DynamicObject {
    policy(&json!({}), status)
}

#[test]
fn every_state_has_its_conditions() {
    for state in states() {
        let (name, (ready, beside)) = (state.name, state.ready);
        let met = beside.is_none();
        let mut expected = vec![format!("Ready={} {ready}", if met { "True" } else { "False" })];
        expected.extend(beside.map(|type_| format!("{type_}=True {ready}")));
        expected.extend(PARTS.map(|part| match state.unmet.iter().find(|(unmet, _)| *unmet == part) {
            Some((_, reason)) => format!("{part}=False {reason}"),
            None => match part {
                CHECKS => format!("{part}=True Compiled"),
                ENFORCED => format!("{part}=True InForce"),
                _ => format!("{part}=True Resolved"),
            },
        }));
        let status = first(&state);
        let conditions = status["conditions"].as_array().unwrap().iter();
        let found: Vec<_> = conditions
            .map(|one| {
                assert_eq!(one["observedGeneration"], 3, "{name}");
                assert!(!one["message"].as_str().unwrap().is_empty(), "{name}");
                let [type_, status, reason] =
                    ["type", "status", "reason"].map(|key| one[key].as_str().unwrap());
                format!("{type_}={status} {reason}")
            })
            .collect();
        assert_eq!(found, expected, "{name}");
        assert_eq!(status["observedGeneration"], 3, "{name}");
    }
}

/// Each state's object, for other tools to read.
fn judged() -> Vec<Judged> {
    let of = |state: &State| {
        let object = with_status(&first(state));
        Judged { name: state.name.to_owned(), object, kstatus: state.kstatus }
    };
    states().iter().map(of).collect()
}

#[test]
fn kstatus_reads_every_state_as_it_is_meant() {
    assert_kstatus(&judged());
}

#[test]
fn argo_cd_reads_every_state_as_kstatus_does() {
    assert_argo_cd(&judged());
}

#[test]
fn the_status_that_the_api_server_fills_in_is_none() {
    let unseen = with_status(&json!({"observedGeneration": -1}));
    for state in states() {
        let decision = decide(&unseen, &state.observed, &usable, NOW);
        assert_eq!(decision, decide(&object(), &state.observed, &usable, NOW), "{}", state.name);
        assert!(decision.status.is_some(), "{}", state.name);
    }
}

#[test]
fn a_state_that_stays_is_neither_written_nor_told_again() {
    for state in states() {
        let written = with_status(&first(&state));
        let later = NOW + jiff::SignedDuration::from_mins(10);
        let again = decide(&written, &state.observed, &usable, later);
        assert_eq!((again.status, again.events), (None, Vec::new()), "{}", state.name);
    }
}
