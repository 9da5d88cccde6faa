//! Legacy layers: a payload or an envelope, and everything else in annotations.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, SigningKey as _};
use serde_json::{Value, json};
use sigstore_verify::types::dsse::pae;
use trustwright_core::Digest;
use trustwright_verify::{
    Annotations, Artifact, CertificateProblem, Claim, EntryProblem, Evidence, Facts, Form, HashAlgorithm,
    LogProof, PublicKey, Refusal, Request, Requirements, Signer, SubjectName, TimeSource, TimestampProblem,
    UnsupportedEntry, Verifier, plain_payload,
};

use crate::private::{LATER, Private, SIGNED, Signing, Tsa, at, dsse_entry, hashedrekord};
use crate::suite::{Case, Given};

pub(crate) const IMAGE: Digest = Digest::from_bytes([7; 32]);
const OTHER: Digest = Digest::from_bytes([8; 32]);
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// [`SIGNED`] as a `GeneralizedTime`.
const STAMPED: &str = "20240302120000Z";

pub(crate) const LOGGED: Requirements = Requirements { log_entry: true, timestamp: false, sct: true };
const STAMP: Requirements = Requirements { log_entry: false, timestamp: true, sct: true };

pub(crate) fn request(claim: Claim, requirements: Requirements) -> Request<'static> {
    Request { artifact: Artifact::Digest(IMAGE), claim, requirements, now: at(LATER) }
}

pub(crate) fn payload(image: &Digest) -> Vec<u8> {
    plain_payload(&"ghcr.io/a/b".parse().unwrap(), image).into_bytes()
}

/// A signature of `image` with the log's promise.
pub(crate) struct Signed {
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) annotations: Annotations,
}

impl Signed {
    pub(crate) fn new(private: &Private, signing: &Signing, image: &Digest) -> Self {
        let payload = payload(image);
        let signature = signing.key.sign(&payload).unwrap();
        let promise = private.promise(&hashedrekord(&payload, &signature, &signing.pem));
        Self { payload, signature, annotations: signing.annotations(Some(&promise)) }
    }

    pub(crate) fn evidence(&self) -> Evidence {
        Evidence::LegacySignature {
            payload: self.payload.clone(),
            signature: STANDARD.encode(&self.signature),
            annotations: self.annotations.clone(),
        }
    }

    fn verify(&self, verifier: &Verifier, requirements: Requirements) -> Result<Facts, Refusal> {
        let signature = self.evidence().read()?;
        verifier.verify_certificate(&signature, &request(Claim::Signature, requirements))
    }

    fn with_entry(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut entry = serde_json::from_str(self.annotations.bundle.as_deref().unwrap()).unwrap();
        change(&mut entry);
        self.annotations.bundle = Some(entry.to_string());
        self
    }
}

#[test]
fn a_keyless_signature_says_who_signed_when_and_what_log_promised_it() {
    let private = Private::new();
    let signed = Signed::new(&private, &private.signing(), &IMAGE);
    let facts = signed.verify(&private.verifier(), LOGGED).unwrap();
    assert_eq!((facts.form, facts.valid_until), (Form::Legacy, None));
    let Signer::Certificate(identity) = &facts.signer else { panic!("{facts:?}") };
    assert_eq!(identity.subjects, [SubjectName::Email("a@example.com".into())]);
    assert_eq!(identity.issuer.as_deref(), Some("https://issuer.test"));
    let [entry] = facts.log_entries.as_slice() else { panic!("{facts:?}") };
    assert_eq!((entry.base_url.as_str(), entry.index), ("https://log.test", 11));
    assert_eq!((entry.proof, entry.integrated_time), (LogProof::Promise, Some(at(SIGNED))));
    assert_eq!(facts.times.iter().map(|time| time.source).collect::<Vec<_>>(), [TimeSource::TransparencyLog]);
}

