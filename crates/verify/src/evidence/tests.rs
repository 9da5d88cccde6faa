use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SigningKey as _};
use serde_json::{Value, json};
use sigstore_verify::types::dsse::pae;
use trustwright_core::Digest;

use super::*;

fn check(evidence: &Evidence, image: &Digest, key: &PublicKey) -> Result<Facts, Refusal> {
    super::check(&evidence.clone().read()?, image, key)
}

const IMAGE: Digest = Digest::from_bytes([7; 32]);
const OTHER: Digest = Digest::from_bytes([8; 32]);

struct Signer {
    pair: KeyPair,
    key: PublicKey,
}

impl Signer {
    fn new() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let key = PublicKey::from_pem(&pair.public_key_pem(), None).unwrap();
        Self { pair, key }
    }

    fn legacy(&self, payload: &Value) -> Evidence {
        let payload = serde_json::to_vec(payload).unwrap();
        let signature = STANDARD.encode(self.pair.sign(&payload).unwrap());
        Evidence::Legacy { payload, signature }
    }

    fn dsse(&self, payload_type: &str, payload: &Value) -> Evidence {
        let payload = serde_json::to_vec(payload).unwrap();
        let signature = self.pair.sign(&pae(payload_type, &payload)).unwrap();
        Self::bundle(&json!({"dsseEnvelope": {
            "payloadType": payload_type,
            "payload": STANDARD.encode(payload),
            "signatures": [{"sig": STANDARD.encode(signature)}],
        }}))
    }

    fn bundle(content: &Value) -> Evidence {
        let mut bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": "h"}},
        });
        bundle.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        Evidence::Bundle(serde_json::to_vec(&bundle).unwrap())
    }
}

fn simple(image: &Digest) -> Value {
    json!({"critical": {
        "identity": {"docker-reference": "ghcr.io/a/b"},
        "image": {"docker-manifest-digest": image.to_string()},
        "type": "cosign container image signature",
    }, "optional": null})
}

fn statement(image: &Digest) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "subject": [{"digest": {"sha256": image.hex()}}],
        "predicate": {},
    })
}

#[test]
fn each_form_verifies_for_its_image_and_its_key() {
    let signer = Signer::new();
    let message = STANDARD.encode({
        // Over the bytes whose SHA-256 is the image's digest.
        signer.pair.sign(b"manifest").unwrap()
    });
    let manifest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"manifest");
    let image = Digest::from_bytes(manifest.as_ref().try_into().unwrap());
    for (evidence, form) in [
        (signer.legacy(&simple(&image)), Form::Legacy),
        (signer.dsse(IN_TOTO, &statement(&image)), Form::Bundle),
        (Signer::bundle(&json!({"messageSignature": {"signature": message}})), Form::Bundle),
    ] {
        let facts = check(&evidence, &image, &signer.key).unwrap();
        assert_eq!((facts.form, facts.signer), (form, crate::Signer::Key(signer.key.fingerprint())));
        assert_eq!(check(&evidence, &image, &Signer::new().key), Err(Refusal::Signature));
        assert!(check(&evidence, &OTHER, &signer.key).is_err());
    }
}

#[test]
fn a_good_signature_over_another_image_is_refused_naming_both() {
    let signer = Signer::new();
    for evidence in [signer.legacy(&simple(&OTHER)), signer.dsse(IN_TOTO, &statement(&OTHER))] {
        let Err(Refusal::Claim { actual, expected }) = check(&evidence, &IMAGE, &signer.key) else {
            panic!("not refused for its claim")
        };
        assert!(actual.contains(&OTHER.hex()), "{actual}");
        assert_eq!(expected, IMAGE);
    }
}

#[test]
fn a_good_signature_over_something_else_is_no_image_signature() {
    let signer = Signer::new();
    let with = |mut value: Value, pointer: &str, new: &str| {
        *value.pointer_mut(pointer).unwrap() = json!(new);
        value
    };
    for (evidence, found) in [
        (signer.legacy(&with(simple(&IMAGE), "/critical/type", "atomic container signature")), "atomic"),
        (
            signer
                .dsse(IN_TOTO, &with(statement(&IMAGE), "/predicateType", "https://slsa.dev/provenance/v1")),
            "provenance",
        ),
        (signer.dsse(IN_TOTO, &with(statement(&IMAGE), "/_type", "https://example.com/x")), "example"),
        (signer.dsse("text/plain", &statement(&IMAGE)), "text/plain"),
    ] {
        let error = check(&evidence, &IMAGE, &signer.key).unwrap_err();
        let Refusal::PayloadType(actual) = &error else { panic!("{error}") };
        assert!(actual.contains(found), "{actual}");
    }
}

