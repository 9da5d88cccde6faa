//! Whether a text is a PEM-encoded public key.

use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519, Oid,
};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::{PublicKey, RSAPublicKey};
use x509_parser::x509::SubjectPublicKeyInfo;

/// The key types that signatures can be checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// ECDSA on the curve P-256.
    EcdsaP256,
    /// ECDSA on the curve P-384.
    EcdsaP384,
    /// ECDSA on the curve P-521.
    EcdsaP521,
    /// Ed25519.
    Ed25519,
    /// RSA of any size.
    Rsa,
}

/// Why a text is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// There is no PEM block.
    #[error("PEM decoding failed")]
    NoPem,
    /// The first block is labelled neither `PUBLIC KEY` nor `RSA PUBLIC KEY`.
    #[error("unknown public key PEM file type, expected PUBLIC KEY or RSA PUBLIC KEY")]
    UnknownLabel,
    /// The block does not decode to a key.
    #[error("malformed public key")]
    Malformed,
    /// The key is of a type that signatures here do not use.
    #[error("unsupported public key type, expected ECDSA (P-256, P-384, P-521), Ed25519 or RSA")]
    UnsupportedType,
}

/// Returns the type of the key in the first PEM block; text around the block is ignored.
///
/// Checks form and length only: whether a point is on its curve is found out when the key is used.
///
/// # Errors
///
/// See [`PublicKeyError`].
pub fn parse_public_key(text: &str) -> Result<KeyType, PublicKeyError> {
    let block = pem::parse(text).map_err(|_| PublicKeyError::NoPem)?;
    match block.tag() {
        "PUBLIC KEY" => parse_spki(block.contents()),
        "RSA PUBLIC KEY" => match RSAPublicKey::from_der(block.contents()) {
            Ok(([], _)) => Ok(KeyType::Rsa),
            _ => Err(PublicKeyError::Malformed),
        },
        _ => Err(PublicKeyError::UnknownLabel),
    }
}

fn parse_spki(der: &[u8]) -> Result<KeyType, PublicKeyError> {
    let (rest, info) = SubjectPublicKeyInfo::from_der(der).map_err(|_| PublicKeyError::Malformed)?;
    if !rest.is_empty() {
        return Err(PublicKeyError::Malformed);
    }
    let bits = info.subject_public_key.data.as_ref();
    let algorithm = &info.algorithm.algorithm;
    if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = info.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        parse_point(&curve.ok_or(PublicKeyError::Malformed)?, bits)
    } else if *algorithm == OID_SIG_ED25519 {
        if bits.len() == 32 { Ok(KeyType::Ed25519) } else { Err(PublicKeyError::Malformed) }
    } else if *algorithm == OID_PKCS1_RSAENCRYPTION {
        match info.parsed() {
            Ok(PublicKey::RSA(_)) => Ok(KeyType::Rsa),
            _ => Err(PublicKeyError::Malformed),
        }
    } else {
        Err(PublicKeyError::UnsupportedType)
    }
}

/// Points are uncompressed: `04`, then both coordinates.
fn parse_point(curve: &Oid<'_>, point: &[u8]) -> Result<KeyType, PublicKeyError> {
    let (key_type, length) = if *curve == OID_EC_P256 {
        (KeyType::EcdsaP256, 65)
    } else if *curve == OID_NIST_EC_P384 {
        (KeyType::EcdsaP384, 97)
    } else if *curve == OID_NIST_EC_P521 {
        (KeyType::EcdsaP521, 133)
    } else {
        return Err(PublicKeyError::UnsupportedType);
    };
    if point.len() == length && point.first() == Some(&4) {
        Ok(key_type)
    } else {
        Err(PublicKeyError::Malformed)
    }
}
