//! Certificate chains of authorities.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sigstore_verify::crypto::{SigningScheme, verify_signature};
use sigstore_verify::types::{DerPublicKey, SignatureBytes};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::key::{KeyAlgorithm, PublicKey};
use crate::material::Window;
use crate::problem::KeyProblem;

/// What the chain is for, which decides what its first certificate may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Every certificate is an authority's. The verifier takes each of them as an anchor, so that a certificate that
    /// is no authority's, or that nobody in the chain vouches for, must not get in.
    Issuing,
    /// The first certificate may be the one that signs timestamps.
    Timestamping,
}

/// What a chain says about itself, as far as it decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// SHA-256 of the first certificate.
    pub(crate) id: Option<[u8; 32]>,
    /// Algorithm of the first certificate's key.
    pub(crate) algorithm: Option<KeyAlgorithm>,
    /// The instants at which all certificates are valid.
    pub(crate) window: Window,
}

/// Reads the facts of a chain and checks that the verifier can use it.
pub(crate) fn inspect(chain: &[Vec<u8>], purpose: Purpose) -> (Facts, Result<(), KeyProblem>) {
    let mut facts = Facts::default();
    let outcome = inspect_into(&mut facts, chain, purpose);
    (facts, outcome)
}

fn inspect_into(facts: &mut Facts, chain: &[Vec<u8>], purpose: Purpose) -> Result<(), KeyProblem> {
    facts.id = chain.first().map(|first| Sha256::digest(first).into());
    let links =
        chain.iter().enumerate().map(|(at, der)| Link::read(at + 1, der)).collect::<Result<Vec<_>, _>>()?;
    facts.algorithm = links.first().map(|link| link.key.algorithm().clone());
    for link in &links {
        facts.window = facts.window.intersect(&link.window);
    }
    for link in &links {
        link.key.check_for_certificate()?;
    }
    check_roles(&links, purpose)?;
    links.iter().zip(links.iter().skip(1)).try_for_each(|(signed, issuer)| check_link(signed, issuer))
}

/// One certificate of a chain.
struct Link<'a> {
    /// Counts from 1.
    position: usize,
    certificate: X509Certificate<'a>,
    key: PublicKey,
    window: Window,
}

impl<'a> Link<'a> {
    fn read(position: usize, der: &'a [u8]) -> Result<Self, KeyProblem> {
        let malformed = KeyProblem::NotACertificate { position };
        let Ok((rest, certificate)) = X509Certificate::from_der(der) else {
            return Err(malformed);
        };
        let dates = certificate.validity();
        let bounds = (
            Timestamp::from_second(dates.not_before.timestamp()),
            Timestamp::from_second(dates.not_after.timestamp()),
        );
        let (true, (Ok(start), Ok(end))) = (rest.is_empty(), bounds) else {
            return Err(malformed);
        };
        let key = PublicKey::from_spki(certificate.public_key().raw)?;
        let window = Window { start: Some(start), end: Some(end) };
        Ok(Self { position, certificate, key, window })
    }

    /// RFC 5280, section 4.2.1.9. `None` without the extension, as in a root of X.509 version 1.
    fn is_authority(&self) -> Option<bool> {
        match self.certificate.basic_constraints() {
            Ok(constraints) => constraints.map(|constraints| constraints.value.ca),
            Err(_) => Some(false),
        }
    }

    fn is_self_issued(&self) -> bool {
        self.certificate.issuer().as_raw() == self.certificate.subject().as_raw()
    }
}

fn check_roles(links: &[Link<'_>], purpose: Purpose) -> Result<(), KeyProblem> {
    for (after, link) in links.iter().rev().enumerate() {
        let is_last = after == 0;
        let is_signer = purpose == Purpose::Timestamping && link.position == 1;
        let may_issue = match link.is_authority() {
            Some(is_authority) => is_authority,
            None => is_last && link.is_self_issued(),
        };
        if may_issue {
            continue;
        }
        if !is_signer {
            return Err(KeyProblem::NotAnAuthority { position: link.position });
        }
        if is_last && !link.is_self_issued() {
            return Err(KeyProblem::ChainIncomplete);
        }
    }
    Ok(())
}

fn check_link(signed: &Link<'_>, issuer: &Link<'_>) -> Result<(), KeyProblem> {
    let position = signed.position;
    if signed.certificate.issuer().as_raw() != issuer.certificate.subject().as_raw() {
        return Err(KeyProblem::ChainUnlinked { position });
    }
    let oid = signed.certificate.signature_algorithm.algorithm.to_id_string();
    let schemes = schemes(&oid, issuer.key.algorithm());
    if schemes.is_empty() {
        return Err(KeyProblem::UnsupportedSignatureAlgorithm { position, oid });
    }
    let key = DerPublicKey::from_bytes(issuer.key.spki_der());
    let signature = SignatureBytes::from_bytes(&signed.certificate.signature_value.data);
    // RFC 5280, section 4.1.1.2: the algorithm outside the signed part is the one inside.
    let consistent = signed.certificate.signature_algorithm == signed.certificate.tbs_certificate.signature
        && signed.certificate.signature_value.unused_bits == 0;
    let content = signed.certificate.tbs_certificate.as_ref();
    if consistent && schemes.iter().any(|scheme| verify_signature(&key, content, &signature, *scheme).is_ok())
    {
        Ok(())
    } else {
        Err(KeyProblem::ChainUnlinked { position })
    }
}

/// Returns what a signature of algorithm `oid` by a key of `algorithm` may be checked with. The hash of an RSA-PSS
/// signature is in its parameters; trying each known one accepts the same signatures.
fn schemes(oid: &str, algorithm: &KeyAlgorithm) -> &'static [SigningScheme] {
    use SigningScheme as S;
    match (oid, algorithm) {
        ("1.2.840.10045.4.3.2", KeyAlgorithm::EcdsaP256) => &[S::EcdsaP256Sha256],
        ("1.2.840.10045.4.3.2", KeyAlgorithm::EcdsaP384) => &[S::EcdsaP384Sha256],
        ("1.2.840.10045.4.3.3", KeyAlgorithm::EcdsaP256) => &[S::EcdsaP256Sha384],
        ("1.2.840.10045.4.3.3", KeyAlgorithm::EcdsaP384) => &[S::EcdsaP384Sha384],
        ("1.2.840.113549.1.1.10", KeyAlgorithm::Rsa { .. }) => {
            &[S::RsaPssSha256, S::RsaPssSha384, S::RsaPssSha512]
        }
        ("1.2.840.113549.1.1.11", KeyAlgorithm::Rsa { .. }) => &[S::RsaPkcs1Sha256],
        ("1.2.840.113549.1.1.12", KeyAlgorithm::Rsa { .. }) => &[S::RsaPkcs1Sha384],
        ("1.2.840.113549.1.1.13", KeyAlgorithm::Rsa { .. }) => &[S::RsaPkcs1Sha512],
        ("1.3.101.112", KeyAlgorithm::Ed25519) => &[S::Ed25519],
        ("2.16.840.1.101.3.4.3.17", KeyAlgorithm::MlDsa44) => &[S::MlDsa44],
        ("2.16.840.1.101.3.4.3.18", KeyAlgorithm::MlDsa65) => &[S::MlDsa65],
        ("2.16.840.1.101.3.4.3.19", KeyAlgorithm::MlDsa87) => &[S::MlDsa87],
        _ => &[],
    }
}
