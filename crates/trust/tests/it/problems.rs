//! Every way in which an entry can be unusable, each beside a neighbour that is accepted.

use rcgen::{
    IsCa, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_RSA_SHA256, PKCS_RSA_SHA512,
};
use trustwright_trust::{KeyAlgorithm, KeyProblem, LogId, Phase, SigstoreKeysSource, SourceError};

use crate::support::{
    Ca, authority, good_source, intermediate, key_pem, leaf, load, log, only_ca, only_ct_log, only_problem,
    only_t_log, only_tsa, params, pem, root, root_of, rsa_pkcs1, spki,
};

fn assert_usable(source: &SigstoreKeysSource) {
    assert_eq!(only_problem(source), None);
}

fn assert_problem(source: &SigstoreKeysSource, problem: KeyProblem) {
    assert_eq!(only_problem(source), Some(problem));
}

#[test]
fn a_key_without_a_pem_block_is_unusable() {
    assert_problem(&only_t_log(""), KeyProblem::NoPemBlock);
    assert_problem(&only_t_log("no key here"), KeyProblem::NoPemBlock);
    assert_problem(&only_ca(&[]), KeyProblem::NoPemBlock);
    assert_usable(&only_t_log(&key_pem(&PKCS_ECDSA_P256_SHA256)));
    assert_usable(&only_t_log(&format!("a log\n{}", key_pem(&PKCS_ECDSA_P256_SHA256))));
}

#[test]
fn a_cut_off_block_is_unusable_even_behind_a_whole_one() {
    let (a, b) = (root("a"), root("b"));
    let issuing = intermediate("i", &a);
    let whole = format!("{}{}", issuing.pem(), a.pem());
    assert_usable(&only_ca(&[&whole]));
    assert_problem(&only_ca(&[&whole[..whole.len() - 40]]), KeyProblem::MalformedPem);
    assert_problem(&only_ca(&[&b.pem().replace("MII", "M*I")]), KeyProblem::MalformedPem);
}

#[test]
fn a_block_of_another_type_is_unusable() {
    let key = KeyPair::generate().unwrap();
    let private = key.serialize_pem();
    let wrong = |expected, found: &str| KeyProblem::WrongPemType { expected, found: found.to_owned() };
    assert_usable(&only_t_log(&key.public_key_pem()));
    assert_problem(&only_t_log(&private), wrong("PUBLIC KEY", "PRIVATE KEY"));
    assert_problem(&only_t_log(&root("a").pem()), wrong("PUBLIC KEY", "CERTIFICATE"));
    let ca = root("a").pem();
    assert_usable(&only_ca(&[&ca]));
    assert_problem(&only_ca(&[&ca, &key.public_key_pem()]), wrong("CERTIFICATE", "PUBLIC KEY"));
}

#[test]
fn the_first_key_block_counts() {
    let (first, second) = (key_pem(&PKCS_ECDSA_P256_SHA256), key_pem(&PKCS_ECDSA_P256_SHA256));
    let one = load(&only_t_log(&first)).unwrap();
    let both = load(&only_t_log(&format!("{first}{second}"))).unwrap();
    assert_eq!(one.material, both.material);
}

#[test]
fn bytes_that_are_no_certificate_are_unusable() {
    let ca = root("a");
    assert_problem(&only_ca(&[&pem("CERTIFICATE", b"abcd")]), KeyProblem::NotACertificate { position: 1 });
    assert_problem(
        &only_ca(&[&ca.pem(), &pem("CERTIFICATE", b"abcd")]),
        KeyProblem::NotACertificate { position: 2 },
    );
    let mut trailing = ca.der().to_vec();
    assert_usable(&only_ca(&[&pem("CERTIFICATE", &trailing)]));
    trailing.push(0);
    assert_problem(&only_ca(&[&pem("CERTIFICATE", &trailing)]), KeyProblem::NotACertificate { position: 1 });
}

