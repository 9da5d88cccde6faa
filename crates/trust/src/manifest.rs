//! Trust material as keys listed one by one.

use crate::material::{Authority, Log, TrustMaterial};
use crate::pem_text;
use crate::source::{CertificateAuthoritySource, LogSource, SigstoreKeysSource};

/// Returns the material as `spec.sigstoreKeys` would list it: the inverse of
/// [`from_sigstore_keys`](crate::from_sigstore_keys), for writing `TrustRoot` manifests.
///
/// The form has no place for validity windows nor for log IDs: what was trusted within a window only is trusted for
/// all time by the result, and an Ed25519 log keeps its ID only if the host of its base URL is its origin. Material
/// with neither comes back as it was, with the same fingerprint.
pub fn sigstore_keys_manifest(material: &TrustMaterial) -> SigstoreKeysSource {
    SigstoreKeysSource {
        certificate_authorities: material.certificate_authorities().iter().map(authority).collect(),
        timestamp_authorities: material.timestamp_authorities().iter().map(authority).collect(),
        t_logs: material.transparency_logs().iter().map(log).collect(),
        ct_logs: material.ct_logs().iter().map(log).collect(),
    }
}

fn authority(authority: &Authority) -> CertificateAuthoritySource {
    let chain: String = authority.chain.iter().map(|der| pem_text::encode("CERTIFICATE", der)).collect();
    CertificateAuthoritySource {
        organization: authority.subject.organization.clone(),
        common_name: authority.subject.common_name.clone(),
        uri: authority.uri.clone(),
        cert_chain_pem: chain.into_bytes(),
    }
}

fn log(log: &Log) -> LogSource {
    LogSource {
        base_url: log.base_url.clone(),
        hash_algorithm: log.hash_algorithm.as_str().to_owned(),
        public_key_pem: pem_text::encode("PUBLIC KEY", log.public_key.spki_der()).into_bytes(),
    }
}
