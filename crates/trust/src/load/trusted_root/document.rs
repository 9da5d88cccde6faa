//! The shape of the document, as lenient as `ProtoJSON` is: every field may be missing or null.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::problem::KeyProblem;

/// The document, its entries still unread so that one malformed entry is no more than that.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) media_type: Option<String>,
    pub(super) tlogs: Option<Vec<Value>>,
    pub(super) certificate_authorities: Option<Vec<Value>>,
    pub(super) ctlogs: Option<Vec<Value>>,
    pub(super) timestamp_authorities: Option<Vec<Value>>,
}

/// `CertificateAuthority`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthorityEntry {
    pub(super) subject: Option<DistinguishedName>,
    pub(super) uri: Option<String>,
    cert_chain: Option<CertChain>,
    pub(super) valid_for: Option<Range>,
}

impl AuthorityEntry {
    /// Returns the chain in DER; may be empty.
    pub(super) fn chain(&self) -> Result<Vec<Vec<u8>>, KeyProblem> {
        let certificates = self.cert_chain.as_ref().and_then(|chain| chain.certificates.as_deref());
        certificates
            .unwrap_or_default()
            .iter()
            .map(|one| bytes("rawBytes", one.raw_bytes.as_deref()))
            .collect()
    }
}

/// `DistinguishedName`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DistinguishedName {
    pub(super) organization: Option<String>,
    pub(super) common_name: Option<String>,
}

#[derive(Deserialize)]
struct CertChain {
    certificates: Option<Vec<RawCertificate>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCertificate {
    raw_bytes: Option<String>,
}

/// `TransparencyLogInstance`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogEntry {
    pub(super) base_url: Option<String>,
    pub(super) hash_algorithm: Option<String>,
    pub(super) public_key: Option<KeyEntry>,
    pub(super) log_id: Option<LogIdEntry>,
}

/// `PublicKey`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyEntry {
    raw_bytes: Option<String>,
    pub(super) key_details: Option<String>,
    pub(super) valid_for: Option<Range>,
}

impl KeyEntry {
    pub(super) fn raw_bytes(&self) -> Result<Vec<u8>, KeyProblem> {
        bytes("rawBytes", self.raw_bytes.as_deref())
    }
}

/// `LogId`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogIdEntry {
    key_id: Option<String>,
}

impl LogIdEntry {
    pub(super) fn key_id(&self) -> Result<Vec<u8>, KeyProblem> {
        bytes("keyId", self.key_id.as_deref())
    }
}

/// `TimeRange`.
#[derive(Deserialize)]
pub(super) struct Range {
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
}

/// Decodes a `bytes` field: either alphabet of base64, padded or not (`ProtoJSON` format of Protocol Buffers).
fn bytes(field: &str, text: Option<&str>) -> Result<Vec<u8>, KeyProblem> {
    let text = text.unwrap_or_default().trim_end_matches('=').replace('-', "+").replace('_', "/");
    STANDARD_NO_PAD
        .decode(text)
        .map_err(|_| KeyProblem::MalformedEntry { detail: format!("{field} is not base64") })
}
