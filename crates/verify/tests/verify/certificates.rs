//! What a signing certificate must be, on certificates that no public instance would issue.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P521_SHA512, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use trustwright_core::Digest;
use trustwright_verify::{
    Artifact, CertificateProblem, Claim, EntryProblem, Evidence, Facts, PublicKey, Refusal, Request,
    Requirements, SctProblem, Signer, SubjectName, TimestampProblem, Verifier,
};

use crate::{
    legacy::{LOGGED, Signed, request},
    private::{
        LATER, Private, SIGNED, Signing, Wanted, all_subjects, at, copy, hashedrekord, material, utf8,
    },
};

const IMAGE: Digest = Digest::from_bytes([7; 32]);
const UNLOGGED: Requirements = Requirements { log_entry: false, timestamp: false, sct: true };

fn verify(private: &Private, signing: &Signing, requirements: Requirements) -> Result<Facts, Refusal> {
    verify_with(&private.verifier(), private, signing, requirements)
}

fn verify_with(
    verifier: &Verifier,
    private: &Private,
    signing: &Signing,
    requirements: Requirements,
) -> Result<Facts, Refusal> {
    let signature = Signed::new(private, signing, &IMAGE).evidence().read()?;
    verifier.verify_certificate(&signature, &request(Claim::Signature, requirements))
}

#[test]
fn every_subject_and_extension_is_among_the_facts() {
    let private = Private::new();
    let extensions = vec![
        (1, b"https://issuer.test".to_vec()),
        (2, b"push".to_vec()),
        (8, utf8("https://issuer.test")),
        (12, utf8("https://example.com/repository")),
    ];
    let signing = private.issue(Wanted { subjects: all_subjects(), extensions, ..private.wanted() });
    let facts = verify(&private, &signing, LOGGED).unwrap();
    let Signer::Certificate(identity) = facts.signer else { panic!("no certificate") };
    assert_eq!(
        identity.subjects,
        [
            SubjectName::Dns("build.example.com".into()),
            SubjectName::Email("a@example.com".into()),
            SubjectName::Email("b@example.com".into()),
            SubjectName::Ip("10.1.2.3".parse().unwrap()),
            SubjectName::Uri("https://example.com/workflow".into()),
            SubjectName::UserName("carol!example.com".into()),
        ]
    );
    let extensions: Vec<_> = identity.extensions.iter().map(|(n, text)| (*n, text.as_str())).collect();
    assert_eq!(
        extensions,
        [
            (1, "https://issuer.test"),
            (2, "push"),
            (8, "https://issuer.test"),
            (12, "https://example.com/repository")
        ]
    );
}

#[test]
fn the_issuer_is_read_from_either_extension_and_two_must_agree() {
    let private = Private::new();
    let old = || (1, b"https://old.test".to_vec());
    let new = |text| (8, utf8(text));
    for (extensions, issuer) in [
        (vec![old()], Some("https://old.test")),
        (vec![new("https://new.test")], Some("https://new.test")),
        (vec![old(), new("https://old.test")], Some("https://old.test")),
        (vec![], None),
    ] {
        let signing = private.issue(Wanted { extensions, ..private.wanted() });
        let Signer::Certificate(identity) = verify(&private, &signing, LOGGED).unwrap().signer else {
            panic!("no certificate")
        };
        assert_eq!(identity.issuer.as_deref(), issuer);
    }
    for extensions in [
        vec![old(), new("https://new.test")],
        vec![(8, b"no UTF8String".to_vec())],
        vec![new("https://new.test"), new("https://new.test")],
    ] {
        let signing = private.issue(Wanted { extensions, ..private.wanted() });
        let refusal = verify(&private, &signing, LOGGED).unwrap_err();
        assert_eq!(refusal, CertificateProblem::Malformed.into());
    }
}

