//! Public keys of `key` authorities.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    digest,
    encoding::AsDer as _,
    signature::{self, ParsedPublicKey, RsaPssSaltLength, VerificationAlgorithm},
};
use trustwright_core::Digest;
use x509_parser::{prelude::FromDer as _, x509::SubjectPublicKeyInfo};

/// Lengths of RSA keys that are verified, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Hash functions that a policy's `hashAlgorithm` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-224, which only P-521 keys can use here.
    Sha224,
    /// SHA-256, the default of the field.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// The text is no hash algorithm that a policy may name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown hash algorithm {0:?}, expected sha224, sha256, sha384 or sha512")]
pub struct UnknownHashAlgorithm(pub String);

impl FromStr for HashAlgorithm {
    type Err = UnknownHashAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "sha224" => Ok(Self::Sha224),
            "sha256" => Ok(Self::Sha256),
            "sha384" => Ok(Self::Sha384),
            "sha512" => Ok(Self::Sha512),
            _ => Err(UnknownHashAlgorithm(text.to_owned())),
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        })
    }
}

/// Kinds of public key that an authority may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// ECDSA on P-521.
    EcdsaP521,
    /// RSA of 2048 to 8192 bits, with the padding that a signature has: PKCS#1 v1.5, which is what the field writes,
    /// or PSS (RFC 8017, section 8.1), which some KMS write. A key does not say which.
    Rsa,
    /// Ed25519 (RFC 8032, the pure form).
    Ed25519,
}

impl KeyAlgorithm {
    const ALL: [Self; 5] = [Self::EcdsaP256, Self::EcdsaP384, Self::EcdsaP521, Self::Rsa, Self::Ed25519];

    /// The name in statuses and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The hash that Sigstore's algorithm registry pairs with the key.
    const fn natural_hash(self) -> HashAlgorithm {
        match self {
            Self::EcdsaP256 | Self::Rsa => HashAlgorithm::Sha256,
            Self::EcdsaP384 => HashAlgorithm::Sha384,
            Self::EcdsaP521 | Self::Ed25519 => HashAlgorithm::Sha512,
        }
    }

