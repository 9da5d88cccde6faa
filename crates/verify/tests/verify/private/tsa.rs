//! An RFC 3161 timestamp authority.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256, SerialNumber,
    SigningKey as _, date_time_ymd,
};
use serde_json::json;
use sigstore_verify::crypto::sha256;
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use super::Authority;

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// A timestamp authority, with a root of its own.
pub(crate) struct Tsa {
    root: Authority,
    key: KeyPair,
    certificate: Vec<u8>,
}

impl Tsa {
    pub(super) fn new() -> Self {
        Self::with_root(Authority::new(), ExtendedKeyUsagePurpose::TimeStamping)
    }

    /// Somebody whom the same root has certified for something else.
    pub(crate) fn impostor(&self) -> Self {
        let root = Authority {
            key: super::copy(&self.root.key),
            params: self.root.params.clone(),
            certificate: self.root.certificate.clone(),
        };
        Self::with_root(root, ExtendedKeyUsagePurpose::CodeSigning)
    }

    fn with_root(root: Authority, usage: ExtendedKeyUsagePurpose) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.serial_number = Some(SerialNumber::from(9_u64));
        params.extended_key_usages = vec![usage];
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2034, 1, 1);
        let certificate = root.issue(&params, &key).der().to_vec();
        Self { root, key, certificate }
    }

    pub(super) fn chain(&self) -> [&[u8]; 2] {
        [&self.certificate, self.root.certificate.der()]
    }

    /// A response for `message`; `time` is a `GeneralizedTime` as it is to be written.
    pub(crate) fn stamp(&self, message: &[u8], time: &str) -> Vec<u8> {
        self.stamp_with(message, time, &[])
    }

    /// As [`Tsa::stamp`], with certificates in it.
    fn stamp_with(&self, message: &[u8], time: &str, certificates: &[&[u8]]) -> Vec<u8> {
        let algorithm = sequence(&[&oid(SHA256)]);
        let info = sequence(&[
            &integer(1),
            &oid(&[0x2a, 0x03, 0x04, 0x01]),
            &sequence(&[&algorithm, &octets(sha256(message).as_bytes())]),
            &integer(5),
            &tlv(0x18, &[time.as_bytes()]),
        ]);
        let attributes = [
            sequence(&[&oid(CONTENT_TYPE), &tlv(0x31, &[&oid(TST_INFO)])]),
            sequence(&[&oid(MESSAGE_DIGEST), &tlv(0x31, &[&octets(sha256(&info).as_bytes())])]),
        ]
        .concat();
        let signature = self.key.sign(&tlv(0x31, &[&attributes])).unwrap();
        let (_, certificate) = X509Certificate::from_der(&self.certificate).unwrap();
        let signer = sequence(&[
            &integer(1),
            &sequence(&[certificate.issuer().as_raw(), &tlv(0x02, &[certificate.raw_serial()])]),
            &algorithm,
            &tlv(0xa0, &[&attributes]),
            &sequence(&[&oid(ECDSA_SHA256)]),
            &octets(&signature),
        ]);
        let certificates = if certificates.is_empty() { Vec::new() } else { tlv(0xa0, certificates) };
        let signed_data = sequence(&[
            &integer(3),
            &tlv(0x31, &[&algorithm]),
            &sequence(&[&oid(TST_INFO), &tlv(0xa0, &[&octets(&info)])]),
            &certificates,
            &tlv(0x31, &[&signer]),
        ]);
        let token = sequence(&[&oid(SIGNED_DATA), &tlv(0xa0, &[&signed_data])]);
        sequence(&[&sequence(&[&integer(0)]), &token])
    }

    /// A timestamp as cosign's annotation.
    pub(crate) fn annotation(&self, message: &[u8], time: &str) -> String {
        annotation(&self.stamp(message, time))
    }

    /// As [`Tsa::annotation`], with the certificate that has signed.
    pub(crate) fn annotation_with_signer(&self, message: &[u8], time: &str) -> String {
        annotation(&self.stamp_with(message, time, &[&self.certificate]))
    }
}

fn annotation(token: &[u8]) -> String {
    json!({ "SignedRFC3161Timestamp": STANDARD.encode(token) }).to_string()
}

/// The first element inside of an element, whole.
pub(super) fn first_child(der: &[u8]) -> &[u8] {
    let header = |der: &[u8]| match der[1] {
        short if short < 0x80 => (2, usize::from(short)),
        long => {
            let count = usize::from(long & 0x7f);
            (2 + count, der[2..2 + count].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
        }
    };
    let inner = &der[header(der).0..];
    let (start, length) = header(inner);
    &inner[..start + length]
}

pub(super) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        Err(_) => {
            out.push(0x82);
            out.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        }
    }
    out.extend(content);
    out
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(0x04, &[bytes])
}

fn oid(content: &[u8]) -> Vec<u8> {
    tlv(0x06, &[content])
}

fn integer(value: u8) -> Vec<u8> {
    tlv(0x02, &[&[value]])
}