#[test]
fn each_part_of_a_keyless_signature_is_held_against_the_others() {
    let private = Private::new();
    let verifier = private.verifier();
    let signing = private.signing();
    let signed = || Signed::new(&private, &signing, &IMAGE);
    assert!(signed().verify(&verifier, LOGGED).is_ok());

    let refusal = Signed::new(&private, &signing, &OTHER).verify(&verifier, LOGGED).unwrap_err();
    assert_eq!(refusal, Refusal::Claim { actual: OTHER.to_string(), expected: IMAGE });
    let mut altered = signed();
    altered.payload.push(b' ');
    assert_eq!(altered.verify(&verifier, LOGGED).unwrap_err(), Refusal::Signature);
    let mut bare = signed();
    bare.annotations.bundle = None;
    assert_eq!(bare.verify(&verifier, LOGGED).unwrap_err(), Refusal::NoLogEntry);
    let later = |entry: &mut Value| entry["Payload"]["integratedTime"] = json!(at(SIGNED).as_second() + 1);
    let refusal = signed().with_entry(later).verify(&verifier, LOGGED).unwrap_err();
    assert_eq!(refusal, EntryProblem::Promise.into());
    let elsewhere = |entry: &mut Value| entry["Payload"]["logID"] = json!("00".repeat(32));
    let refusal = signed().with_entry(elsewhere).verify(&verifier, LOGGED).unwrap_err();
    assert_eq!(refusal, Refusal::UnknownLog { log: "00".repeat(32) });
    // A good entry, of another signature by the same signer.
    let mut borrowed = signed();
    borrowed.annotations.bundle = Signed::new(&private, &signing, &OTHER).annotations.bundle;
    assert_eq!(borrowed.verify(&verifier, LOGGED).unwrap_err(), EntryProblem::Mismatch.into());
    let mut keyed = signed();
    keyed.annotations.certificate = None;
    assert_eq!(keyed.verify(&verifier, LOGGED).unwrap_err(), Refusal::NoCertificate);
    let mut garbled = signed();
    garbled.annotations.bundle = Some("{}".into());
    assert!(matches!(garbled.verify(&verifier, LOGGED), Err(Refusal::Unreadable(Form::Legacy, _))));
    // A stranger's certificate authority, with the same log.
    let stranger = Signed::new(&private, &Private::new().signing(), &IMAGE);
    let refusal = stranger.verify(&verifier, LOGGED).unwrap_err();
    assert_eq!(refusal, CertificateProblem::UnknownAuthority.into());
}

#[test]
fn entries_of_types_that_are_not_verified_are_refused_by_name() {
    let private = Private::new();
    for (kind, version, expected) in [
        ("intoto", "0.0.1", Some(UnsupportedEntry::IntotoV001)),
        ("rekord", "0.0.1", Some(UnsupportedEntry::RekordV001)),
        ("alpine", "0.0.1", None),
    ] {
        let body = STANDARD.encode(json!({ "kind": kind, "apiVersion": version }).to_string());
        let change = |entry: &mut Value| entry["Payload"]["body"] = json!(body);
        let signed = Signed::new(&private, &private.signing(), &IMAGE).with_entry(change);
        let refusal = signed.verify(&private.verifier(), LOGGED).unwrap_err();
        match expected {
            Some(expected) => assert_eq!(refusal, Refusal::EntryType(expected)),
            None => assert!(matches!(refusal, Refusal::Unreadable(..)), "{refusal}"),
        }
    }
}

