//! Annotations of legacy layers, in the library's form.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Deserialize;
use sigstore_verify::types::{
    Bundle, CanonicalizedBody, DerCertificate, DigestBytes, DsseEnvelope, HashAlgorithm, KindVersion,
    LogIndex, LogKeyId, MediaType, MessageSignature, SignatureBytes, SignedTimestamp, TimestampToken,
    TransparencyLogEntry,
    bundle::{
        InclusionPromise, LogId, MessageDigest, PublicKeyIdentifier, Rfc3161Timestamp, SignatureContent,
        TimestampVerificationData, VerificationMaterial, VerificationMaterialContent, X509Certificate,
    },
};

use super::{Content, Form};
use crate::{Refusal, UnsupportedEntry, artifact::sha256};

/// The tag of a certificate's PEM block.
const CERTIFICATE: &str = "CERTIFICATE";

/// The annotations with which cosign puts beside a legacy layer what a bundle holds in itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// `dev.sigstore.cosign/certificate`: the signing certificate, PEM.
    pub certificate: Option<String>,
    /// `dev.sigstore.cosign/chain`: who issued it, PEM.
    pub chain: Option<String>,
    /// `dev.sigstore.cosign/bundle`: the log entry with the log's promise, JSON.
    pub bundle: Option<String>,
    /// `dev.sigstore.cosign/rfc3161timestamp`: a timestamp, JSON.
    pub timestamp: Option<String>,
}

/// Cosign's `RekorBundle`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RekorBundle {
    signed_entry_timestamp: String,
    payload: RekorPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RekorPayload {
    body: String,
    integrated_time: i64,
    log_index: u64,
    #[serde(rename = "logID")]
    log_id: String,
}

/// What says of itself what it is, in a log entry's body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryType {
    kind: String,
    api_version: String,
}

/// Cosign's `RFC3161Timestamp`.
#[derive(Deserialize)]
struct CosignTimestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    signed: String,
}

impl Annotations {
    /// The signature over a simple-signing payload. Its timestamp is over the signature, as in a bundle.
    pub(super) fn bundle_of_signature(&self, content: &Content) -> Result<Bundle, Refusal> {
        let Content::Simple { payload, signature } = content else {
            return Err(unreadable("payload"));
        };
        let digest = DigestBytes::new(sha256(payload).as_bytes().to_vec());
        // Cosign signs with SHA-256 whatever the key; without this the library would go by the key.
        let message = MessageSignature::new(SignatureBytes::from_bytes(signature))
            .with_message_digest(MessageDigest::new(HashAlgorithm::Sha2256, digest));
        let mut bundle = self.bundle(SignatureContent::MessageSignature(message))?;
        if let Some(token) = self.timestamp_token()? {
            bundle.verification_material.timestamp_verification_data.rfc3161_timestamps =
                vec![Rfc3161Timestamp::new(token)];
        }
        Ok(bundle)
    }

    /// The signature of an attestation, without its timestamp, which is over the envelope.
    pub(super) fn bundle_of_attestation(&self, envelope: DsseEnvelope) -> Result<Bundle, Refusal> {
        self.bundle(SignatureContent::DsseEnvelope(envelope))
    }

    fn bundle(&self, content: SignatureContent) -> Result<Bundle, Refusal> {
        let entries = self.bundle.as_deref().map(entry).transpose()?;
        let material = VerificationMaterial::new(self.material()?)
            .with_tlog_entries(entries.into_iter().collect())
            .with_timestamp_verification_data(TimestampVerificationData::default());
        // The version whose entries may have a promise only.
        Ok(Bundle::new(MediaType::Bundle0_1, material, content))
    }

    fn material(&self) -> Result<VerificationMaterialContent, Refusal> {
        let Some(leaf) = self.certificate.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new("")));
        };
        let mut certificates = pem_certificates(leaf)?;
        // The annotation holds one; what follows it is cosign's `--certificate` file with its chain.
        if certificates.is_empty() {
            return Err(unreadable("certificate annotation has no certificate"));
        }
        certificates.extend(pem_certificates(self.chain.as_deref().unwrap_or_default())?);
        Ok(VerificationMaterialContent::X509CertificateChain { certificates })
    }

    pub(super) fn timestamp_token(&self) -> Result<Option<TimestampToken>, Refusal> {
        let Some(text) = self.timestamp.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let document: CosignTimestamp =
            serde_json::from_str(text).map_err(|_| unreadable("timestamp annotation"))?;
        let bytes = STANDARD.decode(document.signed).map_err(|_| unreadable("timestamp annotation"))?;
        Ok(Some(TimestampToken::new(bytes)))
    }
}

fn pem_certificates(text: &str) -> Result<Vec<X509Certificate>, Refusal> {
    let blocks = pem::parse_many(text).map_err(|_| unreadable("certificate annotation is not PEM"))?;
    let certificate = |block: pem::Pem| match block.tag() {
        CERTIFICATE => Ok(X509Certificate::new(DerCertificate::new(block.into_contents()))),
        _ => Err(unreadable("certificate annotation holds something else")),
    };
    blocks.into_iter().map(certificate).collect()
}

fn entry(annotation: &str) -> Result<TransparencyLogEntry, Refusal> {
    let damaged = || unreadable("log annotation");
    let document: RekorBundle = serde_json::from_str(annotation).map_err(|_| damaged())?;
    let body = STANDARD.decode(&document.payload.body).map_err(|_| damaged())?;
    let EntryType { kind, api_version } = serde_json::from_slice(&body).map_err(|_| damaged())?;
    let kind_version = match (kind.as_str(), api_version.as_str()) {
        ("hashedrekord", "0.0.1") => KindVersion::HashedRekordV001,
        ("dsse", "0.0.1") => KindVersion::DsseV001,
        ("intoto", "0.0.2") => KindVersion::IntotoV002,
        (kind, version) => {
            return Err(UnsupportedEntry::parse(kind, version).map_or_else(damaged, Refusal::EntryType));
        }
    };
    let promise = STANDARD.decode(&document.signed_entry_timestamp).map_err(|_| damaged())?;
    let log_id = hex::decode(&document.payload.log_id).map_err(|_| damaged())?;
    let index = LogIndex::new(document.payload.log_index).map_err(|_| damaged())?;
    let time = Timestamp::from_second(document.payload.integrated_time).map_err(|_| damaged())?;
    let entry = TransparencyLogEntry::new(
        index,
        LogId::new(LogKeyId::new(log_id)),
        kind_version,
        CanonicalizedBody::new(body),
    );
    Ok(entry
        .with_integrated_time(time)
        .with_inclusion_promise(InclusionPromise::new(SignedTimestamp::new(promise))))
}

fn unreadable(cause: &str) -> Refusal {
    Refusal::Unreadable(Form::Legacy, cause.into())
}
