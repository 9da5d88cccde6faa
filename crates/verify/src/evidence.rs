//! One piece of evidence against one key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sigstore_verify::types::{Bundle, bundle::SignatureContent};
use trustwright_core::Digest;

use crate::{
    PublicKey,
    statement::{self, ClaimError},
};

/// The form in which a signature is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// A layer under cosign's `sha256-<hex>.sig` tag: a simple-signing payload and its signature.
    Legacy,
    /// A Sigstore bundle.
    Bundle,
}

impl Form {
    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Bundle => "bundle",
        }
    }
}

/// A signature as a registry holds it: bytes that nobody has checked yet, but for their digest.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// A simple-signing layer.
    Legacy {
        /// The layer: the payload that was signed.
        payload: Vec<u8>,
        /// The layer's annotation `dev.cosignproject.cosign/signature`: base64.
        signature: String,
    },
    /// A Sigstore bundle, as JSON.
    Bundle(Vec<u8>),
}

impl Evidence {
    /// The form in which it is stored.
    pub const fn form(&self) -> Form {
        match self {
            Self::Legacy { .. } => Form::Legacy,
            Self::Bundle(_) => Form::Bundle,
        }
    }
}

/// What holds of a signature that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The form in which it is stored.
    pub form: Form,
    /// The key that it verifies under.
    pub key: Digest,
}

/// Why a piece of evidence does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are no signature at all.
    #[error("{form} signature cannot be read: {cause}", form = .0.as_str(), cause = .1)]
    Unreadable(Form, String),
    /// The signature is not this key's.
    #[error("invalid signature when validating ASN.1 encoded signature")]
    Signature,
    /// The signature is good, and is over something that is no image signature.
    #[error("signed payload is of type {0:?}, which is no image signature")]
    PayloadType(String),
    /// The signature is good, and speaks of another image.
    #[error("invalid or missing digest in claim: {actual}")]
    Claim {
        /// What the payload names.
        actual: String,
        /// The image that was asked for.
        expected: Digest,
    },
    /// The bundle signs a digest that this key's kind cannot be checked against.
    #[error("a message signature of a {0} key needs the signed bytes, and the registry has their digest only")]
    NeedsMessage(&'static str),
}

/// Verifies `evidence` for `image` under `key`: the signature first, then that it speaks of `image`.
///
/// A bundle's log entries and timestamps are not looked at: a `key` authority without `ctlog` and
/// `rfc3161timestamp` does not ask for them.
pub fn check(evidence: &Evidence, image: &Digest, key: &PublicKey) -> Result<Facts, Refusal> {
    let form = evidence.form();
    match evidence {
        Evidence::Legacy { payload, signature } => {
            let signature = STANDARD
                .decode(signature.trim())
                .map_err(|error| Refusal::Unreadable(form, format!("signature annotation: {error}")))?;
            if !key.verifies(payload, &signature) {
                return Err(Refusal::Signature);
            }
            statement::simple_signing(payload, image).map_err(|error| refusal(form, error, image))?;
        }
        Evidence::Bundle(json) => bundle(json, image, key)?,
    }
    Ok(Facts { form, key: key.fingerprint() })
}

fn bundle(json: &[u8], image: &Digest, key: &PublicKey) -> Result<(), Refusal> {
    let unreadable = |cause: String| Refusal::Unreadable(Form::Bundle, cause);
    let json = std::str::from_utf8(json).map_err(|error| unreadable(error.to_string()))?;
    let bundle = Bundle::from_json(json).map_err(|error| unreadable(error.to_string()))?;
    match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => {
            if !key.verifies(&envelope.pae(), envelope.signature.sig.as_bytes()) {
                return Err(Refusal::Signature);
            }
            if envelope.payload_type != "application/vnd.in-toto+json" {
                return Err(Refusal::PayloadType(envelope.payload_type.chars().take(200).collect()));
            }
            statement::sign_statement(envelope.payload.as_bytes(), image)
                .map_err(|error| refusal(Form::Bundle, error, image))
        }
        // The image's own digest is what is verified, so the digest that the bundle states is not needed.
        SignatureContent::MessageSignature(message) => {
            match key.verifies_digest(image, message.signature.as_bytes()) {
                Some(true) => Ok(()),
                Some(false) => Err(Refusal::Signature),
                None => Err(Refusal::NeedsMessage(key.algorithm().as_str())),
            }
        }
        _ => Err(unreadable("neither a message signature nor a DSSE envelope".into())),
    }
}

fn refusal(form: Form, error: ClaimError, image: &Digest) -> Refusal {
    match error {
        ClaimError::Unreadable(cause) => Refusal::Unreadable(form, format!("payload: {cause}")),
        ClaimError::Type(actual) => Refusal::PayloadType(actual),
        ClaimError::Digest(actual) => Refusal::Claim { actual, expected: *image },
    }
}

#[cfg(test)]
#[path = "evidence/tests.rs"]
mod tests;
