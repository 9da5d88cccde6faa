//! Making keys and certificates.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::CertificateDer;

use super::{
    CertificatePolicy,
    chain::{Life, certificate_pem},
};

/// The last second that X.509 can express, 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

/// The shortest life that a certificate gets, so that a careless policy does not renew without pause.
const SHORTEST: Duration = Duration::from_secs(10);

/// A certificate could not be made: a name that no certificate can carry, or no randomness.
#[derive(Debug, thiserror::Error)]
#[error("failed to make a certificate")]
pub struct IssueError(#[from] rcgen::Error);

/// A key and its certificate in PEM.
pub(super) struct Issued {
    pub(super) key: Vec<u8>,
    pub(super) cert: Vec<u8>,
}

/// An authority that was just made.
pub(super) struct NewAuthority {
    pub(super) der: CertificateDer<'static>,
    pub(super) key: Vec<u8>,
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) life: Life,
}

/// Makes an authority, self-signed, ECDSA P-256.
pub(super) fn authority(now: i64, policy: &CertificatePolicy) -> Result<NewAuthority, IssueError> {
    let key = KeyPair::generate()?;
    let life = life(now, policy.ca_validity, policy.backdate, LAST_SECOND);
    // The time in the name keeps an authority and its successor apart for verifiers that look issuers up by name.
    let mut params = params(&format!("webhook CA {now}"), life);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let cert = params.self_signed(&key)?;
    Ok(NewAuthority {
        der: cert.der().clone(),
        key: key.serialize_pem().into_bytes(),
        issuer: Issuer::new(params, key),
        life,
    })
}

/// Makes a serving certificate for `dns_names`, ECDSA P-256, that does not outlive its authority.
pub(super) fn serving(
    issuer: &Issuer<'static, KeyPair>,
    authority: Life,
    (now, dns_names): (i64, &[String]),
    policy: &CertificatePolicy,
) -> Result<Issued, IssueError> {
    let key = KeyPair::generate()?;
    let life = life(now, policy.serving_validity, policy.backdate, authority.not_after);
    let mut params = params("webhook", life);
    params.subject_alt_names = CertificateParams::new(dns_names.to_vec())?.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let cert = params.signed_by(&key, issuer)?;
    Ok(Issued { key: key.serialize_pem().into_bytes(), cert: certificate_pem(cert.der()).into_bytes() })
}

fn params(common_name: &str, life: Life) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    let at =
        |second: i64| date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(second).unwrap_or(0));
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = at(life.not_before);
    params.not_after = at(life.not_after);
    params
}

fn life(now: i64, validity: Duration, backdate: Duration, limit: i64) -> Life {
    Life {
        not_before: now.saturating_sub(seconds(backdate)).clamp(0, LAST_SECOND),
        not_after: now.saturating_add(seconds(validity.max(SHORTEST))).min(limit).clamp(0, LAST_SECOND),
    }
}

/// Returns whole seconds.
pub(super) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