#[test]
fn a_required_timestamp_must_be_there_and_over_the_signature() {
    let private = Private::new();
    let verifier = private.verifier();
    let signing = private.signing();
    let with = |message: &[u8], time: &str| {
        let mut signed = Signed::new(&private, &signing, &IMAGE);
        let message = if message.is_empty() { signed.signature.clone() } else { message.to_vec() };
        signed.annotations.timestamp = Some(private.tsa.annotation(&message, time));
        signed.verify(&verifier, STAMP)
    };
    let facts = with(b"", STAMPED).unwrap();
    assert_eq!((facts.times[0].at, facts.times[0].source), (at(SIGNED), TimeSource::TimestampAuthority));
    assert!(facts.log_entries.is_empty());

    assert_eq!(with(b"else", STAMPED).unwrap_err(), TimestampProblem::Mismatch.into());
    assert_eq!(with(b"", "20240302120000.5Z").unwrap_err(), TimestampProblem::FractionalSeconds.into());
    let expired = CertificateProblem::Expired { at: at("2024-03-09T12:00:00Z") };
    assert_eq!(with(b"", "20240309120000Z").unwrap_err(), expired.into());
    let future = TimestampProblem::Future { at: at("2024-07-01T00:00:00Z") };
    assert_eq!(with(b"", "20240701000000Z").unwrap_err(), future.into());

    let bare = Signed::new(&private, &signing, &IMAGE);
    assert_eq!(bare.verify(&verifier, STAMP).unwrap_err(), Refusal::NoTimestamp);
    let mut root = private.root();
    root["timestampAuthorities"] = json!([]);
    let untrusting = Verifier::new(&crate::private::material(&root)).unwrap();
    assert_eq!(bare.verify(&untrusting, STAMP).unwrap_err(), TimestampProblem::NoAuthority.into());
    let mut strange = Signed::new(&private, &signing, &IMAGE);
    strange.annotations.timestamp = Some(Private::new().tsa.annotation(&strange.signature, STAMPED));
    assert_eq!(strange.verify(&verifier, STAMP).unwrap_err(), TimestampProblem::Untrusted.into());
    // Both, with the log.
    let mut both = Signed::new(&private, &signing, &IMAGE);
    both.annotations.timestamp = Some(private.tsa.annotation(&both.signature, STAMPED));
    let everything = Requirements { timestamp: true, ..LOGGED };
    assert_eq!(both.verify(&verifier, everything).unwrap().times.len(), 2);
}

#[test]
fn a_token_may_bring_its_signer_where_the_root_has_only_who_certified_it() {
    let private = Private::new();
    let signing = private.signing();
    let mut root = private.root();
    let chain = root["timestampAuthorities"][0]["certChain"]["certificates"].as_array_mut().unwrap();
    chain.remove(0);
    let without_signer = Verifier::new(&crate::private::material(&root)).unwrap();
    let stranger = Private::new();
    let with = |verifier: &Verifier, tsa: &Tsa, has_signer: bool| {
        let mut signed = Signed::new(&private, &signing, &IMAGE);
        signed.annotations.timestamp = Some(if has_signer {
            tsa.annotation_with_signer(&signed.signature, STAMPED)
        } else {
            tsa.annotation(&signed.signature, STAMPED)
        });
        signed.verify(verifier, STAMP)
    };
    let untrusted = || Refusal::from(TimestampProblem::Untrusted);
    assert!(with(&without_signer, &private.tsa, true).is_ok());
    assert_eq!(with(&without_signer, &private.tsa, false).unwrap_err(), untrusted());
    assert_eq!(with(&without_signer, &stranger.tsa, true).unwrap_err(), untrusted());
    assert_eq!(with(&without_signer, &private.tsa.impostor(), true).unwrap_err(), untrusted());
    // Where the root names the signer, it is that one.
    for has_signer in [true, false] {
        assert!(with(&private.verifier(), &private.tsa, has_signer).is_ok());
        assert_eq!(with(&private.verifier(), &stranger.tsa, has_signer).unwrap_err(), untrusted());
    }
}