#[test]
fn every_sct_must_be_by_a_trusted_log_and_there_must_be_one() {
    let mut private = Private::new();
    private.ct_logs.push(KeyPair::generate().unwrap());
    let (first, second) = (copy(&private.ct_logs[0]), copy(&private.ct_logs[1]));
    let stranger = KeyPair::generate().unwrap();
    let with = |scts: Vec<&KeyPair>| {
        let scts = scts.into_iter().map(copy).collect();
        private.issue(Wanted { scts, ..private.wanted() })
    };
    for scts in [vec![&first], vec![&second], vec![&first, &second]] {
        assert!(verify(&private, &with(scts), LOGGED).is_ok());
    }
    let ignoring = Requirements { sct: false, ..LOGGED };
    for (scts, problem) in [
        (vec![], SctProblem::Missing),
        (vec![&stranger], SctProblem::UnknownLog),
        (vec![&first, &stranger], SctProblem::UnknownLog),
    ] {
        let signing = with(scts);
        assert_eq!(verify(&private, &signing, LOGGED).unwrap_err(), problem.into());
        assert!(verify(&private, &signing, ignoring).is_ok());
    }
    // The log that is named, and another's signature.
    let mut root = private.root();
    let keys = root["ctlogs"].as_array().unwrap().clone();
    let id = sigstore_verify::crypto::sha256(&rcgen::PublicKeyData::subject_public_key_info(&first));
    root["ctlogs"] = json!([keys[1]]);
    root["ctlogs"][0]["logId"] = json!({ "keyId": id.to_base64() });
    let verifier = Verifier::new(&material(&root)).unwrap();
    let refusal = verify_with(&verifier, &private, &with(vec![&first]), LOGGED).unwrap_err();
    assert_eq!(refusal, SctProblem::Signature.into());
    // The time in which the log was trusted.
    for (end, is_good) in [(SIGNED, true), ("2024-03-02T11:59:59Z", false)] {
        let mut root = private.root();
        root["ctlogs"][0]["publicKey"]["validFor"] = json!({ "start": "2020-01-01T00:00:00Z", "end": end });
        let verifier = Verifier::new(&material(&root)).unwrap();
        let outcome = verify_with(&verifier, &private, &with(vec![&first]), LOGGED);
        assert_eq!(outcome.is_ok(), is_good, "{end}");
    }
}

#[test]
fn a_certificate_is_for_signing_code_and_vouched_for_when_it_signed() {
    let private = Private::new();
    let with = |usages| {
        let signing = private.issue(Wanted { usages, ..private.wanted() });
        verify(&private, &signing, LOGGED).err()
    };
    let (code, server) = (ExtendedKeyUsagePurpose::CodeSigning, ExtendedKeyUsagePurpose::ServerAuth);
    for good in [vec![code.clone()], vec![server.clone(), code]] {
        assert_eq!(with(good), None);
    }
    for bad in [vec![server], vec![ExtendedKeyUsagePurpose::Any], vec![]] {
        assert_eq!(with(bad), Some(CertificateProblem::Usage.into()));
    }

    // The window of the authority, and of the log.
    let start = "2020-01-01T00:00:00Z";
    let signing = private.signing();
    let before = "2024-03-02T11:59:59Z";
    let no_authority = CertificateProblem::NoAuthority { at: at(SIGNED) };
    let limit = |path: &str, end: &str| {
        let mut root = private.root();
        root.pointer_mut(path).unwrap()["validFor"] = json!({ "start": start, "end": end });
        verify_with(&Verifier::new(&material(&root)).unwrap(), &private, &signing, LOGGED)
    };
    assert!(limit("/certificateAuthorities/0", SIGNED).is_ok());
    assert_eq!(limit("/certificateAuthorities/0", before).unwrap_err(), no_authority.into());
    assert!(limit("/tlogs/0/publicKey", SIGNED).is_ok());
    assert_eq!(limit("/tlogs/0/publicKey", before).unwrap_err(), EntryProblem::Promise.into());
}

#[test]
fn an_empty_section_of_the_root_fails_its_check_instead_of_skipping_it() {
    let private = Private::new();
    let mut signed = Signed::new(&private, &private.signing(), &IMAGE);
    signed.annotations.timestamp = Some(private.tsa.annotation(&signed.signature, "20240302120000Z"));
    let signature = signed.evidence().read().unwrap();
    let everything = Requirements { log_entry: true, timestamp: true, sct: true };
    let without = |section: &str| {
        let mut root = private.root();
        root[section] = json!([]);
        let verifier = Verifier::new(&material(&root)).unwrap();
        verifier.verify_certificate(&signature, &request(Claim::Signature, everything)).err()
    };
    assert_eq!(without("nothing"), None);
    let log = sigstore_verify::crypto::sha256(&rcgen::PublicKeyData::subject_public_key_info(&private.log));
    assert_eq!(without("tlogs"), Some(Refusal::UnknownLog { log: log.to_hex() }));
    assert_eq!(without("ctlogs"), Some(SctProblem::UnknownLog.into()));
    assert_eq!(without("timestampAuthorities"), Some(TimestampProblem::NoAuthority.into()));
    let no_authority = CertificateProblem::NoAuthority { at: at(SIGNED) };
    assert_eq!(without("certificateAuthorities"), Some(no_authority.into()));
}

