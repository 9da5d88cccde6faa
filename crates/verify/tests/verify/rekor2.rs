//! Entries of Rekor v2: every kind of key that the log takes, and everything in an entry that may be of another one.
//!
//! The form is that of `dev.sigstore.rekor.v2.Entry` (rekor-tiles v2.3.0) in canonical JSON. What cosign and the log
//! itself write is verified by the conformance suite here, and by the matrix of `engine`.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_RSA_SHA256, PublicKeyData as _, SignatureAlgorithm, SigningKey as _,
};
use serde_json::{Value, json};
use sigstore_verify::types::dsse::pae;
use trustwright_verify::{
    Artifact, Claim, EntryProblem, Evidence, Facts, LogProof, Origin, PublicKey, Refusal, Request, Signer,
    Verifier,
};

use crate::{
    keys::Recorded,
    legacy::{IMAGE, LOGGED, request},
    private::{Private, SIGNED, Signing, Wanted, at, hashedrekord, material},
};

const IN_TOTO: &str = "application/vnd.in-toto+json";
/// [`SIGNED`] as a `GeneralizedTime`.
const STAMPED: &str = "20240302120000Z";
/// Longest body that is read.
const MAX_BODY: usize = 64 << 10;

fn hash(name: &str, message: &[u8]) -> Vec<u8> {
    let algorithm = match name {
        "SHA2_256" => &digest::SHA256,
        "SHA2_384" => &digest::SHA384,
        "SHA2_512" => &digest::SHA512,
        _ => &digest::SHA224,
    };
    digest::digest(algorithm, message).as_ref().to_vec()
}

fn der(bytes: &[u8]) -> Value {
    json!({ "rawBytes": STANDARD.encode(bytes) })
}

/// An entry over `message`. `verifier` is the field that names the signer, and its value.
fn entry(
    message: &[u8],
    algorithm: &str,
    details: &str,
    signature: &[u8],
    verifier: &(&str, Value),
) -> Value {
    json!({
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": { "hashedRekordV002": {
            "data": { "algorithm": algorithm, "digest": STANDARD.encode(hash(algorithm, message)) },
            "signature": {
                "content": STANDARD.encode(signature),
                "verifier": { "keyDetails": details, verifier.0: verifier.1 },
            },
        } },
    })
}

/// An entry of a bundle whose body the log has put in.
fn logged(private: &Private, body: &[u8]) -> Value {
    json!({
        "logIndex": "0",
        "logId": { "keyId": STANDARD.encode([0; 32]) },
        "kindVersion": { "kind": "hashedrekord", "version": "0.0.2" },
        "inclusionProof": private.proof_of(body),
        "canonicalizedBody": STANDARD.encode(body),
    })
}

fn bundle(material: &(&str, Value), entries: &[Value], content: &(&str, Value)) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { material.0: material.1, "tlogEntries": entries },
        content.0: content.1,
    })
}

fn read(bundle: &Value) -> Result<trustwright_verify::Signature, Refusal> {
    Evidence::Bundle(bundle.to_string().into_bytes()).read()
}

/// A signed statement about [`IMAGE`], with its entry, for the holder of a key or of a certificate for it.
struct Statement {
    private: Private,
    signing: Signing,
    by_certificate: bool,
    body: Value,
    bundle: Value,
}

