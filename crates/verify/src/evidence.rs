//! One piece of evidence: its bytes, and what they are once they have been read.

mod content;
mod legacy;

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, de::IgnoredAny};
use sigstore_verify::types::{Bundle, DsseEnvelope, TimestampToken, bundle::SignatureContent};
use trustwright_core::Digest;

use crate::{Artifact, Claim, Facts, PublicKey, Refusal, Signer, Statement, UnsupportedEntry};
pub(crate) use content::Content;
pub use legacy::Annotations;

/// The payload type of an in-toto statement.
pub(crate) const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Log entries, and timestamps, that one bundle may have: each costs a signature or two to verify, and whoever may
/// push may add to them.
const MAX_WITNESSES: usize = 32;

/// The form in which a signature is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// A layer under cosign's `sha256-<hex>.sig` or `.att` tag: a payload, and the rest in annotations.
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

/// Where a bundle comes from, which decides what proves its log entries.
///
/// A bundle's `mediaType` is signed by nobody: whoever may push can call a bundle version 0.1, for which a promise
/// was once enough, and leave the proof out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A bundle from a registry: every log entry needs an inclusion proof, whatever version the bundle claims.
    Registry,
    /// A bundle given by hand: where its version says so, a promise is enough.
    File,
}

/// What a signature was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A bundle.
    Bundle(Origin),
    /// A legacy layer, whose annotations hold a promise and nothing else.
    Annotations,
}

/// A signature as a registry holds it: bytes that nobody has checked yet, but for their digest.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// A simple-signing layer without the annotations that only certificates, logs and timestamps need.
    Legacy {
        /// The layer: the payload that was signed.
        payload: Vec<u8>,
        /// The layer's annotation `dev.cosignproject.cosign/signature`: base64.
        signature: String,
    },
    /// A simple-signing layer.
    LegacySignature {
        /// The layer: the payload that was signed.
        payload: Vec<u8>,
        /// The layer's annotation `dev.cosignproject.cosign/signature`: base64.
        signature: String,
        /// The other annotations.
        annotations: Annotations,
    },
    /// A layer under an `.att` tag.
    LegacyAttestation {
        /// The layer: a DSSE envelope, as JSON.
        envelope: Vec<u8>,
        /// The annotations.
        annotations: Annotations,
    },
    /// A Sigstore bundle, as JSON.
    Bundle(Vec<u8>),
}

impl Evidence {
    /// The form in which it is stored.
    pub const fn form(&self) -> Form {
        match self {
            Self::Legacy { .. } | Self::LegacySignature { .. } | Self::LegacyAttestation { .. } => {
                Form::Legacy
            }
            Self::Bundle(_) => Form::Bundle,
        }
    }

    /// Reads what a registry holds, once for all the authorities that it may be checked against.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unreadable`], [`Refusal::SignatureCount`], [`Refusal::EntryType`] or [`Refusal::TooMany`], which
    /// quote nothing: whoever may push may have written it.
    pub fn read(self) -> Result<Signature, Refusal> {
        self.read_from(Origin::Registry)
    }

    /// Reads it as [`Evidence::read`] does, with the origin that a bundle has; a legacy layer has none.
    pub fn read_from(self, origin: Origin) -> Result<Signature, Refusal> {
        match self {
            Self::Legacy { payload, signature } => {
                let content = Content::Simple { payload, signature: legacy_signature(&signature)? };
                Ok(Signature { source: Source::Annotations, content, bundle: None, stamp: None })
            }
            Self::LegacySignature { payload, signature, annotations } => {
                let content = Content::Simple { payload, signature: legacy_signature(&signature)? };
                let bundle = annotations.bundle_of_signature(&content);
                Ok(Signature { source: Source::Annotations, content, bundle: Some(bundle), stamp: None })
            }
            Self::LegacyAttestation { envelope, annotations } => attestation(envelope, &annotations),
            Self::Bundle(json) => bundle(&json, origin),
        }
    }
}

