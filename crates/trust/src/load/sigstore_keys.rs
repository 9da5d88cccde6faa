//! Keys that are listed one by one.

use jiff::Timestamp;

use super::candidate::{AuthorityInput, Candidate, LogInput};
use super::{Loaded, SourceError, assemble};
use crate::material::{HashAlgorithm, Subject};
use crate::pem_text;
use crate::source::{CertificateAuthoritySource, LogSource, SigstoreKeysSource};

/// Loads keys that are listed one by one, as in `spec.sigstoreKeys`.
///
/// The log ID of an Ed25519 transparency log is computed over the host of its base URL, that of any other log over
/// its key alone. `now` is for the reports only.
///
/// # Guarantees
///
/// An unusable entry is reported and left out; the others are trusted as if it had not been there.
///
/// # Errors
///
/// [`SourceError::NothingUsable`] when nothing is left.
pub fn from_sigstore_keys(source: &SigstoreKeysSource, now: Timestamp) -> Result<Loaded, SourceError> {
    let certificate_authorities = source.certificate_authorities.iter().map(authority);
    let timestamp_authorities = source.timestamp_authorities.iter().map(authority);
    let candidates = certificate_authorities
        .map(|input| Candidate::certificate_authority(input, now))
        .chain(timestamp_authorities.map(|input| Candidate::timestamp_authority(input, now)))
        .chain(source.t_logs.iter().map(|entry| Candidate::transparency_log(log(entry), now)))
        .chain(source.ct_logs.iter().map(|entry| Candidate::ct_log(log(entry), now)))
        .collect();
    assemble(candidates)
}

fn authority(source: &CertificateAuthoritySource) -> AuthorityInput {
    AuthorityInput {
        subject: Subject {
            organization: source.organization.clone(),
            common_name: source.common_name.clone(),
        },
        uri: source.uri.clone(),
        chain: pem_text::certificates(&source.cert_chain_pem),
        valid_for: None,
    }
}

fn log(source: &LogSource) -> LogInput {
    LogInput {
        base_url: source.base_url.clone(),
        hash_algorithm: HashAlgorithm::parse(&source.hash_algorithm),
        key: pem_text::public_key(&source.public_key_pem),
        log_id: None,
        valid_for: None,
    }
}
