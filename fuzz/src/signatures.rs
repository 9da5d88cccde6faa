//! What evidence is read from. What verifies is what the seed says, whatever was changed.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::Value;
use trustwright_core::Digest;
use trustwright_trust::from_trusted_root_json;
use trustwright_verify::{
    Annotations, Artifact, Claim, Evidence, Facts, Origin, PublicKey, Refusal, Request, Requirements, Signer,
    Verifier, check,
};

const MESSAGE: &[u8] = include_bytes!("../seeds/message.json");
const STATEMENT: &[u8] = include_bytes!("../seeds/statement.json");
const REKOR2: &[u8] = include_bytes!("../seeds/rekor2.json");
const REKOR2_ROOT: &[u8] = include_bytes!("../seeds/rekor2_root.json");
const REKOR2_STATEMENT: &[u8] = include_bytes!("../seeds/rekor2_statement.json");
const V0_1: &[u8] = include_bytes!("../seeds/v0_1.json");
const KEY_BUNDLE: &[u8] = include_bytes!("../seeds/key.json");
const KEY: &str = include_str!("../seeds/key.pub");

/// Of the file that all the seeds sign.
const ARTIFACT: &str = "sha256:a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf";
/// Later than every seed.
const NOW: &str = "2026-08-22T00:00:00Z";
const LOGGED: Requirements = Requirements { log_entry: true, timestamp: false, sct: true };

fn verifier(root: &[u8]) -> Verifier {
    let loaded = from_trusted_root_json(root, NOW.parse().unwrap()).unwrap();
    Verifier::new(&loaded.material).unwrap()
}

static PRODUCTION: LazyLock<Verifier> =
    LazyLock::new(|| verifier(sigstore_verify::trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes()));
static REKOR2_TRUST: LazyLock<Verifier> = LazyLock::new(|| verifier(REKOR2_ROOT));
static PUBLIC_KEY: LazyLock<PublicKey> = LazyLock::new(|| PublicKey::from_pem(KEY, None).unwrap());

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn request(claim: Claim, now: &str, requirements: Requirements) -> Request<'static> {
    let artifact = Artifact::Digest(ARTIFACT.parse::<Digest>().unwrap());
    Request { artifact, claim, requirements, now: now.parse::<Timestamp>().unwrap() }
}

/// Whether `facts` say of who has signed, what, and when what one of `good` says.
fn is_said(facts: &Facts, good: &[Facts]) -> bool {
    let payload = |facts: &Facts| facts.statement.as_ref().map(|statement| statement.payload().to_vec());
    let is_key = matches!(facts.signer, Signer::Key(_));
    good.iter().any(|known| {
        // A key needs no time: where a timestamp or a promise is lost, what is left is still true.
        let is_part = is_key && facts.times.iter().all(|time| known.times.contains(time));
        facts.signer == known.signer
            && payload(facts) == payload(known)
            && (facts.times == known.times || is_part)
    })
}

/// Evidence as a bundle from a registry, against everything that is trusted here.
fn verify_bundle(data: &[u8]) -> Vec<Result<Facts, Refusal>> {
    let Ok(signature) = Evidence::Bundle(data.to_vec()).read_from(Origin::Registry) else {
        return Vec::new();
    };
    let claim = if signature.is_statement() { Claim::Attestation } else { Claim::Signature };
    let request = request(claim, NOW, LOGGED);
    vec![
        PRODUCTION.verify_certificate(&signature, &request),
        REKOR2_TRUST.verify_certificate(&signature, &request),
        PRODUCTION.verify_key(&signature, &PUBLIC_KEY, &request),
    ]
}

/// Bundles: v0.1 to v0.3 with a message signature or a statement, of Rekor v1 and v2, and for a key.
pub(crate) mod bundle {
    use super::*;

    static GOOD: LazyLock<Vec<Facts>> =
        LazyLock::new(|| seeds().into_iter().flat_map(|seed| verify_bundle(&seed)).flatten().collect());

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        [MESSAGE, STATEMENT, REKOR2, REKOR2_STATEMENT, V0_1, KEY_BUNDLE].map(<[u8]>::to_vec).into()
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        let accepted: Vec<_> = verify_bundle(data).into_iter().flatten().collect();
        for facts in &accepted {
            assert!(is_said(facts, &GOOD), "nobody has signed this: {facts:?}");
        }
        !accepted.is_empty()
    }
}

/// The parts of the statement's bundle as cosign would have written them beside a legacy layer.
struct Parts {
    envelope: Vec<u8>,
    certificate: String,
    log_entry: String,
}

static PARTS: LazyLock<Parts> = LazyLock::new(|| {
    let bundle = json(STATEMENT);
    let material = &bundle["verificationMaterial"];
    let entry = &material["tlogEntries"][0];
    let number = |field: &str| entry[field].as_str().unwrap().parse::<i64>().unwrap();
    let log_id: String = STANDARD
        .decode(entry["logId"]["keyId"].as_str().unwrap())
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let log_entry = serde_json::json!({
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"],
            "integratedTime": number("integratedTime"),
            "logIndex": number("logIndex"),
            "logID": log_id,
        },
    });
    let der = material["certificate"]["rawBytes"].as_str().unwrap();
    Parts {
        envelope: serde_json::to_vec(&bundle["dsseEnvelope"]).unwrap(),
        certificate: format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n"),
        log_entry: log_entry.to_string(),
    }
});

fn attestation(envelope: &[u8], certificate: &str, log_entry: &str) -> Result<Facts, Refusal> {
    let annotations = Annotations {
        certificate: Some(certificate.to_owned()),
        bundle: Some(log_entry.to_owned()),
        ..Annotations::default()
    };
    let evidence = Evidence::LegacyAttestation { envelope: envelope.to_vec(), annotations };
    PRODUCTION.verify_certificate(&evidence.read()?, &request(Claim::Attestation, NOW, LOGGED))
}

