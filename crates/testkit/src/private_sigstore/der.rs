//! As much of DER as a CT log needs: to take a certificate apart and leave out one extension.

use anyhow::{Context, Result, ensure};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// The poison extension of a precertificate, 1.3.6.1.4.1.11129.2.4.3 (RFC 6962, 3.1), with tag and length.
const POISON: [u8; 12] = [0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x03];

/// One element, as it stands.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// Returns the `SubjectPublicKeyInfo` of a certificate.
pub(super) fn public_key(certificate: &[u8]) -> Result<&[u8]> {
    let fields = elements(to_be_signed(certificate)?)?;
    // Version (optional), serial number, signature, issuer, validity, subject, key: RFC 5280, 4.1.
    let first = usize::from(fields.first().is_some_and(|field| field.tag == VERSION));
    Ok(fields.get(first + 5).context("a certificate without a public key")?.whole)
}

/// Returns the `TBSCertificate` of a precertificate without the poison extension, which is what a log signs.
pub(super) fn without_poison(precertificate: &[u8]) -> Result<Vec<u8>> {
    let mut kept = Vec::new();
    for field in elements(to_be_signed(precertificate)?)? {
        if field.tag == EXTENSIONS {
            kept.extend(extensions_without_poison(field.content)?);
        } else {
            kept.extend_from_slice(field.whole);
        }
    }
    Ok(encode(SEQUENCE, &kept))
}

fn extensions_without_poison(explicit: &[u8]) -> Result<Vec<u8>> {
    let (list, _) = element(explicit)?;
    let mut kept = Vec::new();
    let mut dropped = 0;
    for extension in elements(list.content)? {
        if extension.content.starts_with(&POISON) {
            dropped += 1;
        } else {
            kept.extend_from_slice(extension.whole);
        }
    }
    ensure!(dropped == 1, "a precertificate with {dropped} poison extensions");
    Ok(encode(EXTENSIONS, &encode(SEQUENCE, &kept)))
}

/// Returns what is in the `TBSCertificate`.
fn to_be_signed(certificate: &[u8]) -> Result<&[u8]> {
    let (certificate, _) = element(certificate)?;
    let (to_be_signed, _) = element(certificate.content)?;
    Ok(to_be_signed.content)
}

fn elements(mut rest: &[u8]) -> Result<Vec<Element<'_>>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (next, after) = element(rest)?;
        found.push(next);
        rest = after;
    }
    Ok(found)
}

fn element(input: &[u8]) -> Result<(Element<'_>, &[u8])> {
    let (&[tag, first], after) = input.split_first_chunk::<2>().context("DER ends early")?;
    let (length, body) = if first < 0x80 {
        (usize::from(first), after)
    } else {
        let size = usize::from(first & 0x7f);
        ensure!((1..=3).contains(&size), "a DER length of {size} bytes");
        let (bytes, body) = after.split_at_checked(size).context("DER ends early")?;
        (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), body)
    };
    let (content, rest) = body.split_at_checked(length).context("DER ends early")?;
    let whole = input.get(..input.len() - rest.len()).context("DER ends early")?;
    Ok((Element { tag, content, whole }, rest))
}

fn encode(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut encoded = vec![tag];
    if let Ok(length @ ..0x80) = u8::try_from(content.len()) {
        encoded.push(length);
    } else {
        let bytes = content.len().to_be_bytes();
        let significant = bytes.iter().skip_while(|&&byte| byte == 0);
        encoded.push(0x80 | u8::try_from(significant.clone().count()).unwrap_or(0x7f));
        encoded.extend(significant);
    }
    encoded.extend_from_slice(content);
    encoded
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, KeyPair, PublicKeyData as _};

    use super::*;

    fn certificate(key: &KeyPair, poisoned: bool) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.serial_number = Some(7_u64.into());
        if poisoned {
            let oid = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 3];
            let mut poison = CustomExtension::from_oid_content(&oid, vec![5, 0]);
            poison.set_criticality(true);
            params.custom_extensions = vec![poison];
        }
        params.self_signed(key).unwrap().der().to_vec()
    }

    #[test]
    fn without_poison_a_precertificate_is_what_the_certificate_says() {
        let key = KeyPair::generate().unwrap();
        let (plain, poisoned) = (certificate(&key, false), certificate(&key, true));
        let expected = encode(SEQUENCE, to_be_signed(&plain).unwrap());
        assert_eq!(without_poison(&poisoned).unwrap(), expected);
        assert!(without_poison(&plain).is_err());
    }

    #[test]
    fn public_key_is_found() {
        let key = KeyPair::generate().unwrap();
        assert_eq!(public_key(&certificate(&key, false)).unwrap(), key.subject_public_key_info());
    }

    #[test]
    fn lengths_round_trip() {
        for length in [0, 1, 127, 128, 255, 256, 65535, 65536] {
            let encoded = encode(4, &vec![9; length]);
            let (found, rest) = element(&encoded).unwrap();
            assert_eq!((found.content.len(), rest.len()), (length, 0));
        }
    }
}
