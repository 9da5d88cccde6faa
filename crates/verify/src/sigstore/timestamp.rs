//! RFC 3161 timestamps.

mod token;

use std::borrow::Cow;

use jiff::Timestamp;
use sigstore_verify::{
    tsa::{self, verify_timestamp_for_authority},
    types::{DerCertificate, SignatureBytes, TimeRange, TimestampToken, TsaAuthority},
};
use trustwright_trust::Authority;
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use super::der;
use crate::TimestampProblem;

/// Certificates of one token that are tried.
const MAX_SIGNERS: usize = 4;

/// The trusted timestamp authorities.
pub(super) struct TimestampAuthorities(Vec<Trusted>);

struct Trusted {
    authority: TsaAuthority,
    /// Whether the chain begins with the certificate that signs. Where it does not, a token brings that one along,
    /// and whoever the authority has certified for timestamps may have signed.
    has_signer: bool,
}

impl TimestampAuthorities {
    pub(super) fn new(authorities: &[Authority]) -> Self {
        let trusted = |authority: &Authority| {
            let certificate = |der: &Vec<u8>| DerCertificate::from_bytes(der);
            let (first, root) = (authority.chain.first()?, authority.chain.last()?);
            let has_signer = !is_authority(first);
            let skipped = usize::from(has_signer);
            let between = authority.chain.get(skipped..authority.chain.len() - 1).unwrap_or_default();
            let window = authority
                .valid_for
                .as_ref()
                .map(|window| TimeRange::new(window.start.unwrap_or(Timestamp::UNIX_EPOCH), window.end));
            let between = between.iter().map(certificate).collect();
            let authority = TsaAuthority::new(certificate(first), between, certificate(root), window);
            Some(Trusted { authority, has_signer })
        };
        Self(authorities.iter().filter_map(trusted).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The times of `tokens`, each of which must be over `message` and by one of the authorities.
    pub(super) fn check(
        &self,
        tokens: &[&TimestampToken],
        message: &[u8],
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, TimestampProblem> {
        // The library's name for whatever was timestamped.
        let message = SignatureBytes::from_bytes(message);
        tokens.iter().map(|token| self.check_one(token, &message, now)).collect()
    }

    fn check_one(
        &self,
        token: &TimestampToken,
        message: &SignatureBytes,
        now: Timestamp,
    ) -> Result<Timestamp, TimestampProblem> {
        let mut problem = TimestampProblem::NoAuthority;
        for authority in self.0.iter().flat_map(|trusted| trusted.signers(token)) {
            match verify_timestamp_for_authority(token, message, &authority) {
                Ok(at) if at > now => return Err(TimestampProblem::Future { at }),
                Ok(at) => return Ok(at),
                // By this authority; another's word is not asked for.
                Err(tsa::Error::TimestampOutsideValidity { time }) => {
                    return Err(TimestampProblem::OutsideAuthorityValidity { at: time });
                }
                Err(error) => problem = explain(&error, token),
            }
        }
        Err(problem)
    }
}

impl Trusted {
    /// The authority, with each certificate that may have signed `token`. The library holds whichever it is to the
    /// chain, its dates and its purpose.
    fn signers<'a>(&'a self, token: &TimestampToken) -> Vec<Cow<'a, TsaAuthority>> {
        if self.has_signer {
            return vec![Cow::Borrowed(&self.authority)];
        }
        let certificates = token::certificates(token.as_bytes()).unwrap_or_default();
        let signers = certificates.into_iter().filter(|der| !is_authority(der)).take(MAX_SIGNERS);
        let with = |der: &[u8]| {
            let mut authority = self.authority.clone();
            authority.leaf = DerCertificate::from_bytes(der);
            Cow::Owned(authority)
        };
        let signers: Vec<_> = signers.map(with).collect();
        if signers.is_empty() { vec![Cow::Borrowed(&self.authority)] } else { signers }
    }
}

/// Whether a certificate may issue others, so that it is not one that signs timestamps.
fn is_authority(der: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
    certificate.is_ca()
}

/// Why a token that is there does not count.
fn explain(error: &tsa::Error, token: &TimestampToken) -> TimestampProblem {
    use tsa::Error;
    match error {
        Error::HashMismatch { .. } => TimestampProblem::Mismatch,
        Error::Parse(_) | Error::Asn1(_) | Error::NoToken | Error::NoTstInfo => unreadable(token.as_bytes()),
        // The library's own enum, which grows: whatever else it is, nobody trusted has vouched.
        _ => TimestampProblem::Untrusted,
    }
}

/// Why a token that the library cannot read is not read.
fn unreadable(token: &[u8]) -> TimestampProblem {
    match token::time_text(token) {
        Some(text) if text.contains(&b'.') => TimestampProblem::FractionalSeconds,
        _ => TimestampProblem::Malformed,
    }
}