#[test]
fn the_timestamp_of_an_attestation_is_over_the_whole_envelope() {
    let private = Private::new();
    let verifier = private.verifier();
    let signing = private.signing();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{ "name": "a", "digest": { "sha256": IMAGE.hex() } }],
        "predicate": { "n": 12_345_678_901_234_567_890_u64 },
    });
    let statement = serde_json::to_vec(&statement).unwrap();
    let signature = signing.key.sign(&pae(IN_TOTO, &statement)).unwrap();
    let layer = |signatures: &[&[u8]]| {
        let signatures: Vec<_> =
            signatures.iter().map(|one| json!({ "keyid": "", "sig": STANDARD.encode(one) })).collect();
        let envelope = json!({
            "payloadType": IN_TOTO, "payload": STANDARD.encode(&statement), "signatures": signatures,
        });
        serde_json::to_vec(&envelope).unwrap()
    };
    let envelope = layer(&[&signature]);
    let promise = private.promise(&dsse_entry(&envelope, &statement, &signature, &signing.pem));
    let verify = |stamped: Option<&[u8]>, requirements| {
        let mut annotations = signing.annotations(Some(&promise));
        annotations.timestamp = stamped.map(|message| private.tsa.annotation(message, STAMPED));
        let signature = Evidence::LegacyAttestation { envelope: envelope.clone(), annotations }.read()?;
        verifier.verify_certificate(&signature, &request(Claim::Attestation, requirements))
    };
    let facts = verify(Some(&envelope), Requirements { timestamp: true, ..LOGGED }).unwrap();
    assert_eq!((facts.form, facts.log_entries.len(), facts.times.len()), (Form::Legacy, 1, 2));
    let found = facts.statement.unwrap();
    assert_eq!(found.predicate_type, "https://slsa.dev/provenance/v0.2");
    assert_eq!(found.payload(), statement);
    assert_eq!(found.predicate().unwrap(), br#"{"n":12345678901234567890}"#);
    assert!(verify(Some(&envelope), STAMP).unwrap().log_entries.is_empty());

    assert_eq!(verify(Some(&signature), STAMP).unwrap_err(), TimestampProblem::Mismatch.into());
    assert_eq!(verify(Some(&signature), LOGGED).unwrap_err(), TimestampProblem::Mismatch.into());
    assert_eq!(verify(None, STAMP).unwrap_err(), Refusal::NoTimestamp);

    // As a signature it does not count, and two signatures are one too many.
    let read =
        |envelope| Evidence::LegacyAttestation { envelope, annotations: signing.annotations(Some(&promise)) };
    let one = read(envelope.clone()).read().unwrap();
    let refusal = verifier.verify_certificate(&one, &request(Claim::Signature, LOGGED)).unwrap_err();
    assert_eq!(refusal, Refusal::PayloadType("https://slsa.dev/provenance/v0.2".into()));
    assert_eq!(read(layer(&[&signature, &signature])).read().unwrap_err(), Refusal::SignatureCount(2));
    assert_eq!(read(layer(&[])).read().unwrap_err(), Refusal::SignatureCount(0));
}

#[test]
fn a_keys_signature_counts_with_the_entry_and_the_timestamp_that_are_asked_for() {
    let private = Private::new();
    let verifier = private.verifier();
    for (pair, hash) in [
        (KeyPair::generate().unwrap(), None),
        // Cosign signs with SHA-256 whatever the key.
        (KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(), Some(HashAlgorithm::Sha384)),
    ] {
        let pem = pair.public_key_pem();
        let key = PublicKey::from_pem(&pem, hash).unwrap();
        let payload = payload(&IMAGE);
        let signature = pair.sign(&payload).unwrap();
        let promise = private.promise(&hashedrekord(&payload, &signature, &pem)).to_string();
        let timestamp = private.tsa.annotation(&signature, STAMPED);
        let verify = |annotations: Annotations, requirements| {
            let (payload, signature) = (payload.clone(), STANDARD.encode(&signature));
            let signature = Evidence::LegacySignature { payload, signature, annotations }.read()?;
            verifier.verify_key(&signature, &key, &request(Claim::Signature, requirements))
        };
        let logged = Annotations { bundle: Some(promise), ..Annotations::default() };
        let stamped = Annotations { timestamp: Some(timestamp), ..Annotations::default() };
        let nothing = Requirements { log_entry: false, timestamp: false, sct: false };
        for annotations in [&logged, &stamped, &Annotations::default()] {
            let facts = verify(annotations.clone(), nothing).unwrap();
            assert_eq!((facts.log_entries.len(), facts.times.len()), (0, 0));
        }
        let facts = verify(stamped.clone(), STAMP).unwrap();
        assert_eq!(facts.signer, Signer::Key(key.fingerprint()));
        assert_eq!(facts.times.len(), 1);
        assert_eq!(verify(logged.clone(), STAMP).unwrap_err(), Refusal::NoTimestamp);
        assert_eq!(verify(stamped, LOGGED).unwrap_err(), Refusal::NoLogEntry);
        match hash {
            None => assert_eq!(verify(logged, LOGGED).unwrap().log_entries.len(), 1),
            // The entry says SHA-256, and so would the signature have to.
            Some(_) => assert_eq!(verify(logged, LOGGED).unwrap_err(), Refusal::KeyKind("ecdsa-p384")),
        }
    }
}

