//! Signatures by OpenSSL, recorded in `data/openssl.json` with how they were made: every kind of key with every hash
//! that a policy may name.

use std::collections::BTreeMap;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde::Deserialize;
use serde_json::json;
use sigstore_verify::crypto::sha256;
use sigstore_verify::types::dsse::pae;
use trustwright_core::Digest;
use trustwright_verify::{
    Annotations, Claim, Evidence, Facts, HashAlgorithm, KeyAlgorithm, KeyError, PublicKey, Refusal, Request,
    Requirements, check,
};

use crate::{
    legacy::{IMAGE, LOGGED, payload, request},
    private::{Private, SIGNED, Wanted, at, copy, hashedrekord},
};

#[derive(Deserialize)]
pub(crate) struct Recorded {
    pub(crate) message: String,
    pub(crate) keys: BTreeMap<String, String>,
    pub(crate) signatures: Vec<Signed>,
}

#[derive(Deserialize)]
pub(crate) struct Signed {
    pub(crate) key: String,
    pub(crate) hash: String,
    /// `ecdsa`, `ed25519`, `pkcs1`, or `pss-` with the length of the salt.
    pub(crate) form: String,
    signature: String,
}

impl Recorded {
    pub(crate) fn read() -> Self {
        serde_json::from_str(include_str!("data/openssl.json")).unwrap()
    }

    pub(crate) fn key(&self, name: &str, hash: Option<HashAlgorithm>) -> Result<PublicKey, KeyError> {
        PublicKey::from_pem(&self.keys[name], hash)
    }
}

impl Signed {
    pub(crate) fn hash(&self) -> HashAlgorithm {
        self.hash.parse().unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        STANDARD.decode(&self.signature).unwrap()
    }

    /// Whether somebody who trusts the key and names the hash should find it good: SHA-224 goes with P-521 only, and
    /// of the salts those that signers write.
    pub(crate) fn is_verified(&self) -> bool {
        let by_hash = self.hash() != HashAlgorithm::Sha224 || self.key == "ecdsa-p521";
        by_hash && self.form != "pss-20" && self.key != "rsa-pss-2048"
    }
}

const HASHES: [HashAlgorithm; 4] =
    [HashAlgorithm::Sha224, HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];