impl Statement {
    fn new(
        scheme: &'static SignatureAlgorithm,
        algorithm: &str,
        details: &str,
        by_certificate: bool,
    ) -> Self {
        let private = Private::new();
        let key = KeyPair::generate_for(scheme).unwrap();
        let signing = private.issue(Wanted { key, ..private.wanted() });
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "subject": [{ "digest": { "sha256": IMAGE.hex() } }],
            "predicate": {},
        });
        let statement = statement.to_string();
        let message = pae(IN_TOTO, statement.as_bytes());
        let signature = signing.key.sign(&message).unwrap();
        let spki = signing.key.subject_public_key_info();
        let (named, held) = if by_certificate {
            (("x509Certificate", der(&signing.der)), ("certificate", der(&signing.der)))
        } else {
            (("publicKey", der(&spki)), ("publicKey", json!({ "hint": "h" })))
        };
        let body = entry(&message, algorithm, details, &signature, &named);
        let envelope = json!({
            "payloadType": IN_TOTO,
            "payload": STANDARD.encode(&statement),
            "signatures": [{ "sig": STANDARD.encode(&signature) }],
        });
        let mut bundle = bundle(&held, &[], &("dsseEnvelope", envelope));
        if by_certificate {
            let token = STANDARD.encode(private.tsa.stamp(&signature, STAMPED));
            bundle["verificationMaterial"]["timestampVerificationData"] =
                json!({ "rfc3161Timestamps": [{ "signedTimestamp": token }] });
        }
        Self { private, signing, by_certificate, body, bundle }
    }

    fn of_p384(by_certificate: bool) -> Self {
        Self::new(&PKCS_ECDSA_P384_SHA384, "SHA2_384", "PKIX_ECDSA_P384_SHA_384", by_certificate)
    }

    /// What is said of the bundle with these entries.
    fn verify_entries(&self, verifier: &Verifier, entries: &[Value]) -> Result<Facts, Refusal> {
        let mut bundle = self.bundle.clone();
        bundle["verificationMaterial"]["tlogEntries"] = entries.into();
        let signature = read(&bundle)?;
        let request = request(Claim::Signature, LOGGED);
        if self.by_certificate {
            return verifier.verify_certificate(&signature, &request);
        }
        let key = PublicKey::from_pem(&self.signing.key.public_key_pem(), None).unwrap();
        verifier.verify_key(&signature, &key, &request)
    }

    /// What is said where the log has put in `body`.
    fn verify_body(&self, body: &[u8]) -> Result<Facts, Refusal> {
        self.verify_entries(&self.private.verifier(), &[logged(&self.private, body)])
    }

    /// What is said where the log has put in the body with a change.
    fn verify_with(&self, change: impl FnOnce(&mut Value)) -> Result<Facts, Refusal> {
        let mut body = self.body.clone();
        change(&mut body);
        self.verify_body(body.to_string().as_bytes())
    }
}

/// The field that a JSON pointer leads to, in the entry itself.
fn field<'a>(body: &'a mut Value, pointer: &str) -> &'a mut Value {
    body["spec"]["hashedRekordV002"].pointer_mut(pointer).unwrap()
}

#[test]
fn a_key_and_a_certificate_of_every_kind_that_the_log_takes_count_with_their_entry() {
    for (scheme, algorithm, details) in [
        (&PKCS_ECDSA_P256_SHA256, "SHA2_256", "PKIX_ECDSA_P256_SHA_256"),
        (&PKCS_ECDSA_P384_SHA384, "SHA2_384", "PKIX_ECDSA_P384_SHA_384"),
        (&PKCS_ECDSA_P521_SHA512, "SHA2_512", "PKIX_ECDSA_P521_SHA_512"),
        (&PKCS_RSA_SHA256, "SHA2_256", "PKIX_RSA_PKCS1V15_2048_SHA256"),
    ] {
        for by_certificate in [false, true] {
            let one = Statement::new(scheme, algorithm, details, by_certificate);
            let facts = one.verify_with(|_| ()).unwrap();
            assert_eq!(facts.log_entries.len(), 1, "{details}");
            assert_eq!(facts.log_entries[0].proof, LogProof::Inclusion, "{details}");
            let is_stamped = facts.times.iter().any(|time| time.at == at(SIGNED));
            assert_eq!((is_stamped, facts.times.len()), (by_certificate, usize::from(by_certificate)));
            assert_eq!(matches!(facts.signer, Signer::Certificate(_)), by_certificate, "{details}");
            // Another kind or hash than it was made with.
            let named = |body: &mut Value| {
                *field(body, "/signature/verifier/keyDetails") = "PKIX_ECDSA_P256_SHA_512".into();
            };
            assert_eq!(one.verify_with(named).unwrap_err(), EntryProblem::Algorithm.into(), "{details}");
        }
    }
}