#[test]
fn a_certificate_in_between_may_come_along_and_must_have_been_valid() {
    for (year, expected) in [
        (2034, None),
        // Over by the time that the certificate below it was used.
        (2024, Some(CertificateProblem::Expired { at: at(SIGNED) })),
    ] {
        let (private, pem, der) = Private::with_intermediate(year);
        let signing = private.signing();
        let verify = |chain: Option<&String>, verifier: &Verifier| {
            let mut signed = Signed::new(&private, &signing, &IMAGE);
            signed.annotations.chain = chain.cloned();
            let signature = signed.evidence().read()?;
            verifier.verify_certificate(&signature, &request(Claim::Signature, LOGGED))
        };
        let verifier = private.verifier();
        let refusal = verify(Some(&pem), &verifier).err();
        assert_eq!(refusal, expected.map(Refusal::from));
        let refusal = verify(None, &verifier).unwrap_err();
        assert_eq!(refusal, CertificateProblem::UnknownAuthority.into());
        // Among the trusted ones it is held to its dates all the same.
        let mut root = private.root();
        let chain = root["certificateAuthorities"][0]["certChain"]["certificates"].as_array_mut().unwrap();
        chain.insert(0, json!({ "rawBytes": der }));
        let verifier = Verifier::new(&material(&root)).unwrap();
        assert_eq!(verify(None, &verifier).is_ok(), expected.is_none());
    }
}

#[test]
fn a_key_that_the_library_lacks_counts_without_a_log_and_is_refused_by_name_with_one() {
    let private = Private::new();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
    let signing = private.issue(Wanted { key, ..private.wanted() });
    assert_eq!(verify(&private, &signing, LOGGED).unwrap_err(), Refusal::KeyKind("ecdsa-p521"));
    let signature = Signed::new(&private, &signing, &IMAGE).evidence().read().unwrap();
    let now = Request { now: at(SIGNED), ..request(Claim::Signature, UNLOGGED) };
    assert!(private.verifier().verify_certificate(&signature, &now).is_ok());
}

#[test]
fn without_a_log_or_a_timestamp_the_certificate_must_be_valid_now() {
    let private = Private::new();
    let verifier = private.verifier();
    let signature = Signed::new(&private, &private.signing(), &IMAGE).evidence().read().unwrap();
    let at = |now: &str| {
        let request = Request { now: at(now), ..request(Claim::Signature, UNLOGGED) };
        verifier.verify_certificate(&signature, &request)
    };
    let facts = at(SIGNED).unwrap();
    assert_eq!(facts.valid_until, Some("2024-03-04T00:00:00Z".parse().unwrap()));
    assert_eq!((facts.log_entries.len(), facts.times.len()), (0, 0));
    for expired in ["2024-03-04T00:00:01Z", LATER, "2024-02-29T23:59:59Z"] {
        assert_eq!(at(expired).unwrap_err(), Refusal::NoTime, "{expired}");
    }
    let signing = private.issue(Wanted { scts: Vec::new(), ..private.wanted() });
    let signature = Signed::new(&private, &signing, &IMAGE).evidence().read().unwrap();
    let with = |sct| Request {
        now: SIGNED.parse().unwrap(),
        ..request(Claim::Signature, Requirements { sct, ..UNLOGGED })
    };
    assert!(verifier.verify_certificate(&signature, &with(false)).is_ok());
    assert_eq!(verifier.verify_certificate(&signature, &with(true)).unwrap_err(), SctProblem::Missing.into());
}

/// A bundle over `artifact` with one entry that has what is given.
fn bundle(signing: &Signing, artifact: &[u8], proof: &Private, promise: &Private) -> Value {
    let signature = signing.key.sign(artifact).unwrap();
    let body = hashedrekord(artifact, &signature, &signing.pem);
    let promised = promise.promise(&body);
    let payload = &promised["Payload"];
    let log_id = hex::decode(payload["logID"].as_str().unwrap()).unwrap();
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": { "rawBytes": STANDARD.encode(&signing.der) },
            "tlogEntries": [{
                "logIndex": "11",
                "logId": { "keyId": STANDARD.encode(log_id) },
                "kindVersion": { "kind": "hashedrekord", "version": "0.0.1" },
                "integratedTime": payload["integratedTime"].to_string(),
                "inclusionPromise": { "signedEntryTimestamp": promised["SignedEntryTimestamp"] },
                "inclusionProof": proof.proof(&body),
                "canonicalizedBody": payload["body"],
            }],
        },
        "messageSignature": {
            "messageDigest": {
                "algorithm": "SHA2_256",
                "digest": STANDARD.encode(Artifact::Bytes(artifact).digest().as_bytes()),
            },
            "signature": STANDARD.encode(signature),
        },
    })
}

