//! What a timestamp token holds that the library does not show.

use super::der::{self, Element};

/// The `genTime` of a token as it is written (RFC 3161, section 2.4.2).
pub(super) fn time_text(token: &[u8]) -> Option<&[u8]> {
    let signed_data = signed_data(token)?;
    // encapContentInfo { OID, [0] OCTET STRING }
    let encapsulated = der::elements(signed_data.get(2)?.content)?;
    let info = der::only(encapsulated.get(1)?.content, der::OCTET_STRING)?;
    let fields = der::elements(der::only(info.content, der::SEQUENCE)?.content)?;
    fields.iter().find(|field| field.tag == der::GENERALIZED_TIME).map(|field| field.content)
}

/// The certificates that a token brings along.
pub(super) fn certificates(token: &[u8]) -> Option<Vec<&[u8]>> {
    let certificates = signed_data(token)?.into_iter().find(|field| field.tag == der::context(0))?;
    let certificates = der::elements(certificates.content)?;
    Some(certificates.iter().filter(|one| one.tag == der::SEQUENCE).map(|one| one.whole).collect())
}

/// The fields of the `SignedData` (RFC 5652, section 5.1) in a `TimeStampResp` or a bare token: version, algorithms,
/// content, certificates as `[0]`, and so on.
fn signed_data(token: &[u8]) -> Option<Vec<Element<'_>>> {
    let fields = der::elements(der::only(token, der::SEQUENCE)?.content)?;
    // TimeStampResp { status, ContentInfo }, or ContentInfo { OID, [0] }.
    let content_info = match fields.as_slice() {
        [first, ..] if first.tag == der::OID => fields,
        [_, content_info] => der::elements(content_info.content)?,
        _ => return None,
    };
    der::elements(der::only(content_info.get(1)?.content, der::SEQUENCE)?.content)
}