/// The log takes Ed25519 only where the message was hashed before it was signed, and that is not verified here.
#[test]
fn an_entry_for_an_ed25519_key_is_refused_by_the_kind_of_the_key() {
    for details in ["PKIX_ED25519", "PKIX_ED25519_PH"] {
        let one = Statement::new(&PKCS_ED25519, "SHA2_512", details, false);
        assert_eq!(one.verify_with(|_| ()).unwrap_err(), Refusal::KeyKind("ed25519"), "{details}");
    }
}

/// Signatures by OpenSSL over the artifact itself: each with the name that the log has for how it was made.
#[test]
fn an_entry_must_name_the_key_the_hash_and_the_padding_that_made_the_signature() {
    let recorded = Recorded::read();
    let message = recorded.message.as_bytes();
    let private = Private::new();
    let verifier = private.verifier();
    let names = [
        ("ecdsa-p256", "sha256", "ecdsa", "PKIX_ECDSA_P256_SHA_256"),
        ("ecdsa-p384", "sha384", "ecdsa", "PKIX_ECDSA_P384_SHA_384"),
        ("ecdsa-p384", "sha256", "ecdsa", "PKIX_ECDSA_P384_SHA_256"),
        ("ecdsa-p521", "sha512", "ecdsa", "PKIX_ECDSA_P521_SHA_512"),
        ("ecdsa-p521", "sha256", "ecdsa", "PKIX_ECDSA_P521_SHA_256"),
        ("rsa-2048", "sha256", "pkcs1", "PKIX_RSA_PKCS1V15_2048_SHA256"),
        ("rsa-3072", "sha256", "pkcs1", "PKIX_RSA_PKCS1V15_3072_SHA256"),
        ("rsa-2048", "sha256", "pss-digest", "PKIX_RSA_PSS_2048_SHA256"),
        ("rsa-2048", "sha256", "pss-max", "PKIX_RSA_PSS_2048_SHA256"),
        ("rsa-3072", "sha256", "pss-digest", "PKIX_RSA_PSS_3072_SHA256"),
        ("rsa-3072", "sha256", "pss-max", "PKIX_RSA_PSS_3072_SHA256"),
    ];
    let (mut accepted, mut unnamed) = (0, Vec::new());
    for signed in recorded.signatures.iter().filter(|signed| signed.is_verified()) {
        let what = format!("{} {} {}", signed.key, signed.hash, signed.form);
        let key = recorded.key(&signed.key, Some(signed.hash())).unwrap();
        let spki = pem::parse(&recorded.keys[&signed.key]).unwrap().into_contents();
        let algorithm = format!("SHA2_{}", signed.hash.strip_prefix("sha").unwrap());
        let content = json!({ "signature": STANDARD.encode(signed.bytes()) });
        let verify = |details: &str| {
            let body = entry(message, &algorithm, details, &signed.bytes(), &("publicKey", der(&spki)));
            let entry = logged(&private, body.to_string().as_bytes());
            let bundle = bundle(
                &("publicKey", json!({ "hint": "h" })),
                &[entry],
                &("messageSignature", content.clone()),
            );
            let request = Request { artifact: Artifact::Bytes(message), ..request(Claim::Signature, LOGGED) };
            verifier.verify_key(&read(&bundle).unwrap(), &key, &request)
        };
        let own =
            names.iter().find(|name| (name.0, name.1, name.2) == (&signed.key, &signed.hash, &signed.form));
        let all: BTreeSet<_> = names.iter().map(|name| name.3).collect();
        for details in all {
            let expected = match own {
                Some((.., own)) if *own == details => None,
                Some(_) => Some(EntryProblem::Algorithm.into()),
                None => Some(Refusal::KeyKind(key.algorithm().as_str())),
            };
            let found = verify(details);
            accepted += usize::from(found.is_ok());
            assert_eq!(found.err(), expected, "{what} as {details}");
        }
        if own.is_none() {
            unnamed.push(what);
        }
    }
    assert_eq!(accepted, names.len());
    assert_eq!(
        unnamed,
        [
            "ecdsa-p256 sha384 ecdsa",
            "ecdsa-p256 sha512 ecdsa",
            "ecdsa-p384 sha512 ecdsa",
            "ecdsa-p521 sha224 ecdsa",
            "ecdsa-p521 sha384 ecdsa",
            "rsa-2048 sha384 pkcs1",
            "rsa-2048 sha384 pss-digest",
            "rsa-2048 sha384 pss-max",
            "rsa-2048 sha512 pkcs1",
            "rsa-2048 sha512 pss-digest",
            "rsa-2048 sha512 pss-max",
            "rsa-3072 sha384 pkcs1",
            "rsa-3072 sha384 pss-digest",
            "rsa-3072 sha384 pss-max",
            "rsa-3072 sha512 pkcs1",
            "rsa-3072 sha512 pss-digest",
            "rsa-3072 sha512 pss-max",
            "ed25519 sha512 ed25519",
        ]
    );
}