/// The same without what the log says of the time, and with the authority's word for it.
fn stamped(private: &Private, signing: &Signing, time: Option<&str>) -> Vec<u8> {
    let mut bundle = bundle(signing, b"artifact", private, private);
    let entry = bundle["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap();
    entry.remove("inclusionPromise");
    entry.remove("integratedTime");
    let signature = STANDARD.decode(bundle["messageSignature"]["signature"].as_str().unwrap()).unwrap();
    let tokens: Vec<_> = time
        .map(|time| json!({ "signedTimestamp": STANDARD.encode(private.tsa.stamp(&signature, time)) }))
        .into_iter()
        .collect();
    bundle["verificationMaterial"]["timestampVerificationData"] = json!({ "rfc3161Timestamps": tokens });
    bundle.to_string().into_bytes()
}

#[test]
fn where_the_log_says_no_time_a_timestamp_must_fall_into_the_logs_own() {
    let private = Private::new();
    let signing = private.signing();
    let verify = |root: &Value, time| {
        let signature = Evidence::Bundle(stamped(&private, &signing, time)).read()?;
        let request = Request { artifact: Artifact::Bytes(b"artifact"), ..request(Claim::Signature, LOGGED) };
        Verifier::new(&material(root)).unwrap().verify_certificate(&signature, &request)
    };
    let time = Some("20240302120000Z");
    let facts = verify(&private.root(), time).unwrap();
    // The index that is proven, and not the one that the entry claims.
    assert_eq!((facts.log_entries[0].index, facts.log_entries[0].integrated_time), (0, None));
    assert_eq!(verify(&private.root(), None).unwrap_err(), Refusal::NoTime);
    for (end, is_good) in [(SIGNED, true), ("2024-03-02T11:59:59Z", false)] {
        let mut root = private.root();
        root["tlogs"][0]["publicKey"]["validFor"] = json!({ "start": "2020-01-01T00:00:00Z", "end": end });
        let outside = EntryProblem::OutsideLogValidity { at: at(SIGNED) };
        assert_eq!(verify(&root, time).err(), (!is_good).then(|| outside.into()), "{end}");
    }
}

#[test]
fn a_keys_entry_is_held_to_the_logs_time_by_the_timestamp_that_is_asked_for() {
    let private = Private::new();
    let signing = private.signing();
    let pem = signing.key.public_key_pem();
    let mut bundle: Value =
        serde_json::from_slice(&stamped(&private, &signing, Some("20240302120000Z"))).unwrap();
    let signature = STANDARD.decode(bundle["messageSignature"]["signature"].as_str().unwrap()).unwrap();
    let body = hashedrekord(b"artifact", &signature, &pem);
    let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
    entry["inclusionProof"] = private.proof(&body);
    entry["canonicalizedBody"] = json!(STANDARD.encode(serde_json::to_vec(&body).unwrap()));
    let material_of = bundle["verificationMaterial"].as_object_mut().unwrap();
    material_of.remove("certificate");
    material_of.insert("publicKey".into(), json!({ "hint": "" }));
    let signature = Evidence::Bundle(bundle.to_string().into_bytes()).read().unwrap();
    let key = PublicKey::from_pem(&pem, None).unwrap();
    let verify = |end: &str, timestamp| {
        let mut root = private.root();
        root["tlogs"][0]["publicKey"]["validFor"] = json!({ "start": "2020-01-01T00:00:00Z", "end": end });
        let requirements = Requirements { timestamp, ..LOGGED };
        let request =
            Request { artifact: Artifact::Bytes(b"artifact"), ..request(Claim::Signature, requirements) };
        Verifier::new(&material(&root)).unwrap().verify_key(&signature, &key, &request)
    };
    let facts = verify(SIGNED, true).unwrap();
    assert_eq!((facts.log_entries.len(), facts.times.len()), (1, 1));
    let before = "2024-03-02T11:59:59Z";
    let outside = EntryProblem::OutsideLogValidity { at: at(SIGNED) };
    assert_eq!(verify(before, true).unwrap_err(), outside.into());
    // Nobody who is asked says when.
    assert!(verify(before, false).is_ok());
}

#[test]
fn of_two_logs_with_the_same_hint_the_one_that_signed_is_told() {
    let (private, other) = (Private::new(), Private::new());
    let signing = private.signing();
    let id = sigstore_verify::crypto::sha256(&rcgen::PublicKeyData::subject_public_key_info(&private.log));
    let mut twin = *id.as_bytes();
    twin[31] ^= 1;
    let mut decoy = other.root()["tlogs"][0].clone();
    decoy["logId"] = json!({ "keyId": STANDARD.encode(twin) });
    let signature = stamped(&private, &signing, Some("20240302120000Z"));
    for decoy_comes_first in [true, false] {
        let mut root = private.root();
        let logs = root["tlogs"].as_array_mut().unwrap();
        logs.insert(usize::from(!decoy_comes_first), decoy.clone());
        let signature = Evidence::Bundle(signature.clone()).read().unwrap();
        let request = Request { artifact: Artifact::Bytes(b"artifact"), ..request(Claim::Signature, LOGGED) };
        let verifier = Verifier::new(&material(&root)).unwrap();
        let facts = verifier.verify_certificate(&signature, &request).unwrap();
        assert_eq!(facts.log_entries[0].log_id.as_bytes(), id.as_bytes());
    }
}

#[test]
fn proof_and_promise_must_be_of_the_same_log() {
    let (private, other) = (Private::new(), Private::new());
    let signing = private.signing();
    let mut root = private.root();
    let more = other.root()["tlogs"][0].clone();
    root["tlogs"].as_array_mut().unwrap().push(more);
    let verifier = Verifier::new(&material(&root)).unwrap();
    let verify = |proof: &Private, promise: &Private| {
        let bundle = bundle(&signing, b"artifact", proof, promise).to_string();
        let signature = Evidence::Bundle(bundle.into_bytes()).read()?;
        let request = Request { artifact: Artifact::Bytes(b"artifact"), ..request(Claim::Signature, LOGGED) };
        verifier.verify_certificate(&signature, &request)
    };
    let log = |facts: Facts| facts.log_entries[0].log_id;
    let (ours, theirs) = (verify(&private, &private).unwrap(), verify(&other, &other).unwrap());
    assert_ne!(log(ours), log(theirs));
    for (proof, promise) in [(&private, &other), (&other, &private)] {
        assert_eq!(verify(proof, promise).unwrap_err(), EntryProblem::DifferentLogs.into());
    }
}

/// An authority by its certificate alone, which knows nothing of OIDC, logs and timestamps.
#[test]
fn an_authority_of_ones_own_vouches_while_its_certificates_are_valid() {
    let (private, stranger) = (Private::new(), Private::new());
    let own = |private: &Private| {
        let material = trustwright_trust::from_certificates(private.authority_pem().as_bytes()).unwrap();
        Verifier::new(&material).unwrap()
    };
    let plain = |private: &Private| {
        private.issue(Wanted { extensions: Vec::new(), scts: Vec::new(), ..private.wanted() })
    };
    let verify = |verifier: &Verifier, signing: &Signing, now: &str, requirements| {
        let evidence = Signed::new(&private, signing, &IMAGE).evidence().read().unwrap();
        let request = Request { now: at(now), ..request(Claim::Signature, requirements) };
        verifier.verify_certificate(&evidence, &request)
    };
    let nothing = Requirements { sct: false, ..UNLOGGED };
    let signing = plain(&private);
    let facts = verify(&own(&private), &signing, SIGNED, nothing).unwrap();
    let Signer::Certificate(identity) = facts.signer else { panic!("no certificate") };
    assert_eq!((identity.issuer, identity.subjects.len()), (None, 1));
    assert_eq!(facts.valid_until, Some(at("2024-03-04T00:00:00Z")));
    // Each with a neighbour above.
    let refused = |verifier: &Verifier, signing: &Signing, now: &str, requirements| {
        verify(verifier, signing, now, requirements).unwrap_err()
    };
    assert_eq!(refused(&own(&private), &signing, LATER, nothing), Refusal::NoTime);
    let unknown = Refusal::Certificate(CertificateProblem::UnknownAuthority);
    assert_eq!(refused(&own(&stranger), &signing, SIGNED, nothing), unknown);
    assert_eq!(refused(&own(&private), &plain(&stranger), SIGNED, nothing), unknown);
    assert_eq!(refused(&own(&private), &signing, SIGNED, UNLOGGED), SctProblem::Missing.into());
    let log = hex::encode(sigstore_verify::crypto::sha256(&private.log.subject_public_key_info()).as_bytes());
    let logged = Requirements { log_entry: true, ..nothing };
    assert_eq!(refused(&own(&private), &signing, SIGNED, logged), Refusal::UnknownLog { log });
    let stamped = Requirements { timestamp: true, ..nothing };
    assert_eq!(refused(&own(&private), &signing, SIGNED, stamped), TimestampProblem::NoAuthority.into());
}
