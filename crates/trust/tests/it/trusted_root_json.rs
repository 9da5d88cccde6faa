//! Faults in a `trusted_root.json`, each beside the document as it should be.

use serde_json::{Value, json};
use sigstore_verify::Verifier;
use sigstore_verify::trust_root::SigstoreInstance;
use trustwright_trust::{
    KeyAlgorithm, KeyProblem, Loaded, SourceError, from_trusted_root_json, to_trusted_root,
};

use crate::support::now;

fn document() -> Value {
    serde_json::from_str(SigstoreInstance::PublicGood.embedded_trusted_root_json()).unwrap()
}

fn load(document: &Value) -> Result<Loaded, SourceError> {
    from_trusted_root_json(document.to_string().as_bytes(), now())
}

/// Applies `change` and returns the problem of the only entry that it makes unusable; the verifier takes the rest.
fn problem_after(change: impl Fn(&mut Value)) -> KeyProblem {
    let mut changed = document();
    change(&mut changed);
    let before = load(&document()).unwrap();
    let after = load(&changed).unwrap();
    assert_eq!(after.reports.len(), before.reports.len());
    assert_ne!(after.material.fingerprint(), before.material.fingerprint());
    assert!(Verifier::new(&to_trusted_root(&after.material).unwrap()).is_ok());
    let problems: Vec<_> = after.reports.iter().filter_map(|report| report.problem().cloned()).collect();
    let [problem] = problems.as_slice() else { panic!("one problem: {problems:?}") };
    problem.clone()
}

#[test]
fn an_unsupported_key_voids_itself_only() {
    assert_eq!(
        problem_after(|root| root["tlogs"][1]["publicKey"]["keyDetails"] = json!("PKIX_ED25519_PH")),
        KeyProblem::UnsupportedKeyAlgorithm { algorithm: KeyAlgorithm::Ed25519Ph },
    );
    assert_eq!(
        problem_after(|root| root["tlogs"][1]["publicKey"]["rawBytes"] = json!("AQID")),
        KeyProblem::MalformedKey
    );
}

#[test]
fn an_entry_of_another_shape_voids_itself_only() {
    for change in [
        |root: &mut Value| root["tlogs"][0]["publicKey"] = json!(7),
        |root: &mut Value| root["tlogs"][0] = json!("rekor"),
        |root: &mut Value| root["ctlogs"][0]["publicKey"]["validFor"]["start"] = json!("yesterday"),
        |root: &mut Value| {
            root["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"] = json!("%");
        },
    ] {
        let problem = problem_after(change);
        assert!(matches!(problem, KeyProblem::MalformedEntry { .. }), "{problem:?}");
    }
}

#[test]
fn an_authority_without_certificates_voids_itself_only() {
    assert_eq!(
        problem_after(|root| root["certificateAuthorities"][0]["certChain"]["certificates"] = json!([])),
        KeyProblem::NoPemBlock
    );
}

#[test]
fn a_log_id_is_a_sha_256() {
    assert_eq!(
        problem_after(|root| root["tlogs"][0]["logId"]["keyId"] = json!("AQID")),
        KeyProblem::MalformedLogId { length: 3 }
    );
    let mut missing = document();
    missing["tlogs"][0]["logId"] = Value::Null;
    missing["tlogs"][1]["logId"] = json!({});
    assert_eq!(load(&missing).unwrap().material, load(&document()).unwrap().material);
}

#[test]
fn a_stated_log_id_is_kept_where_the_origin_is_another_name() {
    let mut moved = document();
    moved["tlogs"][1]["baseUrl"] = json!("https://mirror.test");
    let loaded = load(&moved).unwrap();
    let log = loaded.material.transparency_logs().iter().find(|log| log.base_url.contains("mirror")).unwrap();
    assert_eq!(log.origin, None);
    assert!(
        load(&document()).unwrap().material.transparency_logs().iter().any(|one| one.log_id == log.log_id)
    );
}