/// A signature that can be read, and that nobody has checked yet.
#[derive(Debug, Clone)]
pub struct Signature {
    source: Source,
    content: Content,
    /// Everything in the library's form; none where there is neither certificate, log entry nor timestamp, and a
    /// refusal where annotations that not every authority asks for cannot be read.
    bundle: Option<Result<Bundle, Refusal>>,
    /// A timestamp that is not over the signature.
    stamp: Option<EnvelopeStamp>,
}

/// The timestamp of a legacy attestation, and what it is over: the whole layer.
#[derive(Debug, Clone)]
struct EnvelopeStamp {
    token: TimestampToken,
    envelope: Arc<[u8]>,
}

/// What a signature's timestamps are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamped {
    /// The bytes of the signature.
    Signature,
    /// The whole envelope, in a legacy attestation.
    Envelope,
}

impl Signature {
    /// The form in which it is stored.
    pub const fn form(&self) -> Form {
        match self.source {
            Source::Annotations => Form::Legacy,
            Source::Bundle(_) => Form::Bundle,
        }
    }

    /// Whether what was signed is a DSSE payload, and so may be an attestation.
    pub const fn is_statement(&self) -> bool {
        matches!(self.content, Content::Typed { .. })
    }

    /// Whether it came with a certificate, and not for a key alone.
    pub fn has_certificate(&self) -> bool {
        matches!(&self.bundle, Some(Ok(bundle)) if bundle.signing_certificate().is_some())
    }

    /// What tells this signature from others in the input of policies, as the Policy Controller does: SHA-256 over the
    /// signature and its certificate in PEM, each where it is there. Of an attestation the signature does not count.
    pub fn id(&self, claim: Claim) -> Digest {
        let signature = match claim {
            Claim::Signature => self.content.signature(),
            Claim::Attestation => &[],
        };
        let certificate = match &self.bundle {
            Some(Ok(bundle)) => bundle.signing_certificate().map(|der| pem(der.as_bytes())),
            Some(Err(_)) | None => None,
        };
        crate::artifact::sha256(&[signature, certificate.unwrap_or_default().as_bytes()].concat())
    }

    pub(crate) const fn source(&self) -> Source {
        self.source
    }

    pub(crate) const fn content(&self) -> &Content {
        &self.content
    }

    pub(crate) fn bundle(&self) -> Result<Option<&Bundle>, Refusal> {
        self.bundle.as_ref().map(|bundle| bundle.as_ref().map_err(Clone::clone)).transpose()
    }

    pub(crate) const fn stamped(&self) -> Stamped {
        if self.stamp.is_some() { Stamped::Envelope } else { Stamped::Signature }
    }

    pub(crate) fn stamped_bytes(&self) -> &[u8] {
        self.stamp.as_ref().map_or_else(|| self.content.signature(), |stamp| &stamp.envelope)
    }

    pub(crate) fn envelope_timestamp(&self) -> Option<&TimestampToken> {
        self.stamp.as_ref().map(|stamp| &stamp.token)
    }

    /// Checks that what was signed speaks of `artifact` as `claim` wants it, once it has been verified.
    pub(crate) fn claim(&self, artifact: &Digest, claim: Claim) -> Result<Option<Statement>, Refusal> {
        match claim {
            Claim::Signature => self.content.claim_signature(self.form(), artifact),
            Claim::Attestation => self.content.claim_attestation(self.form(), artifact).map(Some),
        }
    }
}

/// Verifies `signature` for `image` under `key`: the signature first, then that it is an image signature and speaks
/// of `image`.
///
/// Log entries and timestamps are not looked at: a `key` authority without `ctlog` and `rfc3161timestamp` does not
/// ask for them. With them, [`crate::Verifier::verify_key`].
///
/// Cosign signs bundles with Ed25519ph (RFC 8032, 5.1) where the key is Ed25519. Its own `verify` refuses
/// them, and so does this: aws-lc-rs has no Ed25519ph. A bundle in plain Ed25519 verifies.
pub fn check(signature: &Signature, image: &Digest, key: &PublicKey) -> Result<Facts, Refusal> {
    check_claim(signature, image, key, Claim::Signature)
}

/// Verifies an attestation about `image` under `key`, as [`check`] does a signature. [`Facts::statement`] is there.
pub fn check_attestation(signature: &Signature, image: &Digest, key: &PublicKey) -> Result<Facts, Refusal> {
    check_claim(signature, image, key, Claim::Attestation)
}