#[test]
fn bytes_that_are_no_key_are_unusable() {
    let good = spki(&KeyPair::generate().unwrap());
    assert_usable(&only_t_log(&pem("PUBLIC KEY", &good)));
    let malformed =
        |der: &[u8]| assert_problem(&only_t_log(&pem("PUBLIC KEY", der)), KeyProblem::MalformedKey);
    malformed(b"abcd");
    malformed(&[good.as_slice(), &[0]].concat());
    // The point starts 65 bytes before the end; 0x02 would open a compressed one.
    let mut compressed = good.clone();
    let at = compressed.len() - 65;
    assert_eq!(compressed[at], 0x04);
    compressed[at] = 0x02;
    malformed(&compressed);
}

#[test]
fn a_point_beside_its_curve_is_no_key() {
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384] {
        let mut beside = spki(&KeyPair::generate_for(algorithm).unwrap());
        *beside.last_mut().unwrap() ^= 1;
        let beside = pem("PUBLIC KEY", &beside);
        assert_problem(&only_t_log(&beside), KeyProblem::MalformedKey);
        assert_problem(&only_ct_log(&beside), KeyProblem::MalformedKey);
    }
}

#[test]
fn the_verifier_decides_which_algorithms_a_transparency_log_may_use() {
    for good in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_RSA_SHA256] {
        assert_usable(&only_t_log(&key_pem(good)));
    }
    assert_problem(
        &only_t_log(&key_pem(&PKCS_ECDSA_P521_SHA512)),
        KeyProblem::UnsupportedKeyAlgorithm { algorithm: KeyAlgorithm::EcdsaP521 },
    );
}

#[test]
fn an_sct_is_never_signed_with_ed25519() {
    assert_usable(&only_ct_log(&key_pem(&PKCS_ECDSA_P256_SHA256)));
    assert_usable(&only_ct_log(&pem("RSA PUBLIC KEY", &rsa_pkcs1(2048))));
    assert_problem(
        &only_ct_log(&key_pem(&PKCS_ED25519)),
        KeyProblem::UnsupportedKeyAlgorithm { algorithm: KeyAlgorithm::Ed25519 },
    );
}

#[test]
fn an_authority_with_an_unsupported_key_is_unusable() {
    assert_usable(&only_ca(&[&root_of("a", &PKCS_ECDSA_P384_SHA384).pem()]));
    assert_usable(&only_ca(&[&root_of("a", &PKCS_ED25519).pem()]));
    let unsupported = KeyProblem::UnsupportedKeyAlgorithm { algorithm: KeyAlgorithm::EcdsaP521 };
    let big = root_of("a", &PKCS_ECDSA_P521_SHA512);
    assert_problem(&only_ca(&[&big.pem()]), unsupported.clone());
    assert_problem(&only_ca(&[&intermediate("i", &big).pem(), &big.pem()]), unsupported);
}

#[test]
fn rsa_keys_are_held_to_a_range_of_sizes() {
    let sized = |bits| only_t_log(&pem("RSA PUBLIC KEY", &rsa_pkcs1(bits)));
    assert_problem(&sized(2040), KeyProblem::KeyTooSmall { bits: 2040, minimum: 2048 });
    assert_usable(&sized(2048));
    assert_usable(&sized(8192));
    assert_problem(&sized(8200), KeyProblem::KeyTooLarge { bits: 8200, maximum: 8192 });
}

#[test]
fn every_certificate_of_an_issuing_chain_is_an_authority() {
    let ca = root("a");
    let issuing = intermediate("i", &ca);
    assert_usable(&only_ca(&[&issuing.pem(), &ca.pem()]));
    let not_one = KeyProblem::NotAnAuthority { position: 1 };
    assert_problem(&only_ca(&[&leaf("l", &ca), &ca.pem()]), not_one.clone());
    // Without the extension: accepted of a self-issued root (X.509 version 1), refused of anything below it.
    let silent = params("i", IsCa::NoCa);
    let key = KeyPair::generate().unwrap();
    assert_problem(&only_ca(&[&silent.signed_by(&key, &ca).unwrap().pem(), &ca.pem()]), not_one);
    assert_usable(&only_ca(&[&silent.self_signed(&key).unwrap().pem()]));
    let denying = params("i", IsCa::ExplicitNoCa).self_signed(&key).unwrap();
    assert_problem(&only_ca(&[&denying.pem()]), KeyProblem::NotAnAuthority { position: 1 });
}

