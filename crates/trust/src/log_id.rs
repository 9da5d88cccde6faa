//! The identity of a transparency log.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::key::{KeyAlgorithm, PublicKey};

/// Signature type of Ed25519 in C2SP `signed-note.md`.
const NOTE_ED25519: u8 = 0x01;

/// The 32 raw bytes that identify a log: `logId.keyId` in bundles, the log ID of an RFC 6962 SCT, and in its first
/// four bytes the key hint of a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId([u8; 32]);

impl LogId {
    /// Wraps the raw bytes of an ID.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the SHA-256 of the key's `SubjectPublicKeyInfo`: the rule of RFC 6962, section 3.2, of Rekor v1, and of
    /// ECDSA and RSA checkpoint keys.
    pub fn of_key(key: &PublicKey) -> Self {
        Self(Sha256::digest(key.spki_der()).into())
    }

    /// Returns the C2SP signed-note key ID of an Ed25519 log (Rekor v2), of which a note carries four bytes:
    /// SHA-256(origin, line feed, 0x01, raw key).
    pub fn of_ed25519_note(origin: &str, raw_key: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(origin.as_bytes());
        hash.update(b"\n");
        hash.update([NOTE_ED25519]);
        hash.update(raw_key);
        Self(hash.finalize().into())
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

/// Returns the ID of a signature log, and its origin where the ID is computed over one. `None` when the key needs an
/// origin that `base_url` does not name.
pub(crate) fn of_transparency_log(base_url: &str, key: &PublicKey) -> Option<(LogId, Option<String>)> {
    if *key.algorithm() != KeyAlgorithm::Ed25519 {
        return Some((LogId::of_key(key), None));
    }
    let origin = host(base_url)?;
    let log_id = LogId::of_ed25519_note(&origin, key.raw());
    Some((log_id, Some(origin)))
}

/// Returns the host of an absolute URL, without port, as the origin of a Rekor v2 log is formed.
fn host(base_url: &str) -> Option<String> {
    let url = url::Url::parse(base_url).ok()?;
    url.host_str().filter(|host| !host.is_empty()).map(str::to_owned)
}
