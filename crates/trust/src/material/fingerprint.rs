//! The fingerprint of trust material and the encoding beneath it.

use std::fmt;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Authority, Log, TrustMaterial, Window};

/// Opens the encoding. A change of the encoding changes it, since equal bytes must mean equal trust.
const VERSION: &[u8] = b"trustwright.dev/trust-material/v1";

/// Identifies what is trusted: `sha256:` and 64 lower-case hex digits.
///
/// SHA-256 over an encoding of the usable material only. Metadata versions and expiries, the order of entries,
/// duplicates, names that are only recorded (subjects, tree hash algorithms) and unusable entries leave it as it is,
/// so that a re-signed timestamp restarts nothing.
///
/// # Encoding
///
/// A *string* is its length in bytes as 8 bytes big-endian, then the bytes. The hash covers the string
/// `trustwright.dev/trust-material/v1`, the number of entries (8 bytes big-endian) and each entry as a string, in
/// ascending byte order, each once. An entry is one byte for its kind, then:
///
/// | kind | fields |
/// |---|---|
/// | 1 certificate authority, 2 timestamp authority | URI (string), number of certificates (8 bytes), each certificate's DER (string), window |
/// | 3 transparency log, 4 CT log | base URL (string), log ID (string), `SubjectPublicKeyInfo` (string), window |
///
/// A window is its start and its end, each one byte 0 (unbounded) or one byte 1 and the nanoseconds since the Unix
/// epoch as 16 bytes, big-endian two's complement. No window is a window without ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Returns the raw hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn of(material: &TrustMaterial) -> Self {
        let mut entries: Vec<Vec<u8>> = Vec::new();
        entries.extend(material.certificate_authorities().iter().map(|entry| authority(1, entry)));
        entries.extend(material.timestamp_authorities().iter().map(|entry| authority(2, entry)));
        entries.extend(material.transparency_logs().iter().map(|entry| log(3, entry)));
        entries.extend(material.ct_logs().iter().map(|entry| log(4, entry)));
        entries.sort();
        entries.dedup();
        let mut encoding = Vec::new();
        string(&mut encoding, VERSION);
        count(&mut encoding, entries.len());
        for entry in &entries {
            string(&mut encoding, entry);
        }
        Self(Sha256::digest(&encoding).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

fn authority(kind: u8, entry: &Authority) -> Vec<u8> {
    let mut out = vec![kind];
    string(&mut out, entry.uri.as_bytes());
    count(&mut out, entry.chain.len());
    for certificate in &entry.chain {
        string(&mut out, certificate);
    }
    window(&mut out, entry.valid_for.as_ref());
    out
}

fn log(kind: u8, entry: &Log) -> Vec<u8> {
    let mut out = vec![kind];
    string(&mut out, entry.base_url.as_bytes());
    string(&mut out, entry.log_id.as_bytes());
    string(&mut out, entry.public_key.spki_der());
    window(&mut out, entry.valid_for.as_ref());
    out
}

fn window(out: &mut Vec<u8>, window: Option<&Window>) {
    instant(out, window.and_then(|window| window.start));
    instant(out, window.and_then(|window| window.end));
}

fn instant(out: &mut Vec<u8>, at: Option<Timestamp>) {
    match at {
        None => out.push(0),
        Some(at) => {
            out.push(1);
            out.extend_from_slice(&at.as_nanosecond().to_be_bytes());
        }
    }
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    count(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn count(out: &mut Vec<u8>, number: usize) {
    // No supported target has a wider `usize`.
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    out.extend_from_slice(&number.to_be_bytes());
}
