//! What must hold in every form in which a signature is stored: windows, timestamps, who vouches for the certificate.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_ED25519,
    SigningKey as _,
};
use serde_json::{Value, json};
use sigstore_verify::types::dsse::pae;
use trustwright_verify::{
    Annotations, Artifact, CertificateProblem, Claim, Evidence, Facts, PublicKey, Refusal, Request,
    Requirements, SctProblem, Signature, TimeSource, TimestampProblem, Verifier,
};

use crate::{
    legacy::{IMAGE, payload, request},
    private::{Private, SIGNED, Signing, Tsa, Wanted, at, dsse_entry, hashedrekord, material},
};

const IN_TOTO: &str = "application/vnd.in-toto+json";
/// [`SIGNED`] as a `GeneralizedTime`.
const STAMPED: &str = "20240302120000Z";
const EVERYTHING: Requirements = Requirements { log_entry: true, timestamp: true, sct: true };

/// The forms in which a signature is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A layer under `.sig`.
    Signature,
    /// A layer under `.att`.
    Attestation,
    /// A bundle with a message signature.
    Message,
    /// A bundle with a statement.
    Statement,
}

impl Form {
    const ALL: [Self; 4] = [Self::Signature, Self::Attestation, Self::Message, Self::Statement];

    fn request(self, requirements: Requirements) -> Request<'static> {
        match self {
            Self::Signature | Self::Statement => request(Claim::Signature, requirements),
            Self::Attestation => request(Claim::Attestation, requirements),
            Self::Message => {
                Request { artifact: Artifact::Bytes(b"artifact"), ..request(Claim::Signature, requirements) }
            }
        }
    }

    /// What `signing` has signed, logged by `private`, with a timestamp of each of `stamps` at `time`. Without a
    /// certificate it is for the key.
    fn make(
        self,
        private: &Private,
        signing: &Signing,
        has_certificate: bool,
        stamps: &[&Tsa],
        time: &str,
    ) -> Signature {
        let key = signing.key.public_key_pem();
        let verifier = if has_certificate { &signing.pem } else { &key };
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "subject": [{ "digest": { "sha256": IMAGE.hex() } }],
            "predicate": {},
        });
        let statement = serde_json::to_vec(&statement).unwrap();
        let message = match self {
            Self::Signature => payload(&IMAGE),
            Self::Attestation | Self::Statement => pae(IN_TOTO, &statement),
            Self::Message => b"artifact".to_vec(),
        };
        let signature = signing.key.sign(&message).unwrap();
        let envelope = json!({
            "payloadType": IN_TOTO,
            "payload": STANDARD.encode(&statement),
            "signatures": [{ "sig": STANDARD.encode(&signature) }],
        });
        let layer = serde_json::to_vec(&envelope).unwrap();
        let (body, kind) = match self {
            Self::Signature | Self::Message => (hashedrekord(&message, &signature, verifier), "hashedrekord"),
            Self::Attestation | Self::Statement => {
                (dsse_entry(&layer, &statement, &signature, verifier), "dsse")
            }
        };
        let promise = private.promise(&body);
        let annotations = |stamped: &[u8]| {
            let timestamp = stamps.first().map(|tsa| tsa.annotation(stamped, time));
            match signing.annotations(Some(&promise)) {
                all if has_certificate => Annotations { timestamp, ..all },
                all => Annotations { certificate: None, timestamp, ..all },
            }
        };
        let evidence = match self {
            Self::Signature => Evidence::LegacySignature {
                annotations: annotations(&signature),
                payload: message,
                signature: STANDARD.encode(&signature),
            },
            Self::Attestation => {
                Evidence::LegacyAttestation { annotations: annotations(&layer), envelope: layer }
            }
            Self::Message | Self::Statement => {
                let payload = &promise["Payload"];
                let log_id = hex::decode(payload["logID"].as_str().unwrap()).unwrap();
                let stamp =
                    |tsa: &&Tsa| json!({ "signedTimestamp": STANDARD.encode(tsa.stamp(&signature, time)) });
                let mut bundle = json!({
                    "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                    "verificationMaterial": {
                        "tlogEntries": [{
                            "logIndex": "11",
                            "logId": { "keyId": STANDARD.encode(log_id) },
                            "kindVersion": { "kind": kind, "version": "0.0.1" },
                            "integratedTime": payload["integratedTime"].to_string(),
                            "inclusionPromise": { "signedEntryTimestamp": promise["SignedEntryTimestamp"] },
                            "inclusionProof": private.proof(&body),
                            "canonicalizedBody": payload["body"],
                        }],
                        "timestampVerificationData": {
                            "rfc3161Timestamps": stamps.iter().map(stamp).collect::<Vec<_>>(),
                        },
                    },
                });
                let signer = if has_certificate {
                    ("certificate", json!({ "rawBytes": STANDARD.encode(&signing.der) }))
                } else {
                    ("publicKey", json!({ "hint": "" }))
                };
                bundle["verificationMaterial"][signer.0] = signer.1;
                if self == Self::Statement {
                    bundle["dsseEnvelope"] = envelope;
                } else {
                    bundle["messageSignature"] = json!({
                        "messageDigest": {
                            "algorithm": "SHA2_256",
                            "digest": STANDARD.encode(Artifact::Bytes(&message).digest().as_bytes()),
                        },
                        "signature": STANDARD.encode(&signature),
                    });
                }
                Evidence::Bundle(bundle.to_string().into_bytes())
            }
        };
        evidence.read().unwrap()
    }
}

