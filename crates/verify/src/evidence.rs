//! One piece of evidence against one key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sigstore_verify::types::{Bundle, bundle::SignatureContent};
use trustwright_core::Digest;

use crate::{
    KeyAlgorithm, PublicKey,
    statement::{self, ClaimError},
};

/// The payload type of an in-toto statement.
const IN_TOTO: &str = "application/vnd.in-toto+json";

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

    /// Reads it, once for all the keys that it may be checked under.
    ///
    /// Fails with [`Refusal::Unreadable`], which quotes nothing: whoever may push may have written it.
    pub fn read(self) -> Result<Signature, Refusal> {
        match self {
            Self::Legacy { payload, signature } => {
                let signature = STANDARD.decode(signature.trim()).map_err(|_| {
                    Refusal::Unreadable(Form::Legacy, "signature annotation is not base64".into())
                })?;
                Ok(Signature(Content::Simple { payload, signature }))
            }
            Self::Bundle(json) => bundle(&json).map(Signature),
        }
    }
}

/// A signature that can be read, and that nobody has checked yet.
#[derive(Debug, Clone)]
pub struct Signature(Content);

#[derive(Debug, Clone)]
enum Content {
    /// Over a simple-signing payload.
    Simple { payload: Vec<u8>, signature: Vec<u8> },
    /// Over a payload with its type (DSSE's pre-authentication encoding).
    Typed { payload_type: String, payload: Vec<u8>, encoding: Vec<u8>, signature: Vec<u8> },
    /// Over the bytes of the image's manifest, which are not here.
    Plain { signature: Vec<u8> },
}

impl Signature {
    /// The form in which it is stored.
    pub const fn form(&self) -> Form {
        match &self.0 {
            Content::Simple { .. } => Form::Legacy,
            Content::Typed { .. } | Content::Plain { .. } => Form::Bundle,
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
    /// The bundle's signature is not this Ed25519 key's, or it is and is Ed25519ph.
    #[error(
        "failed to verify signature: not plain Ed25519 by this key (Ed25519ph, as cosign signs bundles, is not verified)"
    )]
    NotPlainEd25519,
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
    #[error(
        "a message signature of a {0} key needs the signed bytes, and the registry has their digest only"
    )]
    NeedsMessage(&'static str),
}

/// Verifies `signature` for `image` under `key`: the signature first, then that it speaks of `image`.
///
/// A bundle's log entries and timestamps are not looked at: a `key` authority without `ctlog` and
/// `rfc3161timestamp` does not ask for them.
///
/// Cosign signs bundles with Ed25519ph (RFC 8032, 5.1) where the key is Ed25519. Its own `verify` refuses
/// them, and so does this: aws-lc-rs has no Ed25519ph. A bundle in plain Ed25519 verifies.
pub fn check(signature: &Signature, image: &Digest, key: &PublicKey) -> Result<Facts, Refusal> {
    let form = signature.form();
    match &signature.0 {
        Content::Simple { payload, signature } => {
            if !key.verifies(payload, signature) {
                return Err(Refusal::Signature);
            }
            statement::simple_signing(payload, image).map_err(|error| refusal(form, error, image))?;
        }
        Content::Typed { payload_type, payload, encoding, signature } => {
            if !key.verifies(encoding, signature) {
                let is_ed25519 = key.algorithm() == KeyAlgorithm::Ed25519;
                return Err(if is_ed25519 { Refusal::NotPlainEd25519 } else { Refusal::Signature });
            }
            if payload_type != IN_TOTO {
                return Err(Refusal::PayloadType(payload_type.chars().take(200).collect()));
            }
            statement::sign_statement(payload, image).map_err(|error| refusal(form, error, image))?;
        }
        // The image's own digest is what is verified, so the digest that the bundle states is not needed.
        Content::Plain { signature } => match key.verifies_digest(image, signature) {
            Some(true) => {}
            Some(false) => return Err(Refusal::Signature),
            None => return Err(Refusal::NeedsMessage(key.algorithm().as_str())),
        },
    }
    Ok(Facts { form, key: key.fingerprint() })
}

fn bundle(json: &[u8]) -> Result<Content, Refusal> {
    let unreadable = |cause: &str| Refusal::Unreadable(Form::Bundle, cause.into());
    let json = std::str::from_utf8(json).map_err(|_| unreadable("not UTF-8"))?;
    let bundle = Bundle::from_json(json).map_err(|_| unreadable("not a Sigstore bundle"))?;
    match bundle.content {
        SignatureContent::DsseEnvelope(envelope) => Ok(Content::Typed {
            encoding: envelope.pae(),
            signature: envelope.signature.sig.as_bytes().to_vec(),
            payload: envelope.payload.as_bytes().to_vec(),
            payload_type: envelope.payload_type,
        }),
        SignatureContent::MessageSignature(message) => {
            Ok(Content::Plain { signature: message.signature.as_bytes().to_vec() })
        }
        _ => Err(unreadable("neither a message signature nor a DSSE envelope")),
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