#[test]
fn a_timestamp_chain_has_at_most_one_signing_certificate_and_first() {
    let ca = root("a");
    let issuing = intermediate("i", &ca);
    let signer = leaf("signer", &issuing);
    assert_usable(&only_tsa(&[&signer, &issuing.pem(), &ca.pem()]));
    assert_usable(&only_tsa(&[&issuing.pem(), &ca.pem()]));
    assert_problem(&only_tsa(&[&signer, &leaf("other", &ca)]), KeyProblem::NotAnAuthority { position: 2 });
    assert_problem(&only_tsa(&[&ca.pem(), &leaf("other", &ca)]), KeyProblem::NotAnAuthority { position: 2 });
}

#[test]
fn a_timestamp_signer_without_its_issuer_is_unusable() {
    let ca = root("a");
    let signer = leaf("signer", &ca);
    assert_problem(&only_tsa(&[&signer]), KeyProblem::ChainIncomplete);
    assert_usable(&only_tsa(&[&signer, &ca.pem()]));
    let alone = params("alone", IsCa::ExplicitNoCa).self_signed(&KeyPair::generate().unwrap()).unwrap();
    assert_usable(&only_tsa(&[&alone.pem()]));
}

#[test]
fn a_certificate_that_the_next_did_not_sign_is_unusable() {
    let (ca, namesake, stranger) = (root("a"), root("a"), root("b"));
    let issuing = intermediate("i", &ca).pem();
    let unlinked = KeyProblem::ChainUnlinked { position: 1 };
    assert_usable(&only_ca(&[&issuing, &ca.pem()]));
    assert_problem(&only_ca(&[&issuing, &stranger.pem()]), unlinked.clone());
    assert_problem(&only_ca(&[&issuing, &namesake.pem()]), unlinked.clone());
    assert_problem(&only_ca(&[&ca.pem(), &issuing]), unlinked.clone());
    let signer = leaf("signer", &ca);
    assert_usable(&only_tsa(&[&signer, &ca.pem()]));
    assert_problem(&only_tsa(&[&signer, &namesake.pem()]), unlinked);
}

#[test]
fn every_bit_of_a_linked_certificate_counts() {
    let ca = root("a");
    let good = intermediate("i", &ca).der().to_vec();
    assert_usable(&only_ca(&[&pem("CERTIFICATE", &good), &ca.pem()]));
    for at in 0..good.len() * 8 {
        let mut damaged = good.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        let problem = only_problem(&only_ca(&[&pem("CERTIFICATE", &damaged), &ca.pem()]));
        assert!(problem.is_some(), "bit {at}");
    }
}

#[test]
fn a_link_whose_signature_cannot_be_checked_is_unusable() {
    let ca: Ca = root_of("a", &PKCS_RSA_SHA512);
    let issuing = intermediate("i", &ca);
    assert_usable(&only_ca(&[&issuing.pem(), &ca.pem()]));
    // sha512WithRSAEncryption (…1.13) becomes sha1WithRSAEncryption (…1.5) in both places that name it.
    let mut der = issuing.der().to_vec();
    let oid = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d];
    let places: Vec<usize> = (0..der.len() - oid.len()).filter(|at| der[*at..].starts_with(&oid)).collect();
    assert_eq!(places.len(), 2);
    for at in places {
        der[at + 8] = 0x05;
    }
    assert_problem(
        &only_ca(&[&pem("CERTIFICATE", &der), &ca.pem()]),
        KeyProblem::UnsupportedSignatureAlgorithm { position: 1, oid: "1.2.840.113549.1.1.5".to_owned() },
    );
}