#[test]
fn each_field_of_an_entry_must_be_that_of_the_signature() {
    let other = Statement::of_p384(false);
    for by_certificate in [false, true] {
        let one = Statement::of_p384(by_certificate);
        assert!(one.verify_with(|_| ()).is_ok());
        let spki = one.signing.key.subject_public_key_info();
        let certificate = one.signing.der.clone();
        let (own, stranger) =
            if by_certificate { ("x509Certificate", "publicKey") } else { ("publicKey", "x509Certificate") };
        // The same key under another certificate, and the other key.
        let another = one.private.certify(&one.signing.key.public_key_pem());
        let another = pem::parse(another).unwrap().into_contents();
        let set =
            |pointer: &str, value: Value| one.verify_with(|body| *field(body, pointer) = value).unwrap_err();
        let of_other =
            |pointer: &str| other.body["spec"]["hashedRekordV002"].pointer(pointer).unwrap().clone();
        for (pointer, value, problem) in [
            ("/data/digest", of_other("/data/digest"), None),
            ("/data/digest", STANDARD.encode([7; 48]).into(), Some(EntryProblem::Digest)),
            ("/data/digest", STANDARD.encode([7; 32]).into(), Some(EntryProblem::Digest)),
            ("/data/digest", "".into(), Some(EntryProblem::Digest)),
            ("/data/algorithm", "SHA2_256".into(), Some(EntryProblem::Algorithm)),
            ("/data/algorithm", "sha2_384".into(), Some(EntryProblem::Algorithm)),
            ("/signature/content", of_other("/signature/content"), Some(EntryProblem::Signature)),
            ("/signature/content", "".into(), Some(EntryProblem::Signature)),
            (
                "/signature/verifier/keyDetails",
                "PKIX_ECDSA_P384_SHA_256".into(),
                Some(EntryProblem::Algorithm),
            ),
            ("/signature/verifier/keyDetails", "".into(), Some(EntryProblem::Algorithm)),
        ] {
            match problem {
                // Both sign the same statement.
                None => assert!(one.verify_with(|body| *field(body, pointer) = value).is_ok()),
                Some(problem) => assert_eq!(set(pointer, value), problem.into(), "{pointer}"),
            }
        }
        for verifier in [
            json!({ own: der(&other.signing.key.subject_public_key_info()) }),
            json!({ own: der(&other.signing.der) }),
            json!({ own: der(&[]) }),
            json!({ own: der(&if by_certificate { another.clone() } else { [&spki[..], &[0]].concat() }) }),
            json!({ stranger: der(if by_certificate { &spki } else { &certificate }) }),
            json!({ "publicKey": der(&spki), "x509Certificate": der(&certificate) }),
            json!({}),
        ] {
            let mut verifier = verifier;
            verifier["keyDetails"] = "PKIX_ECDSA_P384_SHA_384".into();
            let refusal = set("/signature/verifier", verifier.clone());
            assert_eq!(refusal, EntryProblem::Signer.into(), "{verifier}");
        }
    }
}