fn check_claim(
    signature: &Signature,
    image: &Digest,
    key: &PublicKey,
    claim: Claim,
) -> Result<Facts, Refusal> {
    signature.content.verify(key, &Artifact::Digest(*image))?;
    let statement = signature.claim(image, claim)?;
    Ok(Facts {
        form: signature.form(),
        signer: Signer::Key(key.fingerprint()),
        log_entries: Vec::new(),
        times: Vec::new(),
        statement,
        valid_until: None,
    })
}

/// A certificate in PEM (RFC 7468), in lines of 64 characters.
fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for (index, letter) in STANDARD.encode(der).chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
    text
}

fn legacy_signature(annotation: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD
        .decode(annotation.trim())
        .map_err(|_| Refusal::Unreadable(Form::Legacy, "signature annotation is not base64".into()))
}

fn bundle(json: &[u8], origin: Origin) -> Result<Signature, Refusal> {
    let unreadable = |cause: &str| Refusal::Unreadable(Form::Bundle, cause.into());
    let text = std::str::from_utf8(json).map_err(|_| unreadable("not UTF-8"))?;
    let bundle = Bundle::from_json(text).map_err(|_| explain(json, "not a Sigstore bundle"))?;
    let content = match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => Content::typed(envelope),
        SignatureContent::MessageSignature(message) => Content::plain(message),
        _ => return Err(unreadable("neither a message signature nor a DSSE envelope")),
    };
    let material = &bundle.verification_material;
    let timestamps = &material.timestamp_verification_data.rfc3161_timestamps;
    if material.tlog_entries.len().max(timestamps.len()) > MAX_WITNESSES {
        return Err(Refusal::TooMany { limit: MAX_WITNESSES });
    }
    let source = Source::Bundle(origin);
    Ok(Signature { source, content, bundle: Some(Ok(bundle)), stamp: None })
}

fn attestation(json: Vec<u8>, annotations: &Annotations) -> Result<Signature, Refusal> {
    let envelope: DsseEnvelope = serde_json::from_slice(&json).map_err(|_| {
        #[derive(Deserialize)]
        struct Probe {
            signatures: Vec<IgnoredAny>,
        }
        match serde_json::from_slice::<Probe>(&json) {
            Ok(Probe { signatures }) if signatures.len() != 1 => Refusal::SignatureCount(signatures.len()),
            _ => Refusal::Unreadable(Form::Legacy, "not a DSSE envelope".into()),
        }
    })?;
    let content = Content::typed(&envelope);
    let stamp = annotations.timestamp_token()?;
    let stamp = stamp.map(|token| EnvelopeStamp { token, envelope: json.into() });
    let bundle = Some(annotations.bundle_of_attestation(envelope));
    Ok(Signature { source: Source::Annotations, content, bundle, stamp })
}

/// Why a bundle cannot be read, where that has a name.
fn explain(json: &[u8], otherwise: &str) -> Refusal {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probe {
        dsse_envelope: Option<Envelope>,
        verification_material: Option<Material>,
    }
    #[derive(Deserialize)]
    struct Envelope {
        signatures: Vec<IgnoredAny>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Material {
        #[serde(default)]
        tlog_entries: Vec<Entry>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        kind_version: KindVersion,
    }
    #[derive(Deserialize)]
    struct KindVersion {
        kind: String,
        version: String,
    }
    let otherwise = Refusal::Unreadable(Form::Bundle, otherwise.into());
    let Ok(probe) = serde_json::from_slice::<Probe>(json) else { return otherwise };
    if let Some(Envelope { signatures }) = probe.dsse_envelope
        && signatures.len() != 1
    {
        return Refusal::SignatureCount(signatures.len());
    }
    let entries = probe.verification_material.map(|material| material.tlog_entries).unwrap_or_default();
    let mut kinds = entries.into_iter().map(|entry| entry.kind_version);
    kinds
        .find_map(|kind| UnsupportedEntry::parse(&kind.kind, &kind.version))
        .map_or(otherwise, Refusal::EntryType)
}

#[cfg(test)]
#[path = "evidence/tests.rs"]
mod tests;