#[test]
fn an_ed25519_log_needs_the_host_of_its_base_url() {
    let key = key_pem(&PKCS_ED25519);
    let at = |url: &str, key: &str| SigstoreKeysSource {
        t_logs: vec![log(url, key)],
        ..SigstoreKeysSource::default()
    };
    for url in ["rekor.test", "", "file:///rekor", "data:text/plain,rekor"] {
        assert_problem(&at(url, &key), KeyProblem::MissingOrigin);
        assert_usable(&at(url, &key_pem(&PKCS_ECDSA_P256_SHA256)));
    }
    let loaded = load(&at("https://Rekor.test:3003/api", &key)).unwrap();
    let [only] = loaded.material.transparency_logs() else { panic!("one log") };
    assert_eq!(only.origin.as_deref(), Some("rekor.test"));
    assert_eq!(only.log_id, LogId::of_ed25519_note("rekor.test", only.public_key.raw()));
}

#[test]
fn of_two_entries_with_one_log_id_one_stays_whatever_the_order() {
    let key = key_pem(&PKCS_ECDSA_P256_SHA256);
    let mut source = only_t_log(&key);
    source.t_logs.push(log("https://rekor.test/mirror", &key));
    let loaded = load(&source).unwrap();
    let [kept] = loaded.material.transparency_logs() else { panic!("one log") };
    let problems: Vec<_> = loaded.reports.iter().filter_map(|report| report.problem().cloned()).collect();
    assert_eq!(problems, [KeyProblem::DuplicateLogId { log_id: kept.log_id }]);
    source.t_logs.reverse();
    assert_eq!(load(&source).unwrap().material, loaded.material);
    // The same entry twice is one entry, and another kind of log is another matter.
    let mut twice = only_t_log(&key);
    twice.t_logs.push(twice.t_logs[0].clone());
    twice.ct_logs.push(log("https://ct.test", &key));
    let loaded = load(&twice).unwrap();
    assert!(loaded.reports.iter().all(trustwright_trust::KeyReport::is_usable));
    assert_eq!(loaded.material.transparency_logs().len(), 1);
    assert_eq!(loaded.material.ct_logs().len(), 1);
}

#[test]
fn what_the_verifier_alone_refuses_voids_itself_only() {
    let good = root("a").der().to_vec();
    assert_usable(&only_ca(&[&pem("CERTIFICATE", &good)]));
    // ecdsa-with-SHA256 (…4.3.2) outside the signed part becomes ecdsa-with-SHA384, unlike the one inside.
    let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let outer = (0..good.len() - oid.len()).rfind(|at| good[*at..].starts_with(&oid)).unwrap();
    let mut inconsistent = good;
    inconsistent[outer + 7] = 0x03;
    let refused = only_ca(&[&pem("CERTIFICATE", &inconsistent)]);
    assert!(matches!(only_problem(&refused), Some(KeyProblem::RefusedByVerifier { .. })));
    let mut source = good_source();
    source.certificate_authorities.extend(refused.certificate_authorities);
    let loaded = load(&source).unwrap();
    assert_eq!(loaded.material.certificate_authorities().len(), 1);
}

#[test]
fn an_expired_authority_stays_usable_and_says_so() {
    let mut expired = params("a", IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    expired.not_before = rcgen::date_time_ymd(2020, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let ca = Ca::self_signed(expired, KeyPair::generate().unwrap()).unwrap();
    let loaded = load(&only_ca(&[&intermediate("i", &ca).pem(), &ca.pem()])).unwrap();
    let report = &loaded.reports[0];
    assert!(report.is_usable());
    assert_eq!(report.phase, Phase::Ended);
    assert_eq!(report.not_before, Some("2020-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(report.not_after, Some("2021-01-01T00:00:00Z".parse().unwrap()));
}

#[test]
fn a_source_without_a_usable_entry_yields_its_reports() {
    let mut source = only_t_log("nothing");
    source.certificate_authorities = vec![authority("https://fulcio.test", &["nothing"])];
    let Err(SourceError::NothingUsable { reports }) = load(&source) else { panic!("nothing is usable") };
    assert_eq!(reports.len(), 2);
    assert!(matches!(
        load(&SigstoreKeysSource::default()),
        Err(SourceError::NothingUsable { reports }) if reports.is_empty()
    ));
    source.t_logs = good_source().t_logs;
    assert_eq!(load(&source).unwrap().material.transparency_logs().len(), 2);
}