#[test]
fn an_attestation_of_any_type_is_told_with_its_predicate_and_speaks_of_its_own_image() {
    let signer = Signer::new();
    let attest = |evidence: Evidence, image: &Digest| {
        let signature = evidence.read().unwrap();
        check_attestation(&signature, image, &signer.key)
    };
    let mut provenance = statement(&IMAGE);
    provenance["predicateType"] = json!("https://slsa.dev/provenance/v1");
    provenance["predicate"] = json!({"builder": 1});
    let facts = attest(signer.dsse(IN_TOTO, &provenance), &IMAGE).unwrap();
    let found = facts.statement.unwrap();
    assert_eq!(found.predicate_type, "https://slsa.dev/provenance/v1");
    assert_eq!(found.predicate(), Some(br#"{"builder":1}"#.as_slice()));
    assert_eq!(serde_json::from_slice::<Value>(found.payload()).unwrap(), provenance);
    // What cosign writes for a signature may be asked for as an attestation too.
    assert!(attest(signer.dsse(IN_TOTO, &statement(&IMAGE)), &IMAGE).is_ok());

    let of_another = attest(signer.dsse(IN_TOTO, &provenance), &OTHER).unwrap_err();
    assert_eq!(of_another, Refusal::Subject { actual: vec![IMAGE.hex()], expected: OTHER });
    let typed = attest(signer.dsse("text/plain", &provenance), &IMAGE).unwrap_err();
    assert_eq!(typed, Refusal::EnvelopeType("text/plain".into()));
    assert_eq!(attest(signer.legacy(&simple(&IMAGE)), &IMAGE).unwrap_err(), Refusal::NoStatement);
    let strange = Signer::new().dsse(IN_TOTO, &provenance);
    assert_eq!(attest(strange, &IMAGE).unwrap_err(), Refusal::Signature);
}

#[test]
fn damaged_evidence_is_refused_and_never_panics() {
    let signer = Signer::new();
    for evidence in [
        Evidence::Legacy { payload: b"{}".to_vec(), signature: "not base64!".into() },
        Evidence::Legacy { payload: Vec::new(), signature: String::new() },
        Evidence::Bundle(Vec::new()),
        Evidence::Bundle(b"{}".to_vec()),
        Evidence::Bundle(vec![0xff, 0xfe]),
        Evidence::Bundle(vec![b'['; 100_000]),
        Signer::bundle(&json!({"dsseEnvelope": {"payloadType": IN_TOTO, "payload": "", "signatures": []}})),
        Signer::bundle(&json!({"messageSignature": {"signature": ""}})),
        Signer::bundle(&json!({})),
    ] {
        assert!(check(&evidence, &IMAGE, &signer.key).is_err());
    }
}

#[test]
fn what_nobody_has_signed_is_never_quoted() {
    let quoted = "internal-secret-text";
    for evidence in [
        Evidence::Legacy { payload: b"{}".to_vec(), signature: format!("!{quoted}") },
        Evidence::Bundle(serde_json::to_vec(&json!(quoted)).unwrap()),
        Evidence::Bundle(serde_json::to_vec(&json!({"mediaType": quoted})).unwrap()),
        Signer::new().dsse(quoted, &json!(quoted)),
    ] {
        let refusal = check(&evidence, &IMAGE, &Signer::new().key).unwrap_err();
        assert!(!format!("{refusal} {refusal:?}").contains(quoted), "{refusal}");
    }
}

#[test]
fn an_ed25519_bundle_verifies_in_plain_ed25519_only() {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let key = PublicKey::from_pem(&pair.public_key_pem(), None).unwrap();
    let signer = Signer { pair, key };
    let bundle = signer.dsse(IN_TOTO, &statement(&IMAGE));
    assert!(check(&bundle, &IMAGE, &signer.key).is_ok());
    let of_another = Signer::new().dsse(IN_TOTO, &statement(&IMAGE));
    assert_eq!(check(&of_another, &IMAGE, &signer.key), Err(Refusal::NotPlainEd25519));
}

/// Certificate and digest as in the Policy Controller's tests (`pkg/webhook/testdata/cert.pem`).
#[test]
fn a_signature_has_the_id_that_the_field_knows() {
    let certificate = "MIHwMIGXoAMCAQICAQEwCgYIKoZIzj0EAwIwADAiGA8wMDAxMDEwMTAwMDAwMFoYDzAwMDEwMTAxMDAwMDAwWjAAMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMP4j1NMREAE3IpA1ihHN1xZFThO4oFdeRWbVTIUDhgOcCDVh5K/pmquzDE3uqG1D9TmZwC5pPyURDgJ9dzTvjDAKBggqhkjOPQQDAgNIADBFAiEAtCfQlhemMkHHz+Brj9lsf1iHbBF+q2r9Ijud52yFeYoCIESU129jdhqmhm1yWb0bI95dCTEaiKLZaQ8mK+OV1yr2";
    let bundle = |certificate: Option<&str>, signature: &[u8]| {
        let material = match certificate {
            Some(certificate) => json!({"certificate": {"rawBytes": certificate}}),
            None => json!({"publicKey": {"hint": ""}}),
        };
        let json = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": material,
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": STANDARD.encode([0; 32])},
                "signature": STANDARD.encode(signature),
            },
        });
        Evidence::Bundle(serde_json::to_vec(&json).unwrap()).read().unwrap()
    };
    let signed = bundle(Some(certificate), b"s");
    let of_certificate = "0b413181a61e85e0426d9f49ccd58d2205314297ee0c3bb515ad9d0f89480995";
    let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(signed.id(Claim::Attestation).hex(), of_certificate);
    assert_ne!(signed.id(Claim::Signature).hex(), of_certificate);
    assert_eq!(bundle(None, b"s").id(Claim::Attestation).hex(), of_nothing);
    assert_eq!(bundle(None, b"s").id(Claim::Signature), crate::artifact::sha256(b"s"));
}
