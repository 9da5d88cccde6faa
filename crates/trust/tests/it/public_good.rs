//! The roots of the public Sigstore instances, as the verifier's crate embeds them.

use sigstore_verify::Verifier;
use sigstore_verify::trust_root::{SigstoreInstance, TrustedRoot};
use trustwright_trust::{
    KeyKind, KeyProblem, KeyReport, Loaded, LogId, Phase, from_sigstore_keys, from_trusted_root_json,
    sigstore_keys_manifest, to_trusted_root,
};

use crate::support::now;

fn embedded(instance: SigstoreInstance) -> (TrustedRoot, Loaded) {
    let json = instance.embedded_trusted_root_json();
    (TrustedRoot::from_json(json).unwrap(), from_trusted_root_json(json.as_bytes(), now()).unwrap())
}

fn production() -> (TrustedRoot, Loaded) {
    embedded(SigstoreInstance::PublicGood)
}

#[test]
fn every_key_of_the_production_root_is_usable() {
    let (original, loaded) = production();
    let problems: Vec<_> = loaded.reports.iter().filter_map(KeyReport::problem).collect();
    assert_eq!(problems, Vec::<&KeyProblem>::new());
    let count = |kind| loaded.reports.iter().filter(|report| report.kind == kind).count();
    assert_eq!(count(KeyKind::CertificateAuthority), original.certificate_authorities.len());
    assert_eq!(count(KeyKind::TimestampAuthority), original.timestamp_authorities.len());
    assert_eq!(count(KeyKind::TransparencyLog), original.tlogs.len());
    assert_eq!(count(KeyKind::CtLog), original.ctlogs.len());
    let algorithms: Vec<String> =
        loaded.reports.iter().filter_map(|report| Some(report.algorithm.as_ref()?.to_string())).collect();
    assert_eq!(
        algorithms,
        ["ecdsa-p384", "ecdsa-p384", "ecdsa-p384", "ecdsa-p256", "ed25519", "ecdsa-p256", "ecdsa-p256"]
    );
}

#[test]
fn ended_keys_of_the_production_root_stay_and_say_so() {
    let (_, loaded) = production();
    let fulcio = &loaded.reports[0];
    assert_eq!(fulcio.name, "https://fulcio.sigstore.dev");
    assert_eq!(fulcio.phase, Phase::Ended);
    // The authority's own window ends years before its certificate does.
    assert_eq!(fulcio.not_after, Some("2022-12-31T23:59:59.999Z".parse().unwrap()));
    let ended = loaded.reports.iter().filter(|report| report.phase == Phase::Ended).count();
    assert_eq!(ended, 2);
}

#[test]
fn the_rekor_v2_log_id_is_the_one_that_is_computed() {
    let (original, loaded) = production();
    let log = loaded.material.transparency_logs().iter().find(|log| log.origin.is_some()).unwrap();
    assert_eq!(log.origin.as_deref(), Some("log2025-1.rekor.sigstore.dev"));
    let computed = LogId::of_ed25519_note("log2025-1.rekor.sigstore.dev", log.public_key.raw());
    assert_eq!(computed.as_bytes().as_slice(), original.tlogs[1].log_id.key_id.as_bytes());
    assert_eq!(log.log_id, computed);
}

#[test]
fn the_verifier_takes_each_embedded_root() {
    for instance in [SigstoreInstance::PublicGood, SigstoreInstance::Staging, SigstoreInstance::GitHub] {
        let (original, loaded) = embedded(instance);
        let root = to_trusted_root(&loaded.material).unwrap();
        assert!(Verifier::new(&root).is_ok(), "{instance:?}");
        let problems: Vec<_> = loaded.reports.iter().filter(|report| !report.is_usable()).collect();
        assert!(problems.is_empty(), "{instance:?}: {problems:?}");
        assert_eq!(root.tlogs.len(), original.tlogs.len());
        assert_eq!(root.ctlogs.len(), original.ctlogs.len());
        assert_eq!(root.certificate_authorities.len(), original.certificate_authorities.len());
        assert_eq!(root.timestamp_authorities.len(), original.timestamp_authorities.len());
    }
}

#[test]
fn windows_and_log_ids_reach_the_verifier() {
    let (original, loaded) = production();
    let root = to_trusted_root(&loaded.material).unwrap();
    for log in &original.tlogs {
        let same = root.tlogs.iter().find(|one| one.log_id.key_id == log.log_id.key_id).unwrap();
        assert_eq!(same.public_key.valid_for, log.public_key.valid_for);
        assert_eq!(same.public_key.raw_bytes, log.public_key.raw_bytes);
        assert_eq!(same.base_url, log.base_url);
    }
    for authority in &original.certificate_authorities {
        let same =
            root.certificate_authorities.iter().find(|one| one.valid_for == authority.valid_for).unwrap();
        let chain = |one: &sigstore_verify::trust_root::CertificateAuthority| {
            one.cert_chain.certificates.iter().map(|one| one.raw_bytes.clone()).collect::<Vec<_>>()
        };
        assert_eq!(chain(same), chain(authority));
    }
}

#[test]
fn a_root_read_back_from_the_verifiers_form_is_the_same() {
    let (_, loaded) = production();
    let json = serde_json::to_vec(&to_trusted_root(&loaded.material).unwrap()).unwrap();
    let again = from_trusted_root_json(&json, now()).unwrap();
    assert_eq!(again.material.fingerprint(), loaded.material.fingerprint());
}

#[test]
fn the_order_of_the_document_does_not_matter() {
    let (_, loaded) = production();
    let json = SigstoreInstance::PublicGood.embedded_trusted_root_json();
    let mut document: serde_json::Value = serde_json::from_str(json).unwrap();
    for section in ["tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"] {
        let entries = document[section].as_array_mut().unwrap();
        entries.reverse();
        entries.push(entries[0].clone());
    }
    let reversed = from_trusted_root_json(document.to_string().as_bytes(), now()).unwrap();
    assert_eq!(reversed.material, loaded.material);
    assert_eq!(reversed.material.fingerprint(), loaded.material.fingerprint());
}

#[test]
fn the_production_root_survives_as_listed_keys() {
    let (original, loaded) = production();
    let listed = from_sigstore_keys(&sigstore_keys_manifest(&loaded.material), now()).unwrap();
    assert!(listed.reports.iter().all(KeyReport::is_usable));
    let mut ids: Vec<Vec<u8>> = listed
        .material
        .transparency_logs()
        .iter()
        .chain(listed.material.ct_logs())
        .map(|log| log.log_id.as_bytes().to_vec())
        .collect();
    let mut expected: Vec<Vec<u8>> = original
        .tlogs
        .iter()
        .map(|log| log.log_id.key_id.as_bytes().to_vec())
        .chain(original.ctlogs.iter().map(|log| log.log_id.key_id.as_bytes().to_vec()))
        .collect();
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected);
    assert!(Verifier::new(&to_trusted_root(&listed.material).unwrap()).is_ok());
    // The listed form has no windows, which is other trust.
    assert_ne!(listed.material.fingerprint(), loaded.material.fingerprint());
}
