//! What is asked of a signature.

use aws_lc_rs::digest;
use jiff::Timestamp;
use trustwright_core::Digest;

/// What must have been signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Artifact<'a> {
    /// Something by its SHA-256 digest, such as an image.
    Digest(Digest),
    /// Something that is here.
    Bytes(&'a [u8]),
}

impl Artifact<'_> {
    /// Its SHA-256 digest.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Digest(digest) => *digest,
            Self::Bytes(bytes) => sha256(bytes),
        }
    }
}

/// The SHA-256 digest of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    Digest::from_bytes(out)
}

/// As what the artifact must have been signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Claim {
    /// A signature: a simple-signing payload, the artifact itself, or a statement whose predicate type is cosign's
    /// `https://sigstore.dev/cosign/sign/v1`.
    Signature,
    /// An attestation: a statement of any predicate type.
    Attestation,
}

/// What has to vouch for a signature, besides its key or certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Requirements {
    /// An entry in a transparency log, and every entry that is there must count. Else no entry is looked at.
    pub log_entry: bool,
    /// A timestamp of a timestamp authority. Those of a certificate's signature are looked at in any case.
    pub timestamp: bool,
    /// An SCT in the certificate; `insecureIgnoreSCT` is `false`.
    pub sct: bool,
}

/// What is asked of a signature.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What must have been signed.
    pub artifact: Artifact<'a>,
    /// As what.
    pub claim: Claim,
    /// What else has to vouch for it.
    pub requirements: Requirements,
    /// The current time: no verified time may be later. The library reads the clock besides, for what logs state.
    pub now: Timestamp,
}