fn trusting(root: &Value) -> Verifier {
    Verifier::new(&material(root)).unwrap()
}

#[test]
fn every_window_holds_in_every_form_to_the_second() {
    let private = Private::new();
    let signing = private.signing();
    let signed = at(SIGNED);
    for form in Form::ALL {
        let signature = form.make(&private, &signing, true, &[&private.tsa], STAMPED);
        let verify = |path: &str, window: Value| {
            let mut root = private.root();
            root.pointer_mut(path).unwrap()["validFor"] = window;
            trusting(&root).verify_certificate(&signature, &form.request(EVERYTHING)).err()
        };
        let outside = TimestampProblem::OutsideAuthorityValidity { at: signed };
        for (path, refusal) in [
            ("/certificateAuthorities/0", CertificateProblem::NoAuthority { at: signed }.into()),
            ("/ctlogs/0/publicKey", SctProblem::UnknownLog.into()),
            ("/tlogs/0/publicKey", trustwright_verify::EntryProblem::Promise.into()),
            ("/timestampAuthorities/0", Refusal::from(outside)),
        ] {
            let long_ago = "2020-01-01T00:00:00Z";
            let inside = json!({ "start": SIGNED, "end": SIGNED });
            assert_eq!(verify(path, inside), None, "{form:?} {path}");
            for window in [
                json!({ "start": long_ago, "end": "2024-03-02T11:59:59Z" }),
                json!({ "start": "2024-03-02T12:00:01Z" }),
            ] {
                assert_eq!(verify(path, window.clone()), Some(refusal.clone()), "{form:?} {path} {window}");
            }
        }
    }
}

#[test]
fn a_timestamp_that_is_asked_for_and_missing_refuses_in_every_form() {
    let private = Private::new();
    let (verifier, signing) = (private.verifier(), private.signing());
    let key = PublicKey::from_pem(&signing.key.public_key_pem(), None).unwrap();
    for form in Form::ALL {
        for log_entry in [true, false] {
            let verify = |has_certificate: bool, stamps: &[&Tsa]| {
                let signature = form.make(&private, &signing, has_certificate, stamps, STAMPED);
                let request = form.request(Requirements { log_entry, ..EVERYTHING });
                let facts = if has_certificate {
                    verifier.verify_certificate(&signature, &request)
                } else {
                    verifier.verify_key(&signature, &key, &request)
                };
                facts.map(|facts| (facts.log_entries.len(), facts.times.len()))
            };
            let logged = usize::from(log_entry);
            for has_certificate in [true, false] {
                let what = format!("{form:?}, certificate {has_certificate}, log {log_entry}");
                let found = verify(has_certificate, &[&private.tsa]);
                assert_eq!(found, Ok((logged, 1 + logged)), "{what}");
                assert_eq!(verify(has_certificate, &[]), Err(Refusal::NoTimestamp), "{what}");
                let strange = verify(has_certificate, &[&Private::new().tsa]);
                assert_eq!(strange, Err(TimestampProblem::Untrusted.into()), "{what}");
            }
        }
    }
}

