//! A signing certificate, read.

use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp;
use trustwright_trust::Window;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer as _,
};

use crate::{CertificateProblem, Identity, PublicKey, SubjectName, sigstore::der};

/// The arc of Fulcio's extensions, <https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md>.
const FULCIO: &str = "1.3.6.1.4.1.57264.1.";
/// Fulcio's `otherName` for user names, as the content of an OBJECT IDENTIFIER.
const USER_NAME: &str = "1.3.6.1.4.1.57264.1.7";
/// Last of Fulcio's extensions whose value is bare text; later ones hold a `UTF8String`.
const LAST_BARE: u32 = 6;

/// A signing certificate.
pub(crate) struct Leaf<'a> {
    pub(crate) parsed: X509Certificate<'a>,
    pub(crate) identity: Identity,
}

impl<'a> Leaf<'a> {
    /// Reads `der`. Whether anybody vouches for it is not looked at.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, CertificateProblem> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateProblem::Malformed)?;
        if !rest.is_empty() {
            return Err(CertificateProblem::Malformed);
        }
        let identity = identity(&parsed).ok_or(CertificateProblem::Malformed)?;
        Ok(Self { parsed, identity })
    }

    /// Whether it is for signing code (RFC 5280, section 4.2.1.12), and says so.
    pub(crate) fn is_for_code(&self) -> bool {
        let usage = self.parsed.extended_key_usage();
        matches!(usage, Ok(Some(usage)) if usage.value.code_signing)
    }

    /// The key that it is for. Made when it is needed: the library makes its own.
    pub(crate) fn key(&self) -> Result<PublicKey, CertificateProblem> {
        PublicKey::from_der(self.parsed.public_key().raw, None)
            .map_err(|_| CertificateProblem::UnsupportedKey)
    }
}

/// When a certificate is valid.
pub(crate) fn validity(certificate: &X509Certificate<'_>) -> Option<Window> {
    let dates = certificate.validity();
    let start = Timestamp::from_second(dates.not_before.timestamp()).ok()?;
    let end = Timestamp::from_second(dates.not_after.timestamp()).ok()?;
    Some(Window { start: Some(start), end: Some(end) })
}

fn identity(certificate: &X509Certificate<'_>) -> Option<Identity> {
    let mut extensions = BTreeMap::new();
    let mut subjects = None;
    for extension in certificate.extensions() {
        let oid = extension.oid.to_id_string();
        if let Some(number) = oid.strip_prefix(FULCIO).and_then(|number| number.parse().ok()) {
            let text = text(number, extension.value)?;
            // RFC 5280, section 4.2: an extension stands once.
            if extensions.insert(number, text).is_some() {
                return None;
            }
        }
        if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension()
            && subjects.replace(subject_names(&names.general_names)?).is_some()
        {
            return None;
        }
    }
    let issuer = match (extensions.get(&1), extensions.get(&8)) {
        // Fulcio writes the same into both.
        (Some(old), Some(new)) if old != new => return None,
        (old, new) => new.or(old).cloned(),
    };
    let validity = validity(certificate)?;
    Some(Identity { subjects: subjects.unwrap_or_default(), issuer, extensions, validity })
}

/// The text of one of Fulcio's extensions.
fn text(number: u32, value: &[u8]) -> Option<String> {
    let wrapped = der::only(value, der::UTF8_STRING).map(|element| element.content);
    let bytes = if number <= LAST_BARE { wrapped.unwrap_or(value) } else { wrapped? };
    String::from_utf8(bytes.to_vec()).ok()
}

fn subject_names(names: &[GeneralName<'_>]) -> Option<Vec<SubjectName>> {
    let mut subjects = Vec::new();
    for name in names {
        match name {
            GeneralName::DNSName(name) => subjects.push(SubjectName::Dns((*name).to_owned())),
            GeneralName::RFC822Name(name) => subjects.push(SubjectName::Email((*name).to_owned())),
            GeneralName::URI(name) => subjects.push(SubjectName::Uri((*name).to_owned())),
            GeneralName::IPAddress(bytes) => subjects.push(SubjectName::Ip(address(bytes)?)),
            GeneralName::OtherName(oid, value) if oid.to_id_string() == USER_NAME => {
                subjects.push(SubjectName::UserName(user_name(value)?));
            }
            // Names of other kinds, which no policy can ask for.
            _ => {}
        }
    }
    // The field's order; names of one kind stay in theirs.
    subjects.sort_by_key(|subject| match subject {
        SubjectName::Dns(_) => 0,
        SubjectName::Email(_) => 1,
        SubjectName::Ip(_) => 2,
        SubjectName::Uri(_) => 3,
        SubjectName::UserName(_) => 4,
    });
    Some(subjects)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(bytes.into());
    }
    Some(<[u8; 16]>::try_from(bytes).ok()?.into())
}

/// RFC 5280, section 4.2.1.6: the value is tagged `[0] EXPLICIT`; in it Fulcio puts a `UTF8String`.
fn user_name(value: &[u8]) -> Option<String> {
    let inner = der::only(value, der::context(0)).map_or(value, |element| element.content);
    String::from_utf8(der::only(inner, der::UTF8_STRING)?.content.to_vec()).ok()
}
