//! The trusted keys and certificates, as an immutable value.

mod fingerprint;

use std::fmt;

use jiff::Timestamp;

pub use fingerprint::Fingerprint;

use crate::key::PublicKey;
use crate::log_id::LogId;

/// What is trusted: authorities and logs, each usable by the verifier.
///
/// Made by loading a source only, in a canonical order and without duplicates: two materials that trust the same are
/// equal, whatever the order of their sources. An empty list means that nothing of that kind is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustMaterial {
    certificate_authorities: Vec<Authority>,
    ct_logs: Vec<Log>,
    timestamp_authorities: Vec<Authority>,
    transparency_logs: Vec<Log>,
}

impl TrustMaterial {
    pub(crate) fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut material = Self::default();
        for entry in entries {
            match entry {
                Entry::CertificateAuthority(authority) => material.certificate_authorities.push(authority),
                Entry::CtLog(log) => material.ct_logs.push(log),
                Entry::TimestampAuthority(authority) => material.timestamp_authorities.push(authority),
                Entry::TransparencyLog(log) => material.transparency_logs.push(log),
            }
        }
        for authorities in [&mut material.certificate_authorities, &mut material.timestamp_authorities] {
            authorities.sort();
            authorities.dedup_by(|a, b| a.same_trust(b));
        }
        for logs in [&mut material.ct_logs, &mut material.transparency_logs] {
            logs.sort();
            logs.dedup_by(|a, b| a.same_trust(b));
        }
        material
    }

    /// Returns the authorities that issue signing certificates.
    pub fn certificate_authorities(&self) -> &[Authority] {
        &self.certificate_authorities
    }

    /// Returns the logs of issued certificates.
    pub fn ct_logs(&self) -> &[Log] {
        &self.ct_logs
    }

    /// Returns the RFC 3161 timestamp authorities.
    pub fn timestamp_authorities(&self) -> &[Authority] {
        &self.timestamp_authorities
    }

    /// Returns the logs of signatures.
    pub fn transparency_logs(&self) -> &[Log] {
        &self.transparency_logs
    }

    /// Returns this material with the transparency logs of `other` in place of its own: an authority may name one
    /// root for certificates and another for logs.
    #[must_use]
    pub fn with_transparency_logs_of(mut self, other: &Self) -> Self {
        self.transparency_logs.clone_from(&other.transparency_logs);
        self
    }

    /// Returns this material with the certificate authorities of `other` in place of its own.
    #[must_use]
    pub fn with_certificate_authorities_of(mut self, other: &Self) -> Self {
        self.certificate_authorities.clone_from(&other.certificate_authorities);
        self
    }

    /// Returns this material with the timestamp authorities of `other` in place of its own.
    #[must_use]
    pub fn with_timestamp_authorities_of(mut self, other: &Self) -> Self {
        self.timestamp_authorities.clone_from(&other.timestamp_authorities);
        self
    }

    /// Returns the fingerprint of what is trusted. See [`Fingerprint`] for what goes in.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self)
    }
}

/// One entry of a material, with its role.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    CertificateAuthority(Authority),
    CtLog(Log),
    TimestampAuthority(Authority),
    TransparencyLog(Log),
}

/// A certificate or timestamp authority. Orders by what is trusted first and by what is only recorded last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Authority {
    /// Certificates in DER, the root last; at least one. Each was signed by the next.
    pub chain: Vec<Vec<u8>>,
    /// Where the authority is served; may be empty.
    pub uri: String,
    /// When it may have signed; `None` is any time within its certificates' dates.
    pub valid_for: Option<Window>,
    /// Its name; recorded only, and no part of the fingerprint.
    pub subject: Subject,
}

impl Authority {
    fn same_trust(&self, other: &Self) -> bool {
        self.chain == other.chain && self.uri == other.uri && self.valid_for == other.valid_for
    }
}

/// The name of an authority.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Organization; may be empty.
    pub organization: String,
    /// Common name; may be empty.
    pub common_name: String,
}

/// A transparency log, of signatures or of certificates. Orders by what is trusted first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Log {
    /// The log's ID; unique among the logs of its kind in one material.
    pub log_id: LogId,
    /// Its public key.
    pub public_key: PublicKey,
    /// Where it is served; may be empty.
    pub base_url: String,
    /// When it may have signed; `None` is any time.
    pub valid_for: Option<Window>,
    /// The name in its checkpoints, where the log ID is computed over one (Ed25519) and the base URL's host is it.
    pub origin: Option<String>,
    /// Hash algorithm of its tree; recorded only, and no part of the fingerprint.
    pub hash_algorithm: HashAlgorithm,
}

impl Log {
    /// Returns whether both trust the same key, under the same ID, URL and window.
    pub(crate) fn same_trust(&self, other: &Self) -> bool {
        self.log_id == other.log_id
            && self.public_key == other.public_key
            && self.base_url == other.base_url
            && self.valid_for == other.valid_for
    }
}

/// A closed interval of time (`TimeRange` of protobuf-specs): both ends belong to it, a missing end is unbounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// First instant.
    pub start: Option<Timestamp>,
    /// Last instant.
    pub end: Option<Timestamp>,
}

impl Window {
    /// Returns whether `time` lies in it.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }

    /// Returns the instants that lie in both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let later = self.start.max(other.start);
        let earlier = match (self.end, other.end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { start: later, end: earlier }
    }
}

/// Hash algorithm of a log's tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// None that is known; no check rests on it.
    #[default]
    Unspecified,
}

impl HashAlgorithm {
    /// Reads the spellings `sha-256`, `sha256` and `SHA2_256` and so on, in any case; anything else is
    /// [`HashAlgorithm::Unspecified`], as in the system whose resources these are.
    pub fn parse(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "sha-256" | "sha256" | "sha2_256" => Self::Sha256,
            "sha-384" | "sha384" | "sha2_384" => Self::Sha384,
            "sha-512" | "sha512" | "sha2_512" => Self::Sha512,
            _ => Self::Unspecified,
        }
    }

    /// Returns the spelling of a `TrustRoot`, such as `sha-256`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
            Self::Unspecified => "unspecified",
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