#[test]
fn an_entry_of_another_shape_is_malformed() {
    let one = Statement::of_p384(false);
    let malformed: Refusal = EntryProblem::Malformed.into();
    for (pointer, value) in [
        ("/kind", "dsse"),
        ("/apiVersion", "0.0.1"),
        ("/spec", "text"),
        ("/spec/hashedRekordV002/data/digest", "not base64"),
        ("/spec/hashedRekordV002/signature/content", "AA"),
        ("/spec/hashedRekordV002/signature/verifier/publicKey/rawBytes", "A==="),
    ] {
        let set = |body: &mut Value| *body.pointer_mut(pointer).unwrap() = value.into();
        assert_eq!(one.verify_with(set).unwrap_err(), malformed, "{pointer}");
    }
    let parents = [
        "",
        "/spec",
        "/spec/hashedRekordV002",
        "/spec/hashedRekordV002/data",
        "/spec/hashedRekordV002/signature",
        "/spec/hashedRekordV002/signature/verifier",
        "/spec/hashedRekordV002/signature/verifier/publicKey",
    ];
    for parent in parents {
        // A field too many, and each of those that are there too few; the key may be named in another way.
        let add = |body: &mut Value| body.pointer_mut(parent).unwrap()["dsseV002"] = json!({});
        assert_eq!(one.verify_with(add).unwrap_err(), malformed, "{parent}");
        let names: Vec<_> = one.body.pointer(parent).unwrap().as_object().unwrap().keys().cloned().collect();
        for name in names.iter().filter(|name| *name != "publicKey") {
            let remove = |body: &mut Value| {
                body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
            };
            assert_eq!(one.verify_with(remove).unwrap_err(), malformed, "{parent}/{name}");
        }
    }
    // The same field twice, which parsers read in more ways than one.
    let text = one.body.to_string();
    let twice = text.replacen('{', r#"{"kind":"hashedrekord","#, 1);
    assert_eq!(one.verify_body(twice.as_bytes()).unwrap_err(), malformed);
    assert_eq!(one.verify_body(b"{}").unwrap_err(), malformed);
    assert_eq!(one.verify_body(b"").unwrap_err(), malformed);
    let mut longest = text.into_bytes();
    longest.resize(MAX_BODY, b' ');
    assert!(one.verify_body(&longest).is_ok());
    longest.push(b' ');
    assert_eq!(one.verify_body(&longest).unwrap_err(), malformed);
    // Of Rekor v1, in a bundle that says otherwise.
    let old = hashedrekord(b"", b"", &one.signing.key.public_key_pem());
    assert_eq!(one.verify_body(old.to_string().as_bytes()).unwrap_err(), malformed);
}

#[test]
fn an_entry_is_proven_by_a_trusted_log_or_does_not_count() {
    let one = Statement::of_p384(false);
    let body = one.body.to_string();
    let good = logged(&one.private, body.as_bytes());
    let verifier = one.private.verifier();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut entry = good.clone();
        change(&mut entry);
        one.verify_entries(&verifier, &[entry]).err()
    };
    assert_eq!(with(&|_| ()), None);
    let inclusion = Some(EntryProblem::Inclusion.into());
    let padded = STANDARD.encode(format!("{body} "));
    assert_eq!(with(&|entry| entry["canonicalizedBody"] = padded.clone().into()), inclusion);
    let hash = STANDARD.encode([7; 32]);
    assert_eq!(with(&|entry| entry["inclusionProof"]["hashes"] = json!([hash])), inclusion);
    assert_eq!(with(&|entry| entry["logIndex"] = "1".into()), inclusion);
    // The body, proven by a log that nobody trusts.
    let stranger = Private::new();
    let unknown = with(&|entry| entry["inclusionProof"] = stranger.proof_of(body.as_bytes()));
    assert!(matches!(unknown, Some(Refusal::UnknownLog { .. })), "{unknown:?}");
    // The same under the trusted log's hint, and a tree head of which another size was signed.
    let checkpoint = |entry: &Value| -> String {
        entry["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap().to_owned()
    };
    let head_and_signature = |text: &str| {
        let (head, signature) = text.split_once("\n\n\u{2014} log.test ").unwrap();
        (head.to_owned(), STANDARD.decode(signature.trim()).unwrap())
    };
    let (head, own) = head_and_signature(&checkpoint(&good));
    let (_, theirs) = head_and_signature(&checkpoint(&logged(&stranger, body.as_bytes())));
    let forged = STANDARD.encode([&own[..4], &theirs[4..]].concat());
    for (head, signature) in
        [(head.clone(), forged), (head.replace("\n1\n", "\n01\n"), STANDARD.encode(&own))]
    {
        let text = format!("{head}\n\n\u{2014} log.test {signature}\n");
        let refusal = with(&|entry| entry["inclusionProof"]["checkpoint"]["envelope"] = text.clone().into());
        assert_eq!(refusal, Some(EntryProblem::Checkpoint.into()), "{head}");
    }
    // A promise, which this log never makes; it would be over the entry of another one.
    let id = sigstore_verify::crypto::sha256(&one.private.log.subject_public_key_info()).to_base64();
    let promised = with(&|entry| {
        entry["logId"]["keyId"] = id.clone().into();
        entry["inclusionPromise"] = json!({ "signedEntryTimestamp": STANDARD.encode(b"promise") });
    });
    assert_eq!(promised, Some(EntryProblem::Promise.into()));
    assert_eq!(with(&|entry| entry["logId"]["keyId"] = id.clone().into()), None);
    let unproven = with(&|entry| drop(entry.as_object_mut().unwrap().remove("inclusionProof")));
    assert_eq!(unproven, Some(Refusal::UnprovenEntry { position: 1 }));
    // A log whose time has begun, and one whose time has not.
    for (start, is_good) in [("2024-06-01T00:00:00Z", true), ("2024-06-01T00:00:01Z", false)] {
        let mut root = one.private.root();
        root["tlogs"][0]["publicKey"]["validFor"] = json!({ "start": start });
        let verifier = Verifier::new(&material(&root)).unwrap();
        let refusal = one.verify_entries(&verifier, std::slice::from_ref(&good)).err();
        assert_eq!(refusal, (!is_good).then(|| EntryProblem::Checkpoint.into()), "{start}");
    }
}

#[test]
fn every_entry_that_is_there_must_count_whichever_comes_first() {
    let (one, other) = (Statement::of_p384(false), Statement::of_p384(false));
    let verifier = one.private.verifier();
    let own = logged(&one.private, one.body.to_string().as_bytes());
    let foreign = logged(&one.private, other.body.to_string().as_bytes());
    let both = one.verify_entries(&verifier, &[own.clone(), own.clone()]).unwrap();
    assert_eq!(both.log_entries.len(), 2);
    for entries in [[own.clone(), foreign.clone()], [foreign, own.clone()]] {
        let refusal = one.verify_entries(&verifier, &entries).unwrap_err();
        assert_eq!(refusal, EntryProblem::Signature.into());
    }
    assert_eq!(one.verify_entries(&verifier, &[]).unwrap_err(), Refusal::NoLogEntry);
}

/// A signer who moves from one log to the other has entries of both for a while.
#[test]
fn entries_of_both_versions_are_verified_each_in_its_own_way() {
    let private = Private::new();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let pem = key.public_key_pem();
    let message = b"artifact";
    let signature = key.sign(message).unwrap();
    let spki = key.subject_public_key_info();
    let new = |signature: &[u8]| {
        let named = ("publicKey", der(&spki));
        let body = entry(message, "SHA2_256", "PKIX_ECDSA_P256_SHA_256", signature, &named);
        logged(&private, body.to_string().as_bytes())
    };
    let old = |signature: &[u8]| {
        let body = hashedrekord(message, signature, &pem);
        let mut entry = logged(&private, body.to_string().as_bytes());
        entry["kindVersion"]["version"] = "0.0.1".into();
        entry
    };
    let verify = |entries: &[Value]| {
        let content = json!({ "signature": STANDARD.encode(&signature) });
        let bundle = bundle(&("publicKey", json!({ "hint": "h" })), entries, &("messageSignature", content));
        let signature = Evidence::Bundle(bundle.to_string().into_bytes()).read_from(Origin::Registry)?;
        let request = Request { artifact: Artifact::Bytes(message), ..request(Claim::Signature, LOGGED) };
        let key = PublicKey::from_pem(&pem, None).unwrap();
        private.verifier().verify_key(&signature, &key, &request)
    };
    let another = key.sign(b"another").unwrap();
    assert_eq!(verify(&[old(&signature), new(&signature)]).unwrap().log_entries.len(), 2);
    assert_eq!(verify(&[old(&signature), new(&another)]).unwrap_err(), EntryProblem::Signature.into());
    assert_eq!(verify(&[old(&another), new(&signature)]).unwrap_err(), EntryProblem::Mismatch.into());
}
