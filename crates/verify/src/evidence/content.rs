//! What was signed, and the signature over it.

use std::{ops::Range, sync::Arc};

use sigstore_verify::types::{DsseEnvelope, HashAlgorithm, MessageSignature};
use trustwright_core::Digest;

use super::{Form, IN_TOTO};
use crate::{
    Artifact, KeyAlgorithm, PublicKey, Refusal, Statement,
    statement::{self, ClaimError},
};

/// What was signed, and the signature over it.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Over a simple-signing payload.
    Simple { payload: Vec<u8>, signature: Vec<u8> },
    /// Over a payload with its type: DSSE's pre-authentication encoding, at whose end the payload is.
    Typed { payload_type: String, encoding: Arc<[u8]>, payload: Range<usize>, signature: Vec<u8> },
    /// Over the bytes of the artifact, which are not here.
    Plain { signature: Vec<u8>, stated: Option<[u8; 32]> },
}

impl Content {
    pub(super) fn typed(envelope: &DsseEnvelope) -> Self {
        let encoding: Arc<[u8]> = envelope.pae().into();
        let payload = encoding.len() - envelope.payload.len()..encoding.len();
        let signature = envelope.signature.sig.as_bytes().to_vec();
        Self::Typed { payload_type: envelope.payload_type.clone(), encoding, payload, signature }
    }

    pub(super) fn plain(message: &MessageSignature) -> Self {
        let stated = message.message_digest.as_ref();
        let stated = stated.filter(|stated| stated.algorithm == HashAlgorithm::Sha2256);
        let stated = stated.and_then(|stated| stated.digest.as_bytes().try_into().ok());
        Self::Plain { signature: message.signature.as_bytes().to_vec(), stated }
    }

    pub(crate) fn signature(&self) -> &[u8] {
        match self {
            Self::Simple { signature, .. }
            | Self::Typed { signature, .. }
            | Self::Plain { signature, .. } => signature,
        }
    }

    /// Whether it states that it is over something else than `artifact`.
    pub(crate) fn states_another(&self, artifact: &Artifact<'_>) -> bool {
        match self {
            Self::Plain { stated: Some(stated), .. } => stated != artifact.digest().as_bytes(),
            Self::Plain { stated: None, .. } | Self::Simple { .. } | Self::Typed { .. } => false,
        }
    }

    /// Checks that `key` has signed what is here, or the artifact itself.
    pub(crate) fn verify(&self, key: &PublicKey, artifact: &Artifact<'_>) -> Result<(), Refusal> {
        let good = match self {
            Self::Simple { payload, signature } => key.verifies(payload, signature),
            Self::Typed { encoding, signature, .. } => {
                if !key.verifies(encoding, signature) && key.algorithm() == KeyAlgorithm::Ed25519 {
                    return Err(Refusal::NotPlainEd25519);
                }
                key.verifies(encoding, signature)
            }
            Self::Plain { signature, .. } => match artifact {
                Artifact::Bytes(bytes) => key.verifies(bytes, signature),
                // The artifact's own digest is what is verified, not the one that the bundle states.
                Artifact::Digest(digest) => key
                    .verifies_digest(digest, signature)
                    .ok_or(Refusal::NeedsMessage(key.algorithm().as_str()))?,
            },
        };
        if good { Ok(()) } else { Err(Refusal::Signature) }
    }

    /// As [`Content::verify`], and refuses a message signature that states another digest than the artifact's.
    pub(crate) fn verify_for(&self, key: &PublicKey, artifact: &Artifact<'_>) -> Result<(), Refusal> {
        if self.states_another(artifact) {
            return Err(Refusal::MessageDigest);
        }
        self.verify(key, artifact)
    }

    /// Checks that what was signed is a signature of `image`.
    pub(super) fn claim_signature(&self, form: Form, image: &Digest) -> Result<Option<Statement>, Refusal> {
        let refusal = |error| match error {
            ClaimError::Unreadable(cause) => Refusal::Unreadable(form, format!("payload: {cause}")),
            ClaimError::Type(actual) => Refusal::PayloadType(actual),
            ClaimError::Digest(actual) => Refusal::Claim { actual: actual.join(", "), expected: *image },
        };
        match self {
            Self::Plain { .. } => Ok(None),
            Self::Simple { payload, .. } => {
                statement::simple_signing(payload, image).map_err(refusal)?;
                Ok(None)
            }
            Self::Typed { payload_type, .. } if payload_type != IN_TOTO => {
                Err(Refusal::PayloadType(statement::short(payload_type)))
            }
            Self::Typed { encoding, payload, .. } => {
                let bytes = encoding.get(payload.clone()).unwrap_or_default();
                let predicate_type = statement::sign_statement(bytes, image).map_err(refusal)?;
                Ok(Some(statement(predicate_type, encoding, payload)))
            }
        }
    }

    /// Checks that what was signed is a statement about `image`.
    pub(super) fn claim_attestation(&self, form: Form, image: &Digest) -> Result<Statement, Refusal> {
        match self {
            Self::Plain { .. } | Self::Simple { .. } => Err(Refusal::NoStatement),
            Self::Typed { payload_type, .. } if payload_type != IN_TOTO => {
                Err(Refusal::EnvelopeType(statement::short(payload_type)))
            }
            Self::Typed { encoding, payload, .. } => {
                let bytes = encoding.get(payload.clone()).unwrap_or_default();
                let predicate_type = statement::attestation(bytes, image).map_err(|error| match error {
                    ClaimError::Unreadable(cause) => Refusal::Unreadable(form, format!("payload: {cause}")),
                    ClaimError::Type(actual) => Refusal::EnvelopeType(actual),
                    ClaimError::Digest(actual) => Refusal::Subject { actual, expected: *image },
                })?;
                Ok(statement(predicate_type, encoding, payload))
            }
        }
    }

    /// Whether it is a statement about `image`; of any type, and verified or not.
    pub(crate) fn names(&self, image: &Digest) -> bool {
        self.claim_attestation(Form::Bundle, image).is_ok()
    }
}

fn statement(predicate_type: String, encoding: &Arc<[u8]>, payload: &Range<usize>) -> Statement {
    Statement { predicate_type, encoding: Arc::clone(encoding), payload: payload.clone() }
}