static ATTESTED: LazyLock<Facts> =
    LazyLock::new(|| attestation(&PARTS.envelope, &PARTS.certificate, &PARTS.log_entry).unwrap());

fn is_attested(facts: Result<Facts, Refusal>) -> bool {
    let Ok(facts) = facts else { return false };
    assert!(is_said(&facts, std::slice::from_ref(&*ATTESTED)), "nobody has signed this: {facts:?}");
    true
}

/// A DSSE envelope, as a layer under `.att`.
pub(crate) mod dsse_envelope {
    use super::*;

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        vec![PARTS.envelope.clone()]
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        is_attested(attestation(data, &PARTS.certificate, &PARTS.log_entry))
    }
}

/// A certificate: in DER, and as the annotation that holds it.
pub(crate) mod certificate {
    use super::*;

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        let bundle = json(STATEMENT);
        let der = bundle["verificationMaterial"]["certificate"]["rawBytes"].as_str().unwrap();
        vec![STANDARD.decode(der).unwrap(), PARTS.certificate.clone().into_bytes()]
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        let encoded = STANDARD.encode(data);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n");
        let text = String::from_utf8_lossy(data);
        let found = [pem.as_str(), &text].map(|certificate| {
            // Without the log, nothing but the authority's signature holds it.
            let annotations =
                Annotations { certificate: Some(certificate.to_owned()), ..Annotations::default() };
            let evidence = Evidence::LegacyAttestation { envelope: PARTS.envelope.clone(), annotations };
            let signed = attestation_time();
            let unlogged = Requirements { log_entry: false, ..LOGGED };
            let alone = evidence.read().and_then(|signature| {
                PRODUCTION.verify_certificate(&signature, &request(Claim::Attestation, &signed, unlogged))
            });
            if let Ok(facts) = alone {
                let signer = |facts: &Facts| match &facts.signer {
                    Signer::Certificate(identity) => format!("{identity:?}"),
                    Signer::Key(key) => format!("{key:?}"),
                };
                let good = attestation(&PARTS.envelope, &PARTS.certificate, &PARTS.log_entry).unwrap();
                assert_eq!(signer(&facts), signer(&good), "nobody has certified this");
            }
            is_attested(attestation(&PARTS.envelope, certificate, &PARTS.log_entry))
        });
        found.contains(&true)
    }

    fn attestation_time() -> String {
        let entry = json(STATEMENT)["verificationMaterial"]["tlogEntries"][0]["integratedTime"].clone();
        let seconds = entry.as_str().unwrap().parse().unwrap();
        Timestamp::from_second(seconds).unwrap().to_string()
    }
}

/// A log entry with its promise, as cosign's annotation.
pub(crate) mod log_entry {
    use super::*;

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        vec![PARTS.log_entry.clone().into_bytes()]
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        let text = String::from_utf8_lossy(data);
        is_attested(attestation(&PARTS.envelope, &PARTS.certificate, &text))
    }
}

/// A timestamp of an authority, in DER.
pub(crate) mod timestamp {
    use super::*;

    fn tokens(bundle: &mut Value) -> &mut Value {
        &mut bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    }

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        let mut bundle = json(REKOR2);
        let token = tokens(&mut bundle)[0]["signedTimestamp"].as_str().unwrap().to_owned();
        vec![STANDARD.decode(token).unwrap()]
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        static GOOD: LazyLock<Vec<Facts>> =
            LazyLock::new(|| verify_bundle(REKOR2).into_iter().flatten().collect());
        let mut bundle = json(REKOR2);
        tokens(&mut bundle)[0]["signedTimestamp"] = STANDARD.encode(data).into();
        let accepted: Vec<_> = verify_bundle(bundle.to_string().as_bytes()).into_iter().flatten().collect();
        for facts in &accepted {
            assert!(is_said(facts, &GOOD), "no authority has said this: {facts:?}");
        }
        !accepted.is_empty()
    }
}

/// A simple-signing payload, signed as it is, so that all of it is held against the image.
pub(crate) mod simple_signing {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey as _};

    use super::*;

    static PAIR: LazyLock<(KeyPair, PublicKey)> = LazyLock::new(|| {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let key = PublicKey::from_pem(&pair.public_key_pem(), None).unwrap();
        (pair, key)
    });

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        let payload = serde_json::json!({
            "critical": {
                "identity": { "docker-reference": "ghcr.io/a/b" },
                "image": { "docker-manifest-digest": ARTIFACT },
                "type": "cosign container image signature",
            },
            "optional": { "creator": "c" },
        });
        vec![payload.to_string().into_bytes()]
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        let (pair, key) = &*PAIR;
        let image: Digest = ARTIFACT.parse().unwrap();
        let seed = seeds().remove(0);
        let verify = |payload: &[u8], signed: &[u8]| {
            let signature = STANDARD.encode(pair.sign(signed).unwrap());
            let evidence = Evidence::Legacy { payload: payload.to_vec(), signature };
            evidence.read().and_then(|signature| check(&signature, &image, key))
        };
        // Signed by the key, it counts if it names the image; its bytes under the seed's signature never.
        if data != seed {
            assert!(verify(data, &seed).is_err(), "another payload under the same signature");
        }
        let accepted = verify(data, data).is_ok();
        if accepted {
            // What is not read may be worse than this parser takes.
            let Ok(document) = serde_json::from_slice::<Value>(data) else { return true };
            let named = &document["critical"]["image"]["docker-manifest-digest"];
            assert_eq!(named, ARTIFACT, "the image is not the one that is named");
        }
        accepted
    }
}
