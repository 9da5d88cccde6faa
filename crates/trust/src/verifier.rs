//! The verifier's form of trust material. The only module that builds it; a new version of the verifier changes this.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use sigstore_verify::Verifier;
use sigstore_verify::trust_root::TrustedRoot;

use crate::key::KeyAlgorithm;
use crate::material::{Authority, Entry, HashAlgorithm, Log, TrustMaterial, Window};
use crate::problem::KeyProblem;

/// The material cannot be written in the verifier's form. No loaded material is known for which this happens.
#[derive(Debug, thiserror::Error)]
#[error("the trust material does not fit the verifier's trusted root")]
pub struct VerifierFormError(#[source] serde_json::Error);

/// Returns the material in the form that `sigstore_verify::Verifier::new` takes.
///
/// # Guarantees
///
/// `Verifier::new` accepts it: each entry was accepted alone when it was loaded, and log IDs are unique.
///
/// # Errors
///
/// [`VerifierFormError`] when the verifier's type refuses the document built for it, which would be a defect.
pub fn to_trusted_root(material: &TrustMaterial) -> Result<TrustedRoot, VerifierFormError> {
    let list = |values: Vec<Value>| Value::Array(values);
    let document = json!({
        // The type has no public constructor; its JSON form is its only stable one.
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": list(material.transparency_logs().iter().map(log).collect()),
        "certificateAuthorities": list(material.certificate_authorities().iter().map(authority).collect()),
        "ctlogs": list(material.ct_logs().iter().map(log).collect()),
        "timestampAuthorities": list(material.timestamp_authorities().iter().map(authority).collect()),
    });
    serde_json::from_value(document).map_err(VerifierFormError)
}

/// Returns why the verifier refuses `entry`, if it does. `Verifier::new` refuses a whole root for one entry that it
/// cannot use, so that each is offered alone (some 20 µs).
pub(crate) fn refusal(entry: &Entry) -> Option<KeyProblem> {
    let root = match to_trusted_root(&TrustMaterial::new([entry.clone()])) {
        Ok(root) => root,
        Err(VerifierFormError(error)) => {
            return Some(KeyProblem::RefusedByVerifier { detail: error.to_string() });
        }
    };
    let error = Verifier::new(&root).err()?;
    Some(KeyProblem::RefusedByVerifier { detail: error.to_string() })
}

fn authority(authority: &Authority) -> Value {
    let certificates: Vec<Value> = authority
        .chain
        .iter()
        .map(|certificate| json!({ "rawBytes": STANDARD.encode(certificate) }))
        .collect();
    let mut value = json!({
        "subject": {
            "organization": authority.subject.organization,
            "commonName": authority.subject.common_name,
        },
        "uri": authority.uri,
        "certChain": { "certificates": certificates },
    });
    set_window(&mut value, authority.valid_for.as_ref());
    value
}

fn log(log: &Log) -> Value {
    let mut public_key = json!({
        "rawBytes": STANDARD.encode(log.public_key.spki_der()),
        "keyDetails": key_details(log.public_key.algorithm()),
    });
    set_window(&mut public_key, log.valid_for.as_ref());
    json!({
        "baseUrl": log.base_url,
        "hashAlgorithm": hash_algorithm(log.hash_algorithm),
        "publicKey": public_key,
        "logId": { "keyId": STANDARD.encode(log.log_id.as_bytes()) },
    })
}

/// The verifier's form wants a start; no signature is older than the epoch.
fn set_window(value: &mut Value, window: Option<&Window>) {
    if let Some(window) = window {
        let mut range = json!({ "start": window.start.unwrap_or(Timestamp::UNIX_EPOCH).to_string() });
        if let Some(end) = window.end {
            range["end"] = Value::String(end.to_string());
        }
        value["validFor"] = range;
    }
}

/// `PublicKeyDetails` of protobuf-specs. The verifier goes by the key itself.
fn key_details(algorithm: &KeyAlgorithm) -> &'static str {
    match algorithm {
        KeyAlgorithm::EcdsaP256 => "PKIX_ECDSA_P256_SHA_256",
        KeyAlgorithm::EcdsaP384 => "PKIX_ECDSA_P384_SHA_384",
        KeyAlgorithm::EcdsaP521 => "PKIX_ECDSA_P521_SHA_512",
        KeyAlgorithm::Ed25519 => "PKIX_ED25519",
        KeyAlgorithm::Ed25519Ph => "PKIX_ED25519_PH",
        KeyAlgorithm::MlDsa65 => "ML_DSA_65",
        KeyAlgorithm::MlDsa87 => "ML_DSA_87",
        KeyAlgorithm::Rsa { bits: 2048 } => "PKIX_RSA_PKCS1V15_2048_SHA256",
        KeyAlgorithm::Rsa { bits: 3072 } => "PKIX_RSA_PKCS1V15_3072_SHA256",
        KeyAlgorithm::Rsa { bits: 4096 } => "PKIX_RSA_PKCS1V15_4096_SHA256",
        KeyAlgorithm::Rsa { .. } => "PKIX_RSA_PKCS1V5",
        KeyAlgorithm::MlDsa44 | KeyAlgorithm::Other { .. } => "PUBLIC_KEY_DETAILS_UNSPECIFIED",
    }
}

/// The verifier's form has no word for an unspecified algorithm, and the verifier does not read it.
fn hash_algorithm(algorithm: HashAlgorithm) -> &'static str {
    match algorithm {
        HashAlgorithm::Sha256 | HashAlgorithm::Unspecified => "SHA2_256",
        HashAlgorithm::Sha384 => "SHA2_384",
        HashAlgorithm::Sha512 => "SHA2_512",
    }
}