    fn verifier(self, hash: HashAlgorithm) -> Option<&'static dyn VerificationAlgorithm> {
        use HashAlgorithm::{Sha224, Sha256, Sha384, Sha512};
        Some(match (self, hash) {
            (Self::EcdsaP256, Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
            (Self::EcdsaP256, Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
            (Self::EcdsaP256, Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
            (Self::EcdsaP384, Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
            (Self::EcdsaP384, Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
            (Self::EcdsaP384, Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
            (Self::EcdsaP521, Sha224) => &signature::ECDSA_P521_SHA224_ASN1,
            (Self::EcdsaP521, Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
            (Self::EcdsaP521, Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
            (Self::EcdsaP521, Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
            (Self::Rsa, Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
            (Self::Rsa, Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (Self::Rsa, Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
            // Ed25519 has its hash built in; what the policy names does not matter.
            (Self::Ed25519, _) => &signature::ED25519,
            (Self::EcdsaP256 | Self::EcdsaP384 | Self::Rsa, Sha224) => return None,
        })
    }

    /// What an RSA signature with PSS padding is verified with: the salt is as long as the hash, or as long as it
    /// can be, which is what Go writes. The length is not in the signature.
    fn pss_verifiers(self, hash: HashAlgorithm) -> &'static [&'static dyn VerificationAlgorithm] {
        use signature::{RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512};
        const LONG: RsaPssSaltLength = RsaPssSaltLength::Max;
        match (self, hash) {
            (Self::Rsa, HashAlgorithm::Sha256) => {
                &[&RSA_PSS_2048_8192_SHA256, &const { RSA_PSS_2048_8192_SHA256.with_pss_salt_length(LONG) }]
            }
            (Self::Rsa, HashAlgorithm::Sha384) => {
                &[&RSA_PSS_2048_8192_SHA384, &const { RSA_PSS_2048_8192_SHA384.with_pss_salt_length(LONG) }]
            }
            (Self::Rsa, HashAlgorithm::Sha512) => {
                &[&RSA_PSS_2048_8192_SHA512, &const { RSA_PSS_2048_8192_SHA512.with_pss_salt_length(LONG) }]
            }
            (Self::Rsa, HashAlgorithm::Sha224)
            | (Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521 | Self::Ed25519, _) => &[],
        }
    }
}

/// Why a PEM text is not a usable public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no PEM block, or it is damaged.
    #[error("not a PEM-encoded public key")]
    NotPem,
    /// The first PEM block is something else.
    #[error("PEM block is {0:?}, expected \"PUBLIC KEY\" or \"RSA PUBLIC KEY\"")]
    WrongBlock(String),
    /// The key is of a kind or size that nothing here verifies.
    #[error(
        "unsupported public key, expected ECDSA on P-256, P-384 or P-521, RSA of 2048 to 8192 bits, or Ed25519"
    )]
    Unsupported,
    /// The key cannot be combined with the hash that the policy names.
    #[error("a key of kind {} cannot be used with {hash}", algorithm.as_str())]
    UnsupportedHash {
        /// The key's kind.
        algorithm: KeyAlgorithm,
        /// The hash that the policy names.
        hash: HashAlgorithm,
    },
}

/// How a signature was made, as far as its key leaves that open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scheme {
    pub(crate) hash: HashAlgorithm,
    /// RSA with the padding PSS; every other RSA signature has PKCS#1 v1.5.
    pub(crate) is_pss: bool,
}

/// A public key, parsed once, with every hash and padding that a signature under it may use.
#[derive(Debug, Clone)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    verifiers: Vec<(Scheme, ParsedPublicKey)>,
    spki: Vec<u8>,
    fingerprint: Digest,
}

impl PublicKey {
    /// Reads the first PEM block of `pem` (`PUBLIC KEY`, RFC 5280 SPKI, or `RSA PUBLIC KEY`, PKCS#1).
    ///
    /// With `hash` unset, a signature may use SHA-256 (what cosign signs with) or the hash that Sigstore's
    /// algorithm registry pairs with the key (what bundles use); with `hash` set, only that one.
    pub fn from_pem(pem: &str, hash: Option<HashAlgorithm>) -> Result<Self, KeyError> {
        let block =
            pem::parse_many(pem).map_err(|_| KeyError::NotPem)?.into_iter().next().ok_or(KeyError::NotPem)?;
        if !matches!(block.tag(), "PUBLIC KEY" | "RSA PUBLIC KEY") {
            return Err(KeyError::WrongBlock(block.tag().chars().take(40).collect()));
        }
        Self::from_der(block.contents(), hash)
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280) in DER; `hash` as in [`PublicKey::from_pem`].
    pub(crate) fn from_der(der: &[u8], hash: Option<HashAlgorithm>) -> Result<Self, KeyError> {
        let parse = |algorithm: KeyAlgorithm, hash| {
            let scheme = Scheme { hash, is_pss: false };
            ParsedPublicKey::new(algorithm.verifier(hash)?, der).ok().map(|key| (scheme, key))
        };
        let algorithm = KeyAlgorithm::ALL
            .into_iter()
            .find(|algorithm| parse(*algorithm, algorithm.natural_hash()).is_some())
            .ok_or(KeyError::Unsupported)?;
        let mut hashes = vec![hash.unwrap_or(HashAlgorithm::Sha256)];
        if hash.is_none() && algorithm.natural_hash() != HashAlgorithm::Sha256 {
            hashes.push(algorithm.natural_hash());
        }
        if algorithm == KeyAlgorithm::Ed25519 {
            hashes.truncate(1);
        }
        let mut verifiers: Vec<_> = hashes.iter().filter_map(|hash| parse(algorithm, *hash)).collect();
        let Some((_, key)) = verifiers.first() else {
            return Err(KeyError::UnsupportedHash { algorithm, hash: hash.unwrap_or(HashAlgorithm::Sha256) });
        };
        let spki = key.as_der().map_err(|_| KeyError::Unsupported)?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, spki.as_ref()).as_ref());
        let spki = spki.as_ref().to_vec();
        // Which the library finds out only with a signature, and then it is none of that key's.
        if algorithm == KeyAlgorithm::Rsa && !rsa_bits(&spki).is_some_and(|bits| RSA_BITS.contains(&bits)) {
            return Err(KeyError::Unsupported);
        }
        for hash in hashes {
            let (pss, scheme) = (algorithm.pss_verifiers(hash).iter(), Scheme { hash, is_pss: true });
            verifiers.extend(pss.filter_map(|pss| Some((scheme, ParsedPublicKey::new(*pss, der).ok()?))));
        }
        Ok(Self { algorithm, verifiers, spki, fingerprint: Digest::from_bytes(fingerprint) })
    }

    /// The key's kind.
    pub const fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// SHA-256 over the key's DER-encoded `SubjectPublicKeyInfo`.
    pub const fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// The key's `SubjectPublicKeyInfo` in DER.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The length of an RSA key in bits; `None` for every other kind.
    pub(crate) fn rsa_bits(&self) -> Option<usize> {
        rsa_bits(&self.spki)
    }

    /// Whether `signature` (DER for ECDSA, raw bytes else) is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.scheme_of(message, signature).is_some()
    }

    /// How `signature` was made by this key over `message`; `None` where it was not.
    pub(crate) fn scheme_of(&self, message: &[u8], signature: &[u8]) -> Option<Scheme> {
        let mut keys = self.verifiers.iter();
        keys.find(|(_, key)| key.verify_sig(message, signature).is_ok()).map(|(scheme, _)| *scheme)
    }

    /// Whether `signature` is this key's over the message that hashes to `digest`; `None` where the key's
    /// kind or the policy's hash cannot be judged by a SHA-256 digest alone.
    pub fn verifies_digest(&self, digest: &Digest, signature: &[u8]) -> Option<bool> {
        self.judges_digests().then(|| self.scheme_of_digest(digest, signature).is_some())
    }

    /// Whether a SHA-256 digest is enough to judge a signature by.
    pub(crate) fn judges_digests(&self) -> bool {
        let hashes = || self.verifiers.iter().map(|(scheme, _)| scheme.hash);
        self.algorithm != KeyAlgorithm::Ed25519 && hashes().any(|hash| hash == HashAlgorithm::Sha256)
    }

    /// As [`PublicKey::scheme_of`], of the message that hashes to `digest`, where that is enough to judge by.
    pub(crate) fn scheme_of_digest(&self, digest: &Digest, signature: &[u8]) -> Option<Scheme> {
        if !self.judges_digests() {
            return None;
        }
        let digest = digest::Digest::import_less_safe(digest.as_bytes(), &digest::SHA256).ok()?;
        let mut keys = self.verifiers.iter().filter(|(scheme, _)| scheme.hash == HashAlgorithm::Sha256);
        keys.find(|(_, key)| key.verify_digest_sig(&digest, signature).is_ok()).map(|(scheme, _)| *scheme)
    }
}

fn rsa_bits(spki: &[u8]) -> Option<usize> {
    let (_, info) = SubjectPublicKeyInfo::from_der(spki).ok()?;
    match info.parsed().ok()? {
        x509_parser::public_key::PublicKey::RSA(key) => Some(key.key_size()),
        // The library's own enum, which grows: none of them is RSA.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
        PKCS_RSA_SHA256, PublicKeyData as _, SigningKey as _,
    };

    use super::*;

    #[test]
    fn every_kind_of_key_is_recognised_and_verifies_its_own_signature_only() {
        for (scheme, algorithm) in [
            (&PKCS_ECDSA_P256_SHA256, KeyAlgorithm::EcdsaP256),
            (&PKCS_ECDSA_P384_SHA384, KeyAlgorithm::EcdsaP384),
            (&PKCS_ECDSA_P521_SHA512, KeyAlgorithm::EcdsaP521),
            (&PKCS_RSA_SHA256, KeyAlgorithm::Rsa),
            (&PKCS_ED25519, KeyAlgorithm::Ed25519),
        ] {
            let pair = KeyPair::generate_for(scheme).unwrap();
            let key = PublicKey::from_pem(&pair.public_key_pem(), None).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            let spki = digest::digest(&digest::SHA256, &pair.subject_public_key_info());
            assert_eq!(key.fingerprint().as_bytes(), spki.as_ref());
            let signature = pair.sign(b"message").unwrap();
            assert!(key.verifies(b"message", &signature), "{algorithm:?}");
            assert!(!key.verifies(b"massage", &signature), "{algorithm:?}");
            assert!(!key.verifies(b"message", &[]), "{algorithm:?}");
        }
    }

    #[test]
    fn a_named_hash_is_the_only_one_accepted() {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let signature = pair.sign(b"message").unwrap();
        let with = |hash| PublicKey::from_pem(&pair.public_key_pem(), hash).unwrap();
        assert!(with(Some(HashAlgorithm::Sha384)).verifies(b"message", &signature));
        assert!(!with(Some(HashAlgorithm::Sha256)).verifies(b"message", &signature));
        assert!(with(None).verifies(b"message", &signature));
    }

    #[test]
    fn what_is_no_usable_key_is_refused_with_its_cause() {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let good = pair.public_key_pem();
        assert!(PublicKey::from_pem(&format!("{good}trailing text"), None).is_ok());
        for (text, error) in [
            (String::new(), KeyError::NotPem),
            ("not a key".into(), KeyError::NotPem),
            (pair.serialize_pem(), KeyError::WrongBlock("PRIVATE KEY".into())),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".into(), KeyError::Unsupported),
        ] {
            assert_eq!(PublicKey::from_pem(&text, None).unwrap_err(), error, "{text}");
        }
        assert_eq!(
            PublicKey::from_pem(&good, Some(HashAlgorithm::Sha224)).unwrap_err(),
            KeyError::UnsupportedHash { algorithm: KeyAlgorithm::EcdsaP256, hash: HashAlgorithm::Sha224 }
        );
    }
}