#[test]
fn each_of_several_timestamp_authorities_counts_wherever_it_stands() {
    let (private, second, third) = (Private::new(), Private::new(), Private::new());
    let signing = private.signing();
    let of = |one: &Private| one.root()["timestampAuthorities"][0].clone();
    let all = [&private, &second, &third];
    for form in Form::ALL {
        for authority in all {
            let stamps: &[&Tsa] = &[&authority.tsa];
            let signature = form.make(&private, &signing, true, stamps, STAMPED);
            let verify = |trusted: &[&Private]| {
                let mut root = private.root();
                root["timestampAuthorities"] = trusted.iter().map(|one| of(one)).collect();
                trusting(&root).verify_certificate(&signature, &form.request(EVERYTHING))
            };
            for order in [[0, 1, 2], [1, 2, 0], [2, 0, 1]] {
                let times = verify(&order.map(|at| all[at])).unwrap().times;
                let sources: Vec<_> = times.iter().map(|time| time.source).collect();
                assert!(sources.contains(&TimeSource::TimestampAuthority), "{form:?} {order:?}");
            }
            let others: Vec<_> = all.into_iter().filter(|one| !std::ptr::eq(*one, authority)).collect();
            assert_eq!(verify(&others).unwrap_err(), TimestampProblem::Untrusted.into(), "{form:?}");
        }
    }
    // One token of each, in the forms that have room for them.
    for form in [Form::Message, Form::Statement] {
        let signature = form.make(&private, &signing, true, &all.map(|one| &one.tsa), STAMPED);
        let mut root = private.root();
        root["timestampAuthorities"] = all.into_iter().map(of).collect();
        let facts = trusting(&root).verify_certificate(&signature, &form.request(EVERYTHING)).unwrap();
        let by_authority = |facts: &Facts| {
            facts.times.iter().filter(|time| time.source == TimeSource::TimestampAuthority).count()
        };
        assert_eq!(by_authority(&facts), 3, "{form:?}");
        root["timestampAuthorities"].as_array_mut().unwrap().pop();
        let refusal = trusting(&root).verify_certificate(&signature, &form.request(EVERYTHING)).unwrap_err();
        assert_eq!(refusal, TimestampProblem::Untrusted.into(), "{form:?}");
    }
}

#[test]
fn a_certificate_counts_from_its_first_second() {
    let private = Private::new();
    let signing = private.signing();
    for form in Form::ALL {
        let verify = |time: &str| {
            let signature = form.make(&private, &signing, true, &[&private.tsa], time);
            let requirements = Requirements { log_entry: false, ..EVERYTHING };
            private.verifier().verify_certificate(&signature, &form.request(requirements)).err()
        };
        assert_eq!(verify("20240301000000Z"), None, "{form:?}");
        let before = CertificateProblem::NotYetValid { at: at("2024-02-29T23:59:59Z") };
        assert_eq!(verify("20240229235959Z"), Some(before.into()), "{form:?}");
    }
}

