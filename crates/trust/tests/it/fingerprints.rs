//! What the fingerprint depends on, and what it does not.

use std::collections::BTreeSet;

use jiff::ToSpan as _;
use trustwright_trust::{Fingerprint, SigstoreKeysSource, from_sigstore_keys, sigstore_keys_manifest};

use crate::support::{good_source, key_pem, load, log, now};

fn fingerprint(source: &SigstoreKeysSource) -> Fingerprint {
    load(source).unwrap().material.fingerprint()
}

#[test]
fn a_fingerprint_is_written_as_a_digest() {
    let text = fingerprint(&good_source()).to_string();
    let digits = text.strip_prefix("sha256:").unwrap();
    assert_eq!(digits.len(), 64);
    assert!(digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')));
}

#[test]
fn the_encoding_is_fixed() {
    // A P-256 key from the public-good instance; the digest comes from a second
    // implementation of the documented encoding.
    let key = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwr\n\
        kBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==\n\
        -----END PUBLIC KEY-----\n";
    let source = SigstoreKeysSource {
        t_logs: vec![log("https://rekor.sigstore.dev", key)],
        ..SigstoreKeysSource::default()
    };
    assert_eq!(
        fingerprint(&source).to_string(),
        "sha256:646209b2fe24e06266c9fff508857a9115a9f4c725fe4784728065543f184fb1"
    );
}

#[test]
fn what_is_only_recorded_leaves_the_fingerprint_as_it_is() {
    let source = good_source();
    let mut renamed = source.clone();
    renamed.certificate_authorities[0].organization = "other".to_owned();
    renamed.t_logs[0].hash_algorithm = "sha-512".to_owned();
    assert_eq!(fingerprint(&renamed), fingerprint(&source));
    let later = from_sigstore_keys(&source, now() + 24_000.hours()).unwrap();
    assert_eq!(later.material.fingerprint(), fingerprint(&source));
}

#[test]
fn every_part_that_is_trusted_changes_the_fingerprint() {
    let source = good_source();
    let changes: [fn(&mut SigstoreKeysSource); 7] = [
        |_| (),
        |source| source.certificate_authorities[0].uri.push_str("/2"),
        |source| source.timestamp_authorities[0].uri.push_str("/2"),
        |source| source.t_logs[0].base_url.push_str("/2"),
        |source| source.t_logs[1].public_key_pem = key_pem(&rcgen::PKCS_ED25519).into_bytes(),
        |source| source.ct_logs.clear(),
        |source| source.certificate_authorities.clear(),
    ];
    let seen: BTreeSet<Fingerprint> = changes
        .iter()
        .map(|change| {
            let mut other = source.clone();
            change(&mut other);
            fingerprint(&other)
        })
        .collect();
    assert_eq!(seen.len(), changes.len());
}

#[test]
fn the_same_key_in_another_role_is_other_trust() {
    let key = key_pem(&rcgen::PKCS_ECDSA_P256_SHA256);
    let entry = vec![log("https://log.test", &key)];
    let t_log = SigstoreKeysSource { t_logs: entry.clone(), ..SigstoreKeysSource::default() };
    let ct_log = SigstoreKeysSource { ct_logs: entry, ..SigstoreKeysSource::default() };
    assert_ne!(fingerprint(&t_log), fingerprint(&ct_log));
}

#[test]
fn a_manifest_gives_the_material_back() {
    let loaded = load(&good_source()).unwrap();
    let again = load(&sigstore_keys_manifest(&loaded.material)).unwrap();
    assert_eq!(again.material, loaded.material);
    assert_eq!(again.material.fingerprint(), loaded.material.fingerprint());
}
