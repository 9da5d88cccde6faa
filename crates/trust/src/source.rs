//! Trust sources as plain values, in the words of the `TrustRoot` resource.

/// The keys that a user lists by hand: `spec.sigstoreKeys` of a `TrustRoot`, without its Kubernetes form.
///
/// The form carries no validity windows: every key in it is trusted for all time, and certificates only within
/// the dates that they carry themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigstoreKeysSource {
    /// Certificate authorities that issue signing certificates (Fulcio).
    pub certificate_authorities: Vec<CertificateAuthoritySource>,
    /// RFC 3161 timestamp authorities.
    pub timestamp_authorities: Vec<CertificateAuthoritySource>,
    /// Transparency logs (Rekor).
    pub t_logs: Vec<LogSource>,
    /// Certificate transparency logs.
    pub ct_logs: Vec<LogSource>,
}

/// A certificate or timestamp authority as its chain in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateAuthoritySource {
    /// Organization of the authority; recorded, never checked.
    pub organization: String,
    /// Common name of the authority; recorded, never checked.
    pub common_name: String,
    /// Where the authority is served; recorded, never dialled.
    pub uri: String,
    /// `CERTIFICATE` blocks in PEM, the root last. Text between blocks is ignored (RFC 7468, section 2).
    pub cert_chain_pem: Vec<u8>,
}

/// A transparency log as its public key in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSource {
    /// Where the log is served. Its host is the origin of an Ed25519 log's checkpoints.
    pub base_url: String,
    /// Hash algorithm of the log's tree: `sha-256`, `sha256`, `SHA2_256` and so for 384 and 512. Any other text
    /// is accepted as unspecified.
    pub hash_algorithm: String,
    /// The key in PEM. The first block counts: `PUBLIC KEY` (RFC 5280) or `RSA PUBLIC KEY` (RFC 8017).
    pub public_key_pem: Vec<u8>,
}
