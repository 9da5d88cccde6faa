//! What was signed, and the signature over it.

use std::{ops::Range, sync::Arc};

use aws_lc_rs::digest;
use sigstore_verify::types::{DsseEnvelope, HashAlgorithm, MessageSignature};
use trustwright_core::Digest;

use super::{Form, IN_TOTO};
use crate::{
    Artifact, KeyAlgorithm, PublicKey, Refusal, Statement,
    key::Scheme,
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
    Plain { signature: Vec<u8>, stated: Option<(HashAlgorithm, Vec<u8>)> },
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
        let stated = stated.map(|stated| (stated.algorithm, stated.digest.as_bytes().to_vec()));
        Self::Plain { signature: message.signature.as_bytes().to_vec(), stated }
    }

    pub(crate) fn signature(&self) -> &[u8] {
        match self {
            Self::Simple { signature, .. }
            | Self::Typed { signature, .. }
            | Self::Plain { signature, .. } => signature,
        }
    }

    /// Whether it states that it is over something else than `artifact`, as far as that can be told.
    pub(crate) fn states_another(&self, artifact: &Artifact<'_>) -> bool {
        match self {
            Self::Plain { stated: Some((algorithm, stated)), .. } => match (algorithm, artifact) {
                (HashAlgorithm::Sha2256, _) => stated != artifact.digest().as_bytes(),
                (_, Artifact::Digest(_)) => false,
                (HashAlgorithm::Sha2384, Artifact::Bytes(bytes)) => is_not(stated, &digest::SHA384, bytes),
                (HashAlgorithm::Sha2512, Artifact::Bytes(bytes)) => is_not(stated, &digest::SHA512, bytes),
                // The library's own enum, which grows.
                (_, Artifact::Bytes(_)) => true,
            },
            Self::Plain { stated: None, .. } | Self::Simple { .. } | Self::Typed { .. } => false,
        }
    }

    /// Checks that `key` has signed what is here, or the artifact itself, and returns how.
    pub(crate) fn verify(&self, key: &PublicKey, artifact: &Artifact<'_>) -> Result<Scheme, Refusal> {
        let scheme = match (self, artifact) {
            (Self::Simple { payload, signature }, _) => key.scheme_of(payload, signature),
            (Self::Typed { encoding, signature, .. }, _) => {
                let scheme = key.scheme_of(encoding, signature);
                if scheme.is_none() && key.algorithm() == KeyAlgorithm::Ed25519 {
                    return Err(Refusal::NotPlainEd25519);
                }
                scheme
            }
            (Self::Plain { signature, .. }, Artifact::Bytes(bytes)) => key.scheme_of(bytes, signature),
            (Self::Plain { .. }, Artifact::Digest(_)) if !key.judges_digests() => {
                return Err(Refusal::NeedsMessage(key.algorithm().as_str()));
            }
            // The artifact's own digest is what is verified, not the one that the bundle states.
            (Self::Plain { signature, .. }, Artifact::Digest(digest)) => {
                key.scheme_of_digest(digest, signature)
            }
        };
        scheme.ok_or(Refusal::Signature)
    }

    /// As [`Content::verify`], and refuses a message signature that states another digest than the artifact's.
    pub(crate) fn verify_for(&self, key: &PublicKey, artifact: &Artifact<'_>) -> Result<Scheme, Refusal> {
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

fn is_not(stated: &[u8], algorithm: &'static digest::Algorithm, bytes: &[u8]) -> bool {
    digest::digest(algorithm, bytes).as_ref() != stated
}

fn statement(predicate_type: String, encoding: &Arc<[u8]>, payload: &Range<usize>) -> Statement {
    Statement { predicate_type, encoding: Arc::clone(encoding), payload: payload.clone() }
}
