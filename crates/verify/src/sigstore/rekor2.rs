//! Entries of Rekor v2: `hashedrekord` 0.0.2, the only type that it writes.
//!
//! The library reads them for P-256 keys. These are read here, for every kind of key that the log takes.
//!
//! What is signed is the checkpoint, and what it proves is the entry's body, byte for byte. Nothing else in the entry
//! is vouched for by anyone, and nothing else is read.

use std::borrow::Cow;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::merkle;
use crate::{
    Artifact, EntryProblem, HashAlgorithm, KeyAlgorithm, PublicKey, Refusal, Signature, evidence::Content,
    key::Scheme,
};

/// Longest body that is read, in bytes: a certificate and a signature, several times over.
const MAX_BODY: usize = 64 << 10;

/// Who has signed, as the entry has to name it: in DER.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verifier<'a> {
    Certificate(&'a [u8]),
    Key(&'a [u8]),
}

/// What an entry has to speak of, once the signature has been verified.
pub(super) struct Signed<'a> {
    pub(super) signature: &'a Signature,
    pub(super) artifact: &'a Artifact<'a>,
    pub(super) key: &'a PublicKey,
    /// How it was made.
    pub(super) scheme: Scheme,
    pub(super) verifier: Verifier<'a>,
}

/// The body: `dev.sigstore.rekor.v2.Entry` as canonical JSON. A field that is not here is of another version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    spec: Spec<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec<'a> {
    #[serde(rename = "hashedRekordV002", borrow)]
    entry: HashedRekord<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HashedRekord<'a> {
    #[serde(borrow)]
    data: Data<'a>,
    #[serde(borrow)]
    signature: SignatureField<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data<'a> {
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(borrow)]
    digest: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureField<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(borrow)]
    verifier: VerifierField<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct VerifierField<'a> {
    #[serde(borrow)]
    key_details: Cow<'a, str>,
    #[serde(borrow)]
    public_key: Option<Der<'a>>,
    #[serde(borrow)]
    x509_certificate: Option<Der<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Der<'a> {
    #[serde(borrow)]
    raw_bytes: Cow<'a, str>,
}

impl Signed<'_> {
    /// Checks that `body` is an entry for this signature, this signer and this digest, made as it was.
    pub(super) fn check(&self, body: &[u8]) -> Result<(), Refusal> {
        let (hash, details) = self.names().ok_or_else(|| Refusal::KeyKind(self.key.algorithm().as_str()))?;
        let HashedRekord { data, signature } = read(body).ok_or(EntryProblem::Malformed)?;
        if decode(&signature.content)? != self.signature.content().signature() {
            return Err(EntryProblem::Signature.into());
        }
        let SignatureField { verifier: VerifierField { key_details, public_key, x509_certificate }, .. } =
            signature;
        let named = match (self.verifier, x509_certificate, public_key) {
            (Verifier::Certificate(der), Some(named), None) | (Verifier::Key(der), None, Some(named)) => {
                decode(&named.raw_bytes)? == der
            }
            // Of both at once, neither is meant; and a certificate for a key says more than the evidence does.
            (Verifier::Certificate(_) | Verifier::Key(_), _, _) => false,
        };
        if !named {
            return Err(EntryProblem::Signer.into());
        }
        if data.algorithm != hash || key_details != details {
            return Err(EntryProblem::Algorithm.into());
        }
        if decode(&data.digest)? != self.digest()? {
            return Err(EntryProblem::Digest.into());
        }
        Ok(())
    }

    /// The digest of what was signed, by the hash that it was signed with.
    fn digest(&self) -> Result<Vec<u8>, Refusal> {
        let message = match (self.signature.content(), self.artifact) {
            (Content::Simple { payload, .. }, _) => payload,
            (Content::Typed { encoding, .. }, _) => &**encoding,
            (Content::Plain { .. }, Artifact::Bytes(bytes)) => bytes,
            (Content::Plain { .. }, Artifact::Digest(digest))
                if self.scheme.hash == HashAlgorithm::Sha256 =>
            {
                return Ok(digest.as_bytes().to_vec());
            }
            (Content::Plain { .. }, Artifact::Digest(_)) => {
                return Err(Refusal::NeedsMessage(self.key.algorithm().as_str()));
            }
        };
        let algorithm = match self.scheme.hash {
            HashAlgorithm::Sha224 => &digest::SHA224,
            HashAlgorithm::Sha256 => &digest::SHA256,
            HashAlgorithm::Sha384 => &digest::SHA384,
            HashAlgorithm::Sha512 => &digest::SHA512,
        };
        Ok(digest::digest(algorithm, message).as_ref().to_vec())
    }

    /// What the log calls the hash, and the key with its hash and padding (`HashAlgorithm` and `PublicKeyDetails` of
    /// `sigstore_common.proto`). `None` where it has no name for them, and so no entry.
    ///
    /// Of Ed25519 it takes the prehashed form only, which is another signature than those that are verified here.
    fn names(&self) -> Option<(&'static str, Cow<'static, str>)> {
        use HashAlgorithm::{Sha256, Sha384, Sha512};
        let details = match (self.key.algorithm(), self.scheme.hash) {
            (KeyAlgorithm::EcdsaP256, Sha256) => "PKIX_ECDSA_P256_SHA_256".into(),
            (KeyAlgorithm::EcdsaP384, Sha384) => "PKIX_ECDSA_P384_SHA_384".into(),
            (KeyAlgorithm::EcdsaP384, Sha256) => "PKIX_ECDSA_P384_SHA_256".into(),
            (KeyAlgorithm::EcdsaP521, Sha512) => "PKIX_ECDSA_P521_SHA_512".into(),
            (KeyAlgorithm::EcdsaP521, Sha256) => "PKIX_ECDSA_P521_SHA_256".into(),
            (KeyAlgorithm::Rsa, Sha256) => {
                let bits = self.key.rsa_bits().filter(|bits| [2048, 3072, 4096].contains(bits))?;
                let padding = if self.scheme.is_pss { "PSS" } else { "PKCS1V15" };
                format!("PKIX_RSA_{padding}_{bits}_SHA256").into()
            }
            (
                KeyAlgorithm::EcdsaP256
                | KeyAlgorithm::EcdsaP384
                | KeyAlgorithm::EcdsaP521
                | KeyAlgorithm::Rsa
                | KeyAlgorithm::Ed25519,
                _,
            ) => return None,
        };
        let hash = match self.scheme.hash {
            Sha256 => "SHA2_256",
            Sha384 => "SHA2_384",
            Sha512 => "SHA2_512",
            HashAlgorithm::Sha224 => return None,
        };
        Some((hash, details))
    }
}

/// Whether the checkpoint of a tree of `size` leaves under `root` proves that `body` stands at `index`.
pub(super) fn includes<'a>(
    root: &[u8],
    size: u64,
    body: &[u8],
    index: u64,
    path: impl Iterator<Item = &'a [u8]>,
) -> bool {
    merkle::root(merkle::leaf(body), index, size, path).is_some_and(|found| found == root)
}

fn read(body: &[u8]) -> Option<HashedRekord<'_>> {
    if body.len() > MAX_BODY {
        return None;
    }
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    (body.kind == "hashedrekord" && body.api_version == "0.0.2").then_some(body.spec.entry)
}

fn decode(text: &str) -> Result<Vec<u8>, EntryProblem> {
    STANDARD.decode(text).map_err(|_| EntryProblem::Malformed)
}
