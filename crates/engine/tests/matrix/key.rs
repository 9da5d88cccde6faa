//! Keys in files for cosign, each with a certificate of an authority of its own.

use std::{fs, time::SystemTime};

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256,
    RsaKeySize, SanType,
};
use trustwright_testkit::{KeyKind, run_dir, signer::cosign};

/// Whom the certificates name.
pub(crate) const SUBJECT: &str = "release@example.com";

/// A key, as cosign takes it.
pub(crate) struct Key {
    /// Cosign's private key.
    pub(crate) private: String,
    /// The public key's file.
    pub(crate) public: String,
    pub(crate) pem: String,
    /// The file of its certificate.
    pub(crate) certificate: String,
}

/// An authority that knows nothing of OIDC.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The file of its certificate.
    pub(crate) file: String,
}

fn write(folder: &std::path::Path, name: &str, text: &str) -> Result<String> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let issuer = CertifiedIssuer::self_signed(params, key)?;
        let file = write(&run_dir::data("own-authority")?, "ca.pem", &issuer.pem())?;
        Ok(Self { issuer, file })
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn der(&self) -> &[u8] {
        self.issuer.der()
    }

    fn certify(&self, key: &KeyPair) -> Result<String> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.subject_alt_names = vec![SanType::Rfc822Name(SUBJECT.try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let at = |hours| SystemTime::from(Timestamp::now() + SignedDuration::from_hours(hours));
        params.not_before = at(-1).into();
        params.not_after = at(24).into();
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }
}

impl Key {
    pub(crate) async fn new(kind: KeyKind, authority: &Authority) -> Result<Self> {
        let pair = match kind {
            KeyKind::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
            KeyKind::EcdsaP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?,
            KeyKind::EcdsaP521 => KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512)?,
            KeyKind::Ed25519 => KeyPair::generate_for(&PKCS_ED25519)?,
            KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
            KeyKind::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096)?,
        };
        let folder = run_dir::data("matrix-key")?;
        let source = write(&folder, "import.pem", &pair.serialize_pem())?;
        let prefix = folder.join("key").to_string_lossy().into_owned();
        cosign(&[], &["import-key-pair", "--yes", "--key", &source, "--output-key-prefix", &prefix]).await?;
        Ok(Self {
            private: format!("{prefix}.key"),
            public: format!("{prefix}.pub"),
            pem: pair.public_key_pem(),
            certificate: write(&folder, "leaf.pem", &authority.certify(&pair)?)?,
        })
    }
}
