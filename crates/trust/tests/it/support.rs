//! Keys, certificates and sources, made afresh for each test.

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SignatureAlgorithm,
};
use trustwright_trust::{
    CertificateAuthoritySource, KeyProblem, Loaded, LogSource, SigstoreKeysSource, SourceError,
    from_sigstore_keys,
};

pub(crate) type Ca = CertifiedIssuer<'static, KeyPair>;

/// The instant at which all tests take place.
pub(crate) fn now() -> Timestamp {
    "2026-08-22T12:00:00Z".parse().unwrap()
}

pub(crate) fn load(source: &SigstoreKeysSource) -> Result<Loaded, SourceError> {
    from_sigstore_keys(source, now())
}

/// Returns what is wrong with the only entry of `source`; `None` when it is usable.
pub(crate) fn only_problem(source: &SigstoreKeysSource) -> Option<KeyProblem> {
    let reports = match load(source) {
        Ok(loaded) => loaded.reports,
        Err(SourceError::NothingUsable { reports }) => reports,
        Err(other) => panic!("unexpected: {other}"),
    };
    let [report] = reports.as_slice() else { panic!("expected one report: {reports:?}") };
    report.problem().cloned()
}

pub(crate) fn params(name: &str, is_ca: IsCa) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = is_ca;
    params
}

fn ca_params(name: &str) -> CertificateParams {
    params(name, IsCa::Ca(BasicConstraints::Unconstrained))
}

pub(crate) fn root_of(name: &str, algorithm: &'static SignatureAlgorithm) -> Ca {
    Ca::self_signed(ca_params(name), KeyPair::generate_for(algorithm).unwrap()).unwrap()
}

pub(crate) fn root(name: &str) -> Ca {
    root_of(name, &PKCS_ECDSA_P256_SHA256)
}

pub(crate) fn intermediate(name: &str, issuer: &Ca) -> Ca {
    Ca::signed_by(ca_params(name), KeyPair::generate().unwrap(), issuer).unwrap()
}

/// Returns a certificate that is no authority's, in PEM.
pub(crate) fn leaf(name: &str, issuer: &Ca) -> String {
    params(name, IsCa::ExplicitNoCa).signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().pem()
}

pub(crate) fn authority(uri: &str, chain: &[&str]) -> CertificateAuthoritySource {
    CertificateAuthoritySource {
        organization: "example.test".to_owned(),
        common_name: "example".to_owned(),
        uri: uri.to_owned(),
        cert_chain_pem: chain.concat().into_bytes(),
    }
}

pub(crate) fn log(base_url: &str, pem: &str) -> LogSource {
    LogSource {
        base_url: base_url.to_owned(),
        hash_algorithm: "sha-256".to_owned(),
        public_key_pem: pem.as_bytes().to_vec(),
    }
}

pub(crate) fn key_pem(algorithm: &'static SignatureAlgorithm) -> String {
    KeyPair::generate_for(algorithm).unwrap().public_key_pem()
}

/// Returns the key's `SubjectPublicKeyInfo` in DER.
pub(crate) fn spki(key: &KeyPair) -> Vec<u8> {
    key.subject_public_key_info()
}

pub(crate) fn pem(tag: &str, der: &[u8]) -> String {
    pem::encode(&pem::Pem::new(tag, der))
}

/// Returns an `RSAPublicKey` with a modulus of exactly `bits` bits, which is a multiple of 8.
pub(crate) fn rsa_pkcs1(bits: usize) -> Vec<u8> {
    let mut modulus = vec![0u8];
    modulus.extend(vec![0xc3; bits / 8]);
    let body = [der(0x02, &modulus), der(0x02, &[0x01, 0x00, 0x01])].concat();
    der(0x30, &body)
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut out = vec![tag];
    match content.len() {
        0..0x80 => out.push(length[1]),
        0x80..0x100 => out.extend([0x81, length[1]]),
        _ => out.extend([0x82, length[0], length[1]]),
    }
    out.extend_from_slice(content);
    out
}

pub(crate) fn only_ca(chain: &[&str]) -> SigstoreKeysSource {
    let certificate_authorities = vec![authority("https://fulcio.test", chain)];
    SigstoreKeysSource { certificate_authorities, ..SigstoreKeysSource::default() }
}

pub(crate) fn only_tsa(chain: &[&str]) -> SigstoreKeysSource {
    let timestamp_authorities = vec![authority("https://tsa.test", chain)];
    SigstoreKeysSource { timestamp_authorities, ..SigstoreKeysSource::default() }
}

pub(crate) fn only_t_log(pem: &str) -> SigstoreKeysSource {
    SigstoreKeysSource { t_logs: vec![log("https://rekor.test", pem)], ..SigstoreKeysSource::default() }
}

pub(crate) fn only_ct_log(pem: &str) -> SigstoreKeysSource {
    SigstoreKeysSource { ct_logs: vec![log("https://ct.test", pem)], ..SigstoreKeysSource::default() }
}

/// Returns a source with one good entry of each kind, and a second transparency log.
pub(crate) fn good_source() -> SigstoreKeysSource {
    let fulcio = root("fulcio");
    let issuing = intermediate("fulcio-intermediate", &fulcio);
    let tsa = root("tsa");
    SigstoreKeysSource {
        certificate_authorities: vec![authority("https://fulcio.test", &[&issuing.pem(), &fulcio.pem()])],
        timestamp_authorities: vec![authority("https://tsa.test", &[&leaf("signer", &tsa), &tsa.pem()])],
        t_logs: vec![
            log("https://rekor.test", &key_pem(&PKCS_ECDSA_P256_SHA256)),
            log("https://log2025.rekor.test", &key_pem(&rcgen::PKCS_ED25519)),
        ],
        ct_logs: vec![log("https://ct.test", &key_pem(&rcgen::PKCS_ECDSA_P384_SHA384))],
    }
}