/// Made with OpenSSL 3 (`openssl dgst -sha256 -sign`, curve secp384r1): cosign signs with SHA-256 whatever the key.
const P384: (&str, &str, &str) = (
    "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAElGgZhegxvZ7cRhY4TDZiuItZosTUB44o
zowsyzMu5E/Bv/Ap1xjNC2eIMgSYQStA8wMoMHWimWZZiv7Oir7BDMbIartt3Dp5
sp4wxe48NYxAeH3LCVgcsMNGvR1lYpZA
-----END PUBLIC KEY-----
",
    r#"{"critical":{"identity":{"docker-reference":"ghcr.io/a/b"},"image":{"docker-manifest-digest":"sha256:0707070707070707070707070707070707070707070707070707070707070707"},"type":"cosign container image signature"},"optional":null}"#,
    "MGUCMCdB1mDZVOaFCUTHLpczmMw+20t+azLtVWj1Lgas/ACn0VI+FC7o++eU1rNE6n2JzwIxAIhhkkvRub5fkSG91LrgCrj4GFaR2aUslk7ATkic6hwQSlaqzHS6atLgkRvz3vMcrA==",
);

#[test]
fn the_plain_payload_is_what_cosign_signs() {
    assert_eq!(plain_payload(&"ghcr.io/a/b".parse().unwrap(), &IMAGE), P384.1);
}

#[test]
fn a_p384_key_counts_with_sha_256_and_its_log_entry() {
    let private = Private::new();
    let (pem, payload, signature) = P384;
    let raw = STANDARD.decode(signature).unwrap();
    let promise = private.promise(&hashedrekord(payload.as_bytes(), &raw, pem));
    let annotations = Annotations { bundle: Some(promise.to_string()), ..Annotations::default() };
    let (payload, signature) = (payload.into(), signature.into());
    let evidence = Evidence::LegacySignature { payload, signature, annotations };
    let signature = evidence.read().unwrap();
    let verify = |hash| {
        let key = PublicKey::from_pem(pem, hash).unwrap();
        private.verifier().verify_key(&signature, &key, &request(Claim::Signature, LOGGED))
    };
    for hash in [None, Some(HashAlgorithm::Sha256)] {
        assert_eq!(verify(hash).unwrap().log_entries.len(), 1);
    }
    assert_eq!(verify(Some(HashAlgorithm::Sha384)).unwrap_err(), Refusal::Signature);
}

/// A signature that the public instance has logged, taken apart into what cosign would have put into an `.att` layer.
#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
fn an_attestation_of_the_public_instance_verifies_as_a_legacy_layer() {
    let case = Case::named("happy-path-intoto-in-dsse-v3");
    let bundle: Value = serde_json::from_slice(&case.bundle()).unwrap();
    let material = &bundle["verificationMaterial"];
    let entry = &material["tlogEntries"][0];
    let der = STANDARD.decode(material["certificate"]["rawBytes"].as_str().unwrap()).unwrap();
    let number = |field: &str| entry[field].as_str().unwrap().parse::<i64>().unwrap();
    let promise = json!({
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"],
            "integratedTime": number("integratedTime"),
            "logIndex": number("logIndex"),
            "logID": hex::encode(STANDARD.decode(entry["logId"]["keyId"].as_str().unwrap()).unwrap()),
        },
    });
    let evidence = Evidence::LegacyAttestation {
        envelope: serde_json::to_vec(&bundle["dsseEnvelope"]).unwrap(),
        annotations: Annotations {
            certificate: Some(pem::encode(&pem::Pem::new("CERTIFICATE", der))),
            bundle: Some(promise.to_string()),
            ..Annotations::default()
        },
    };
    let facts = case.verify_signature(&evidence.read().unwrap(), &case.verifier(), Given::Digest).unwrap();
    let of_bundle = case.verify(Given::Digest).unwrap();
    assert_eq!((facts.form, &facts.signer), (Form::Legacy, &of_bundle.signer));
    assert_eq!((&facts.times, &facts.statement), (&of_bundle.times, &of_bundle.statement));
    assert_eq!(facts.log_entries[0].proof, LogProof::Promise);
    assert_eq!(of_bundle.log_entries[0].proof, LogProof::Inclusion);
}
