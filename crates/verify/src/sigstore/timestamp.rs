//! RFC 3161 timestamps.

use jiff::Timestamp;
use sigstore_verify::{
    tsa::{self, verify_timestamp_for_authority},
    types::{DerCertificate, SignatureBytes, TimeRange, TimestampToken, TsaAuthority},
};
use trustwright_trust::Authority;

use super::der;
use crate::TimestampProblem;

/// The trusted timestamp authorities.
pub(super) struct TimestampAuthorities(Vec<TsaAuthority>);

impl TimestampAuthorities {
    pub(super) fn new(authorities: &[Authority]) -> Self {
        let authority = |authority: &Authority| {
            let certificate = |der: &Vec<u8>| DerCertificate::from_bytes(der);
            // A chain of one is signer and root.
            let (leaf, root) = (authority.chain.first()?, authority.chain.last()?);
            let between = authority.chain.get(1..authority.chain.len() - 1).unwrap_or_default();
            let window = authority
                .valid_for
                .as_ref()
                .map(|window| TimeRange::new(window.start.unwrap_or(Timestamp::UNIX_EPOCH), window.end));
            Some(TsaAuthority::new(
                certificate(leaf),
                between.iter().map(certificate).collect(),
                certificate(root),
                window,
            ))
        };
        Self(authorities.iter().filter_map(authority).collect())
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
        for authority in &self.0 {
            match verify_timestamp_for_authority(token, message, authority) {
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
pub(super) fn unreadable(token: &[u8]) -> TimestampProblem {
    match time_text(token) {
        Some(text) if text.contains(&b'.') => TimestampProblem::FractionalSeconds,
        _ => TimestampProblem::Malformed,
    }
}

/// The `genTime` of a `TimeStampResp` or of a bare token, as it is written (RFC 3161, section 2.4.2).
fn time_text(token: &[u8]) -> Option<&[u8]> {
    let fields = der::elements(der::only(token, der::SEQUENCE)?.content)?;
    // TimeStampResp { status, ContentInfo }, or ContentInfo { OID, [0] }.
    let content_info = match fields.as_slice() {
        [first, ..] if first.tag == der::OID => fields,
        [_, content_info] => der::elements(content_info.content)?,
        _ => return None,
    };
    let signed_data = der::elements(der::only(content_info.get(1)?.content, der::SEQUENCE)?.content)?;
    // SignedData { version, digestAlgorithms, encapContentInfo { OID, [0] OCTET STRING }, … }
    let encapsulated = der::elements(signed_data.get(2)?.content)?;
    let info = der::only(encapsulated.get(1)?.content, der::OCTET_STRING)?;
    let fields = der::elements(der::only(info.content, der::SEQUENCE)?.content)?;
    fields.iter().find(|field| field.tag == der::GENERALIZED_TIME).map(|field| field.content)
}
