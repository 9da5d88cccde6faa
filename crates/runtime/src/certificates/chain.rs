//! Reading a Secret's contents: what of it holds.

use std::sync::Arc;

use jiff::Timestamp;
use rcgen::{Issuer, KeyPair, PublicKeyData};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::parse_x509_certificate;

use super::CertificateSecret;

/// How many authorities a bundle may hold. Ours holds two during a rotation; more means repeated repairs.
pub(super) const MAX_AUTHORITIES: usize = 8;

/// When a certificate is valid, in Unix seconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

impl Life {
    fn includes(self, now: i64) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// An authority of the bundle that is valid.
#[derive(Clone, Debug)]
pub(super) struct Authority {
    pub(super) der: CertificateDer<'static>,
    pub(super) life: Life,
    public_key: Vec<u8>,
}

/// The authority whose key we hold.
pub(super) struct Signer {
    /// Its place among the authorities.
    pub(super) index: usize,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

/// A serving certificate that verifies.
pub(super) struct Serving {
    pub(super) certified_key: Arc<CertifiedKey>,
    pub(super) life: Life,
    /// The place of the authority that signed it.
    pub(super) signed_by: usize,
}

/// Those parts of a Secret that hold at a given time; what does not is left out.
pub(super) struct Chain {
    pub(super) authorities: Vec<Authority>,
    pub(super) signer: Option<Signer>,
    pub(super) serving: Option<Serving>,
}

impl Chain {
    pub(super) fn read(secret: &CertificateSecret, now: Timestamp, dns_names: &[String]) -> Self {
        let authorities = read_authorities(&secret.ca_cert, now.as_second());
        Self {
            signer: read_signer(&secret.ca_key, &authorities),
            serving: read_serving(secret, &authorities, now, dns_names),
            authorities,
        }
    }
}

/// Returns the PEM of one certificate.
pub(super) fn certificate_pem(der: &CertificateDer<'_>) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", der.to_vec()), config)
}

/// Returns the PEM of all authorities, in their order.
pub(super) fn bundle_pem(authorities: &[Authority]) -> String {
    authorities.iter().map(|authority| certificate_pem(&authority.der)).collect()
}

impl Authority {
    /// Reads a certificate that may sign others; `None` for anything else.
    pub(super) fn read(der: CertificateDer<'static>) -> Option<Self> {
        let (rest, cert) = parse_x509_certificate(&der).ok()?;
        let usable = rest.is_empty()
            && cert.is_ca()
            && cert.key_usage().ok()?.is_none_or(|usage| usage.value.key_cert_sign())
            && rustls::server::ParsedCertificate::try_from(&der).is_ok();
        if !usable {
            return None;
        }
        let life = read_life(&cert);
        let public_key = cert.public_key().raw.to_vec();
        Some(Self { der, life, public_key })
    }
}

fn read_life(cert: &x509_parser::certificate::X509Certificate<'_>) -> Life {
    Life {
        not_before: cert.validity().not_before.timestamp(),
        not_after: cert.validity().not_after.timestamp(),
    }
}

/// Verifiers do not all check an authority's own dates, so that is done here.
fn read_authorities(pem: &[u8], now: i64) -> Vec<Authority> {
    let mut authorities: Vec<Authority> = Vec::new();
    let valid = CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .filter_map(Authority::read)
        .filter(|authority| authority.life.includes(now));
    for authority in valid {
        if authorities.len() < MAX_AUTHORITIES && authorities.iter().all(|known| known.der != authority.der) {
            authorities.push(authority);
        }
    }
    authorities
}

fn read_signer(key: &[u8], authorities: &[Authority]) -> Option<Signer> {
    let key = KeyPair::from_pem(std::str::from_utf8(key).ok()?).ok()?;
    let public_key = key.subject_public_key_info();
    let index = authorities.iter().position(|authority| authority.public_key == public_key)?;
    let issuer = Issuer::from_ca_cert_der(&authorities.get(index)?.der, key).ok()?;
    Some(Signer { index, issuer })
}

fn read_serving(
    secret: &CertificateSecret,
    authorities: &[Authority],
    now: Timestamp,
    dns_names: &[String],
) -> Option<Serving> {
    let certs: Vec<_> = CertificateDer::pem_slice_iter(&secret.server_cert)
        .collect::<Result<_, _>>()
        .ok()
        .filter(|c: &Vec<_>| !c.is_empty())?;
    let key = PrivateKeyDer::from_pem_slice(&secret.server_key).ok()?;
    let certified_key = CertifiedKey::from_der(certs, key, &aws_lc_rs::default_provider()).ok()?;
    // `from_der` lets a key pass that cannot tell its public half.
    certified_key.keys_match().ok()?;
    let (end_entity, intermediates) = certified_key.cert.split_first()?;
    let life = read_life(&parse_x509_certificate(end_entity).ok()?.1);
    if !life.includes(now.as_second()) {
        return None;
    }
    let signed_by = authorities
        .iter()
        .position(|authority| verifies(authority, end_entity, intermediates, (now, dns_names)))?;
    Some(Serving { certified_key: Arc::new(certified_key), life, signed_by })
}

/// Whether a client that trusts this authority alone accepts the certificate for each of the names.
fn verifies(
    authority: &Authority,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    (now, dns_names): (Timestamp, &[String]),
) -> bool {
    let mut roots = RootCertStore::empty();
    let Ok(seconds) = u64::try_from(now.as_second()) else { return false };
    if roots.add(authority.der.clone()).is_err() {
        return false;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build() else {
        return false;
    };
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    dns_names.iter().all(|name| {
        ServerName::try_from(name.as_str())
            .is_ok_and(|name| verifier.verify_server_cert(end_entity, intermediates, &name, &[], at).is_ok())
    })
}