/// Whoever holds a signing certificate has a key that a trusted authority vouches for, and may not vouch in turn.
#[test]
fn a_holder_of_a_certificate_certifies_nobody() {
    let private = Private::new();
    for (may_issue, expected) in [(true, None), (false, Some(CertificateProblem::Chain))] {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = if may_issue { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let (below, pem) = private.below(&params);
        let signing = below.issue(Wanted { scts: Vec::new(), ..below.wanted() });
        let mut annotations = signing.annotations(None);
        annotations.chain = Some(pem);
        let payload = payload(&IMAGE);
        let signature = STANDARD.encode(signing.key.sign(&payload).unwrap());
        let signature = Evidence::LegacySignature { payload, signature, annotations }.read().unwrap();
        let nothing = Requirements { log_entry: false, timestamp: false, sct: false };
        let now = Request { now: at(SIGNED), ..request(Claim::Signature, nothing) };
        let refusal = private.verifier().verify_certificate(&signature, &now).err();
        assert_eq!(refusal, expected.map(Refusal::from), "may issue: {may_issue}");
    }
}

#[test]
fn what_cannot_be_read_in_a_certificate_or_a_timestamp_is_refused_by_its_part() {
    let private = Private::new();
    let requirements = Requirements { log_entry: false, timestamp: false, sct: true };
    let verify = |signing: &Signing| {
        let signature = Form::Signature.make(&private, signing, true, &[], STAMPED);
        let now = Request { now: at(SIGNED), ..request(Claim::Signature, requirements) };
        private.verifier().verify_certificate(&signature, &now).err()
    };
    assert_eq!(verify(&private.signing()), None);
    // A list of SCTs that is none, one of version 2 (RFC 9162 has another extension), and an empty one.
    let scts = |list: Option<Vec<u8>>| private.issue(Wanted { sct_list: list, ..private.wanted() });
    let good = private.sct_list_of_its_own();
    let mut second = good.clone();
    // OCTET STRING, length of the list, length of the SCT, version.
    let version = second.len() - only_sct(&good);
    second[version] = 1;
    for (list, problem) in [
        (vec![0x04, 0x03, 0xff, 0xff, 0xff], SctProblem::Malformed),
        (second, SctProblem::Malformed),
        // Not even one: RFC 6962, section 3.3, allows no such list.
        (vec![0x04, 0x02, 0x00, 0x00], SctProblem::Malformed),
    ] {
        assert_eq!(verify(&scts(Some(list.clone()))), Some(problem.into()), "{list:x?}");
    }
    // A token that is none.
    let verifier = private.verifier();
    let token = |bytes: &[u8]| {
        let mut annotations = private.signing().annotations(None);
        annotations.timestamp = Some(json!({ "SignedRFC3161Timestamp": STANDARD.encode(bytes) }).to_string());
        let signing = private.signing();
        let payload = payload(&IMAGE);
        let signature = signing.key.sign(&payload).unwrap();
        annotations.certificate = Some(signing.pem);
        let signature = STANDARD.encode(signature);
        let signature = Evidence::LegacySignature { payload, signature, annotations }.read().unwrap();
        let stamped = Requirements { timestamp: true, ..requirements };
        verifier.verify_certificate(&signature, &request(Claim::Signature, stamped)).unwrap_err()
    };
    for bytes in [&b"nonsense"[..], &[0x30, 0x00], &[]] {
        assert_eq!(token(bytes), TimestampProblem::Malformed.into(), "{bytes:x?}");
    }
}

/// Bytes of the only SCT in a list.
fn only_sct(list: &[u8]) -> usize {
    // Tag and length of the OCTET STRING, then twice two bytes of lengths.
    let header = if list[1] < 0x80 { 2 } else { 2 + usize::from(list[1] & 0x7f) };
    list.len() - header - 4
}

#[test]
fn a_signature_over_the_artifact_itself_needs_it_where_the_key_does_not_hash_first() {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let key = PublicKey::from_pem(&pair.public_key_pem(), None).unwrap();
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": { "hint": "" } },
        "messageSignature": { "signature": STANDARD.encode(pair.sign(b"artifact").unwrap()) },
    });
    let signature = Evidence::Bundle(bundle.to_string().into_bytes()).read().unwrap();
    let nothing = Requirements { log_entry: false, timestamp: false, sct: false };
    let verify = |artifact| {
        let request = Request { artifact, ..request(Claim::Signature, nothing) };
        Private::new().verifier().verify_key(&signature, &key, &request).err()
    };
    assert_eq!(verify(Artifact::Bytes(b"artifact")), None);
    assert_eq!(verify(Artifact::Bytes(b"another")), Some(Refusal::Signature));
    let digest = Artifact::Bytes(b"artifact").digest();
    assert_eq!(verify(Artifact::Digest(digest)), Some(Refusal::NeedsMessage("ed25519")));
}

/// A certificate may be for any key; one that nothing here verifies is told by that.
#[test]
fn a_certificate_for_a_key_of_an_unsupported_kind_is_refused_by_that() {
    let private = Private::new();
    let recorded: Value = serde_json::from_str(include_str!("data/openssl.json")).unwrap();
    let signing = private.signing();
    let short = private.certify(recorded["keys"]["rsa-1024"].as_str().unwrap());
    let same = private.certify(&signing.key.public_key_pem());
    let verify = |certificate: String| {
        let payload = payload(&IMAGE);
        let signature = STANDARD.encode(signing.key.sign(&payload).unwrap());
        let annotations = Annotations { certificate: Some(certificate), ..Annotations::default() };
        let signature = Evidence::LegacySignature { payload, signature, annotations }.read().unwrap();
        let nothing = Requirements { log_entry: false, timestamp: false, sct: false };
        let now = Request { now: at(SIGNED), ..request(Claim::Signature, nothing) };
        private.verifier().verify_certificate(&signature, &now).err()
    };
    assert_eq!(verify(same), None);
    assert_eq!(verify(short), Some(CertificateProblem::UnsupportedKey.into()));
}
