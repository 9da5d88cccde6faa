//! Signed certificate timestamps that are embedded in a certificate (RFC 6962, section 3.3).

use aws_lc_rs::digest;
use jiff::Timestamp;
use trustwright_trust::{Log, LogId, Window};
use x509_parser::{
    certificate::X509Certificate,
    extensions::{CtVersion, ParsedExtension, SignedCertificateTimestamp},
};

use super::der;
use crate::{PublicKey, SctProblem};

/// The extension with the list of SCTs, `1.3.6.1.4.1.11129.2.4.2`, as the content of an OBJECT IDENTIFIER.
const SCT_LIST: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];

/// The trusted logs of certificates.
pub(super) struct CtLogs(Vec<CtLog>);

struct CtLog {
    id: LogId,
    key: PublicKey,
    window: Option<Window>,
}

impl CtLogs {
    /// `None` where a key cannot be used, which loaded material does not have.
    pub(super) fn new(logs: &[Log]) -> Option<Self> {
        let log = |log: &Log| {
            let key = PublicKey::from_der(log.public_key.spki_der(), None).ok()?;
            Some(CtLog { id: log.log_id, key, window: log.valid_for.clone() })
        };
        logs.iter().map(log).collect::<Option<_>>().map(Self)
    }

    /// Checks that `certificate` has an SCT, and that every SCT that it has is by a trusted log. `issuer` is the
    /// `SubjectPublicKeyInfo` of whoever issued it.
    pub(super) fn check(&self, certificate: &X509Certificate<'_>, issuer: &[u8]) -> Result<(), SctProblem> {
        let mut lists = certificate.extensions().iter().filter(|one| one.oid.as_bytes() == SCT_LIST);
        let list = match (lists.next(), lists.next()) {
            (None, _) => return Err(SctProblem::Missing),
            (Some(list), None) => list.parsed_extension(),
            (Some(_), Some(_)) => return Err(SctProblem::Malformed),
        };
        let ParsedExtension::SCT(list) = list else { return Err(SctProblem::Malformed) };
        if list.is_empty() {
            return Err(SctProblem::Missing);
        }
        let precertificate =
            without_scts(certificate.tbs_certificate.as_ref()).ok_or(SctProblem::Malformed)?;
        let issuer = digest::digest(&digest::SHA256, issuer);
        list.iter().try_for_each(|sct| self.check_one(sct, issuer.as_ref(), &precertificate))
    }

    fn check_one(
        &self,
        sct: &SignedCertificateTimestamp<'_>,
        issuer: &[u8],
        precertificate: &[u8],
    ) -> Result<(), SctProblem> {
        if sct.version != CtVersion::V1 {
            return Err(SctProblem::Malformed);
        }
        let milliseconds = i64::try_from(sct.timestamp).map_err(|_| SctProblem::Malformed)?;
        let at = Timestamp::from_millisecond(milliseconds).map_err(|_| SctProblem::Malformed)?;
        let is_valid = |log: &&CtLog| log.window.as_ref().is_none_or(|window| window.contains(at));
        let id = LogId::new(*sct.id.key_id);
        let log = self.0.iter().find(|log| log.id == id).filter(is_valid).ok_or(SctProblem::UnknownLog)?;
        let message = digitally_signed(sct, issuer, precertificate).ok_or(SctProblem::Malformed)?;
        if log.key.verifies(&message, sct.signature.data) {
            return Ok(());
        }
        Err(SctProblem::Signature)
    }
}

/// What the log has signed (RFC 6962, section 3.2).
fn digitally_signed(
    sct: &SignedCertificateTimestamp<'_>,
    issuer: &[u8],
    precertificate: &[u8],
) -> Option<Vec<u8>> {
    let length = u32::try_from(precertificate.len()).ok().filter(|length| *length < 1 << 24)?;
    let extensions = u16::try_from(sct.extensions.0.len()).ok()?;
    let mut message = vec![0, 0];
    message.extend_from_slice(&sct.timestamp.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(issuer);
    message.extend_from_slice(length.to_be_bytes().get(1..)?);
    message.extend_from_slice(precertificate);
    message.extend_from_slice(&extensions.to_be_bytes());
    message.extend_from_slice(sct.extensions.0);
    Some(message)
}

/// A `TBSCertificate` without the list of SCTs: what the log has seen.
fn without_scts(tbs: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(tbs.len());
    for field in der::elements(der::only(tbs, der::SEQUENCE)?.content)? {
        // Extensions, RFC 5280, section 4.1.
        if field.tag != der::context(3) {
            content.extend_from_slice(field.whole);
            continue;
        }
        let mut kept = Vec::with_capacity(field.content.len());
        for extension in der::elements(der::only(field.content, der::SEQUENCE)?.content)? {
            let (oid, _) = der::read(extension.content).filter(|(oid, _)| oid.tag == der::OID)?;
            if oid.content != SCT_LIST {
                kept.extend_from_slice(extension.whole);
            }
        }
        if !kept.is_empty() {
            content.extend(der::write(der::context(3), &der::write(der::SEQUENCE, &kept)));
        }
    }
    Some(der::write(der::SEQUENCE, &content))
}