#[test]
fn a_window_does_not_end_before_it_starts() {
    let window = |start: &str, end: &str| json!({ "start": start, "end": end });
    let problem = problem_after(|root| {
        root["tlogs"][0]["publicKey"]["validFor"] = window("2022-01-01T00:00:00Z", "2021-01-01T00:00:00Z");
    });
    assert!(matches!(problem, KeyProblem::InvertedWindow { .. }));
    let mut instant = document();
    instant["tlogs"][0]["publicKey"]["validFor"] = window("2022-01-01T00:00:00Z", "2022-01-01T00:00:00Z");
    assert!(load(&instant).unwrap().reports.iter().all(trustwright_trust::KeyReport::is_usable));
}

#[test]
fn a_window_is_part_of_what_is_trusted() {
    let mut longer = document();
    longer["ctlogs"][0]["publicKey"]["validFor"]["end"] = json!("2022-11-01T00:00:00Z");
    assert_ne!(
        load(&longer).unwrap().material.fingerprint(),
        load(&document()).unwrap().material.fingerprint()
    );
}

#[test]
fn a_window_that_lost_its_start_is_not_one_without_bounds() {
    for window in [json!({}), json!({ "end": "2029-01-01T00:00:00Z" })] {
        let problem = problem_after(|root| root["tlogs"][0]["publicKey"]["validFor"] = window.clone());
        assert_eq!(problem, KeyProblem::MissingWindowStart);
        let problem = problem_after(|root| root["certificateAuthorities"][0]["validFor"] = window.clone());
        assert_eq!(problem, KeyProblem::MissingWindowStart);
    }
    for window in [Value::Null, json!({ "start": "2020-01-01T00:00:00Z" })] {
        let mut open = document();
        open["tlogs"][0]["publicKey"]["validFor"] = window;
        assert!(load(&open).unwrap().reports.iter().all(trustwright_trust::KeyReport::is_usable));
    }
}

#[test]
fn one_log_id_with_two_windows_is_one_entry_whatever_the_order() {
    let mut doubled = document();
    let mut second = doubled["ctlogs"][0].clone();
    second["publicKey"]["validFor"] = json!({ "start": "2024-01-01T00:00:00Z" });
    doubled["ctlogs"].as_array_mut().unwrap().push(second);
    let one = load(&doubled).unwrap();
    let problems: Vec<_> = one.reports.iter().filter_map(|report| report.problem()).collect();
    assert!(matches!(problems.as_slice(), [KeyProblem::DuplicateLogId { .. }]));
    doubled["ctlogs"].as_array_mut().unwrap().reverse();
    assert_eq!(load(&doubled).unwrap().material, one.material);
}

#[test]
fn proto_json_spells_bytes_in_either_alphabet() {
    let mut urlsafe = document();
    for log in urlsafe["tlogs"].as_array_mut().unwrap() {
        let text = log["logId"]["keyId"].as_str().unwrap().replace('+', "-").replace('/', "_");
        log["logId"]["keyId"] = json!(text.trim_end_matches('='));
    }
    assert_eq!(load(&urlsafe).unwrap().material, load(&document()).unwrap().material);
}

#[test]
fn other_documents_are_refused_whole() {
    for text in ["", "<html>", "[]", "{\"tlogs\": 7}"] {
        let refused = from_trusted_root_json(text.as_bytes(), now());
        assert!(matches!(refused, Err(SourceError::Malformed(_))), "{text}: {refused:?}");
    }
    assert!(matches!(load(&json!({})), Err(SourceError::NothingUsable { reports }) if reports.is_empty()));
    let mut other = document();
    other["mediaType"] = json!("application/vnd.dev.sigstore.signingconfig.v0.2+json");
    assert!(matches!(load(&other), Err(SourceError::UnexpectedMediaType { .. })));
    for accepted in [Value::Null, json!(""), json!("application/vnd.dev.sigstore.trustedroot.v0.2+json")] {
        other["mediaType"] = accepted;
        assert!(load(&other).is_ok());
    }
}