#[test]
fn every_kind_of_key_verifies_with_the_hash_that_is_named_and_with_no_other() {
    let recorded = Recorded::read();
    let message = recorded.message.as_bytes();
    let mut verified = BTreeMap::<&str, usize>::new();
    for signed in recorded.signatures.iter().filter(|signed| signed.is_verified()) {
        let what = format!("{} {} {}", signed.key, signed.hash, signed.form);
        for hash in HASHES {
            let Ok(key) = recorded.key(&signed.key, Some(hash)) else {
                assert_eq!(hash, HashAlgorithm::Sha224, "{what}");
                continue;
            };
            // Ed25519 has its hash built in.
            let expected = hash == signed.hash() || key.algorithm() == KeyAlgorithm::Ed25519;
            assert_eq!(key.verifies(message, &signed.bytes()), expected, "{what}, asked for {hash}");
            assert!(!key.verifies(b"another message", &signed.bytes()), "{what}, asked for {hash}");
        }
        *verified.entry(signed.form.as_str()).or_default() += 1;
    }
    let expected = [("ecdsa", 10), ("ed25519", 1), ("pkcs1", 6), ("pss-digest", 6), ("pss-max", 6)];
    assert_eq!(verified.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn without_a_named_hash_sha_256_counts_and_the_one_that_belongs_to_the_key() {
    let recorded = Recorded::read();
    for signed in recorded.signatures.iter().filter(|signed| signed.is_verified()) {
        let key = recorded.key(&signed.key, None).unwrap();
        let own = match key.algorithm() {
            KeyAlgorithm::EcdsaP256 | KeyAlgorithm::Rsa => HashAlgorithm::Sha256,
            KeyAlgorithm::EcdsaP384 => HashAlgorithm::Sha384,
            KeyAlgorithm::EcdsaP521 | KeyAlgorithm::Ed25519 => HashAlgorithm::Sha512,
        };
        let expected = signed.hash() == HashAlgorithm::Sha256 || signed.hash() == own;
        let found = key.verifies(recorded.message.as_bytes(), &signed.bytes());
        assert_eq!(found, expected, "{} {} {}", signed.key, signed.hash, signed.form);
    }
}

#[test]
fn a_digest_alone_is_enough_for_what_was_signed_with_sha_256() {
    let recorded = Recorded::read();
    let digest = |text: &[u8]| Digest::from_bytes(*sha256(text).as_bytes());
    let (good, other) = (digest(recorded.message.as_bytes()), digest(b"another message"));
    let (mut verified, mut refused) = (0, 0);
    for signed in recorded.signatures.iter().filter(|signed| signed.is_verified()) {
        let (what, bytes) = (format!("{} {} {}", signed.key, signed.hash, signed.form), signed.bytes());
        let key = recorded.key(&signed.key, None).unwrap();
        if key.algorithm() == KeyAlgorithm::Ed25519 {
            assert_eq!(key.verifies_digest(&good, &bytes), None, "{what}");
            continue;
        }
        let is_sha256 = signed.hash() == HashAlgorithm::Sha256;
        assert_eq!(key.verifies_digest(&good, &bytes), Some(is_sha256), "{what}");
        assert_eq!(key.verifies_digest(&other, &bytes), Some(false), "{what}");
        if is_sha256 {
            verified += 1;
        } else {
            refused += 1;
            // A policy that names the hash cannot be judged by a SHA-256 digest at all.
            let named = recorded.key(&signed.key, Some(signed.hash())).unwrap();
            assert_eq!(named.verifies_digest(&good, &bytes), None, "{what}");
        }
    }
    assert_eq!((verified, refused), (9, 19));
}

#[test]
fn what_is_not_verified_is_refused_by_its_key_its_hash_or_its_salt() {
    let recorded = Recorded::read();
    let mut refused = Vec::new();
    for signed in recorded.signatures.iter().filter(|signed| !signed.is_verified()) {
        let key = recorded.key(&signed.key, Some(signed.hash()));
        match key {
            Ok(key) => {
                assert_eq!(signed.form, "pss-20", "{}", signed.key);
                assert!(!key.verifies(recorded.message.as_bytes(), &signed.bytes()), "{}", signed.hash);
            }
            Err(error) => refused.push((signed.key.as_str(), error)),
        }
    }
    let hash = HashAlgorithm::Sha224;
    let by_hash = |algorithm| KeyError::UnsupportedHash { algorithm, hash };
    assert_eq!(
        refused,
        [
            ("ecdsa-p256", by_hash(KeyAlgorithm::EcdsaP256)),
            ("ecdsa-p384", by_hash(KeyAlgorithm::EcdsaP384)),
            // Its identifier says that it is for PSS only (RFC 4055, section 1.2); no parser of the field reads it.
            ("rsa-pss-2048", KeyError::Unsupported),
        ]
    );
    for name in ["ecdsa-secp256k1", "rsa-1024"] {
        assert_eq!(recorded.key(name, None).unwrap_err(), KeyError::Unsupported, "{name}");
    }
}

/// Either padding counts in each form of a signature. With an entry of Rekor v1 only the field's own does: the
/// library that verifies these goes by the key, and the key does not say.
#[test]
fn an_rsa_signature_counts_with_either_padding_and_its_log_entry_with_the_fields_own() {
    let private = Private::new();
    let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let signer = RsaKeyPair::from_pkcs8(&pair.serialize_der()).unwrap();
    let pem = pair.public_key_pem();
    let key = PublicKey::from_pem(&pem, None).unwrap();
    let signing = private.issue(Wanted { key: copy(&pair), ..private.wanted() });
    let sign = |padding: &'static dyn RsaEncoding, message: &[u8]| {
        let mut signature = vec![0; signer.public_modulus_len()];
        signer.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    };
    let nothing = Requirements { log_entry: false, timestamp: false, sct: true };
    for (padding, is_logged) in
        [(&RSA_PKCS1_SHA256 as &'static dyn RsaEncoding, true), (&RSA_PSS_SHA256, false)]
    {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "subject": [{"digest": {"sha256": IMAGE.hex()}}],
            "predicate": {},
        });
        let statement = statement.to_string();
        let signature = sign(padding, &pae("application/vnd.in-toto+json", statement.as_bytes()));
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": "h"}},
            "dsseEnvelope": {
                "payloadType": "application/vnd.in-toto+json",
                "payload": STANDARD.encode(&statement),
                "signatures": [{"sig": STANDARD.encode(&signature)}],
            },
        });
        let bundle = Evidence::Bundle(bundle.to_string().into_bytes()).read().unwrap();
        assert!(check(&bundle, &IMAGE, &key).is_ok());

        let payload = payload(&IMAGE);
        let signature = sign(padding, &payload);
        let read = |annotations: Annotations| {
            let (payload, signature) = (payload.clone(), STANDARD.encode(&signature));
            Evidence::LegacySignature { payload, signature, annotations }.read().unwrap()
        };
        let promise = |verifier: &str| private.promise(&hashedrekord(&payload, &signature, verifier));
        let of_key = Annotations { bundle: Some(promise(&pem).to_string()), ..Annotations::default() };
        let of_certificate = signing.annotations(Some(&promise(&signing.pem)));
        let with = |requirements| Request { now: at(SIGNED), ..request(Claim::Signature, requirements) };
        let verify = |requirements| {
            let with = with(requirements);
            let by_key = private.verifier().verify_key(&read(of_key.clone()), &key, &with);
            let by_certificate = private.verifier().verify_certificate(&read(of_certificate.clone()), &with);
            [by_key, by_certificate]
        };
        assert!(verify(nothing).iter().all(Result::is_ok));
        let logged = |facts: Result<Facts, Refusal>| facts.map(|facts| facts.log_entries.len());
        let expected = if is_logged { Ok(1) } else { Err(Refusal::KeyKind("rsa")) };
        assert_eq!(verify(LOGGED).map(logged), [expected.clone(), expected]);
    }
}
