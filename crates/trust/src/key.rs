//! Public keys.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::problem::KeyProblem;

/// Smallest RSA modulus that is trusted, in bits; also the verifier's own limit.
const RSA_MINIMUM: u32 = 2048;
/// Largest RSA modulus that the verifier takes, in bits.
const RSA_MAXIMUM: u32 = 8192;

/// The algorithm of a public key, written as `ecdsa-p256`, `rsa-2048`, `ed25519` and so on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyAlgorithm {
    /// ECDSA on NIST P-256.
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
    /// ECDSA on NIST P-521, which the verifier has no code for.
    EcdsaP521,
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// Ed25519 over a hash, which the verifier has no code for.
    Ed25519Ph,
    /// ML-DSA-44 (FIPS 204).
    MlDsa44,
    /// ML-DSA-65 (FIPS 204).
    MlDsa65,
    /// ML-DSA-87 (FIPS 204).
    MlDsa87,
    /// Anything else.
    Other {
        /// Dotted object identifier of the algorithm, or of the curve of an elliptic-curve key.
        oid: String,
    },
    /// RSA.
    Rsa {
        /// Size of the modulus.
        bits: u32,
    },
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ecdsa-p256"),
            Self::EcdsaP384 => f.write_str("ecdsa-p384"),
            Self::EcdsaP521 => f.write_str("ecdsa-p521"),
            Self::Ed25519 => f.write_str("ed25519"),
            Self::Ed25519Ph => f.write_str("ed25519ph"),
            Self::MlDsa44 => f.write_str("ml-dsa-44"),
            Self::MlDsa65 => f.write_str("ml-dsa-65"),
            Self::MlDsa87 => f.write_str("ml-dsa-87"),
            Self::Other { oid } => f.write_str(oid),
            Self::Rsa { bits } => write!(f, "rsa-{bits}"),
        }
    }
}

