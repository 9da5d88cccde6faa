//! `spec.sigstoreKeys`: keys without TUF.

use jiff::Timestamp;
use trustwright_api::spec::Base64Data;
use trustwright_api::v1alpha1::{CertificateAuthority, LogInstance, SigstoreKeys};
use trustwright_trust::{CertificateAuthoritySource, LogSource, SigstoreKeysSource, from_sigstore_keys};

use super::Loaded;

/// Loads the keys, each for itself.
pub(super) fn load(keys: &SigstoreKeys, now: Timestamp) -> Loaded {
    Loaded::of("sigstoreKeys", from_sigstore_keys(&sigstore_keys_source(keys), now))
}

/// Takes the keys of `spec.sigstoreKeys` out of their Kubernetes form.
pub fn sigstore_keys_source(keys: &SigstoreKeys) -> SigstoreKeysSource {
    // What is no base64 is handed on as it is, so that the key is reported like any other that holds no PEM.
    let bytes = |data: &Option<Base64Data>| {
        data.as_ref()
            .map(|data| data.decode("").unwrap_or_else(|_| data.0.clone().into_bytes()))
            .unwrap_or_default()
    };
    let authority = |authority: &CertificateAuthority| CertificateAuthoritySource {
        organization: authority.subject.organization.clone(),
        common_name: authority.subject.common_name.clone(),
        uri: authority.uri.clone(),
        cert_chain_pem: bytes(&authority.cert_chain),
    };
    let log = |log: &LogInstance| LogSource {
        base_url: log.base_url.clone(),
        hash_algorithm: log.hash_algorithm.clone(),
        public_key_pem: bytes(&log.public_key),
    };
    SigstoreKeysSource {
        certificate_authorities: keys.certificate_authorities.iter().map(authority).collect(),
        timestamp_authorities: keys.timestamp_authorities.iter().map(authority).collect(),
        t_logs: keys.t_logs.iter().map(log).collect(),
        ct_logs: keys.ct_logs.iter().map(log).collect(),
    }
}