/// A public key: its `SubjectPublicKeyInfo` in DER (RFC 5280, section 4.1.2.7) and its algorithm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    spki: Vec<u8>,
    raw: Vec<u8>,
    algorithm: KeyAlgorithm,
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo`. Of algorithms that the verifier does not know, the key is read as well.
    ///
    /// # Errors
    ///
    /// [`KeyProblem::MalformedKey`] for anything else, trailing bytes and compressed points included.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyProblem> {
        let (rest, info) = SubjectPublicKeyInfo::from_der(der).map_err(|_| KeyProblem::MalformedKey)?;
        if !rest.is_empty() || info.subject_public_key.unused_bits != 0 {
            return Err(KeyProblem::MalformedKey);
        }
        let raw = info.subject_public_key.data.to_vec();
        let algorithm = algorithm_of(&info, &raw)?;
        let length = match algorithm {
            KeyAlgorithm::EcdsaP256 => Some(65),
            KeyAlgorithm::EcdsaP384 => Some(97),
            KeyAlgorithm::EcdsaP521 => Some(133),
            KeyAlgorithm::Ed25519 => Some(32),
            _ => None,
        };
        let is_point = !matches!(algorithm, KeyAlgorithm::Ed25519);
        // SEC 1, section 2.3.3: 0x04 opens an uncompressed point, the only form that the verifier takes.
        if length.is_some_and(|length| raw.len() != length || (is_point && raw.first() != Some(&0x04))) {
            return Err(KeyProblem::MalformedKey);
        }
        Ok(Self { spki: der.to_vec(), raw, algorithm })
    }

    /// Reads an `RSAPublicKey` (RFC 8017, appendix A.1.1) and wraps it.
    ///
    /// # Errors
    ///
    /// [`KeyProblem::MalformedKey`] for anything else.
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, KeyProblem> {
        // SEQUENCE { rsaEncryption, NULL }
        const ALGORITHM: [u8; 15] =
            [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
        let mut bits = vec![0];
        bits.extend_from_slice(der);
        let mut content = ALGORITHM.to_vec();
        content.extend(tagged(0x03, &bits));
        Self::from_spki(&tagged(0x30, &content))
    }

    /// Returns the `SubjectPublicKeyInfo` in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Returns the key's own bytes: the point, the 32 bytes of an Ed25519 key, the `RSAPublicKey`.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> &KeyAlgorithm {
        &self.algorithm
    }

    /// Refuses what the verifier cannot check a certificate's signature with.
    pub(crate) fn check_for_certificate(&self) -> Result<(), KeyProblem> {
        match &self.algorithm {
            KeyAlgorithm::MlDsa44 | KeyAlgorithm::MlDsa65 | KeyAlgorithm::MlDsa87 => Ok(()),
            KeyAlgorithm::EcdsaP256 => self.check(&ECDSA_P256_SHA256_ASN1),
            KeyAlgorithm::EcdsaP384 => self.check(&ECDSA_P384_SHA384_ASN1),
            KeyAlgorithm::Ed25519 => self.check(&ED25519),
            KeyAlgorithm::Rsa { bits } => check_rsa(*bits).and(self.check(&RSA_PKCS1_2048_8192_SHA256)),
            KeyAlgorithm::EcdsaP521 | KeyAlgorithm::Ed25519Ph | KeyAlgorithm::Other { .. } => {
                self.unsupported()
            }
        }
    }

    /// Refuses what the verifier cannot check a log entry with. ML-DSA logs sign another message than the checkpoint
    /// (C2SP `tlog-cosignature.md`), for which the verifier has no code.
    pub(crate) fn check_for_transparency_log(&self) -> Result<(), KeyProblem> {
        match &self.algorithm {
            KeyAlgorithm::EcdsaP256
            | KeyAlgorithm::EcdsaP384
            | KeyAlgorithm::Ed25519
            | KeyAlgorithm::Rsa { .. } => self.check_for_certificate(),
            KeyAlgorithm::EcdsaP521
            | KeyAlgorithm::Ed25519Ph
            | KeyAlgorithm::MlDsa44
            | KeyAlgorithm::MlDsa65
            | KeyAlgorithm::MlDsa87
            | KeyAlgorithm::Other { .. } => self.unsupported(),
        }
    }

    /// Refuses what the verifier cannot check an SCT with: RFC 6962, section 2.1.4, knows ECDSA and RSA only.
    pub(crate) fn check_for_ct_log(&self) -> Result<(), KeyProblem> {
        match &self.algorithm {
            KeyAlgorithm::Ed25519 => self.unsupported(),
            _ => self.check_for_transparency_log(),
        }
    }

    /// Refuses what has the form of a key and is none, such as a point beside its curve: who verifies would refuse it, and
    /// everything else with it.
    fn check(&self, algorithm: &'static dyn VerificationAlgorithm) -> Result<(), KeyProblem> {
        ParsedPublicKey::new(algorithm, &self.spki).map(|_| ()).map_err(|_| KeyProblem::MalformedKey)
    }

    fn unsupported(&self) -> Result<(), KeyProblem> {
        Err(KeyProblem::UnsupportedKeyAlgorithm { algorithm: self.algorithm.clone() })
    }
}

fn check_rsa(bits: u32) -> Result<(), KeyProblem> {
    if bits < RSA_MINIMUM {
        Err(KeyProblem::KeyTooSmall { bits, minimum: RSA_MINIMUM })
    } else if bits > RSA_MAXIMUM {
        Err(KeyProblem::KeyTooLarge { bits, maximum: RSA_MAXIMUM })
    } else {
        Ok(())
    }
}

fn algorithm_of(info: &SubjectPublicKeyInfo<'_>, raw: &[u8]) -> Result<KeyAlgorithm, KeyProblem> {
    let oid = info.algorithm.algorithm.to_id_string();
    Ok(match oid.as_str() {
        "1.2.840.10045.2.1" => curve_of(info)?,
        "1.2.840.113549.1.1.1" => {
            let (_, key) = RSAPublicKey::from_der(raw).map_err(|_| KeyProblem::MalformedKey)?;
            KeyAlgorithm::Rsa { bits: bit_length(key.modulus) }
        }
        "1.3.101.112" => KeyAlgorithm::Ed25519,
        "2.16.840.1.101.3.4.3.17" => KeyAlgorithm::MlDsa44,
        "2.16.840.1.101.3.4.3.18" => KeyAlgorithm::MlDsa65,
        "2.16.840.1.101.3.4.3.19" => KeyAlgorithm::MlDsa87,
        _ => KeyAlgorithm::Other { oid },
    })
}

/// RFC 5480, section 2.1.1: the curve is named in the parameters.
fn curve_of(info: &SubjectPublicKeyInfo<'_>) -> Result<KeyAlgorithm, KeyProblem> {
    let parameters = info.algorithm.parameters.as_ref().ok_or(KeyProblem::MalformedKey)?;
    let curve = Oid::try_from(parameters.clone()).map_err(|_| KeyProblem::MalformedKey)?.to_id_string();
    Ok(match curve.as_str() {
        "1.2.840.10045.3.1.7" => KeyAlgorithm::EcdsaP256,
        "1.3.132.0.34" => KeyAlgorithm::EcdsaP384,
        "1.3.132.0.35" => KeyAlgorithm::EcdsaP521,
        _ => KeyAlgorithm::Other { oid: curve },
    })
}

/// Returns the size of a big-endian number without its leading zeros.
fn bit_length(number: &[u8]) -> u32 {
    let mut digits = number.iter().skip_while(|byte| **byte == 0);
    let Some(first) = digits.next() else { return 0 };
    let rest = u32::try_from(digits.count()).unwrap_or(u32::MAX);
    rest.saturating_mul(8).saturating_add(8 - first.leading_zeros())
}

/// Returns one DER element (X.690, section 8.1).
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.iter().copied().skip_while(|byte| *byte == 0).collect();
    let mut element = vec![tag];
    match (digits.as_slice(), u8::try_from(digits.len())) {
        ([], _) => element.push(0),
        ([short @ 0..0x80], _) => element.push(*short),
        // A length has at most eight bytes, so that its count always fits.
        (long, count) => {
            element.push(0x80 | count.unwrap_or(0x08));
            element.extend_from_slice(long);
        }
    }
    element.extend_from_slice(content);
    element
}
