//! Signing with a key, by cosign itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_RSA_SHA256, RsaKeySize,
};

use crate::process::{Command, Output};
use crate::registry::Image;
use crate::{Tool, run_dir};

/// How long one call of cosign may take; the derivation of a key's encryption is slow by intent.
const COSIGN: Duration = Duration::from_mins(2);

/// Writes signatures as tags (`sha256-….sig`), as cosign did before version 3.
const LEGACY: [&str; 2] = ["--new-bundle-format=false", "--use-signing-config=false"];

/// Writes a Sigstore bundle as an OCI referrer.
const BUNDLE: [&str; 2] = ["--new-bundle-format=true", "--use-signing-config=false"];

/// The algorithm and size of a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// ECDSA on NIST P-256, what `cosign generate-key-pair` makes.
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
    /// ECDSA on NIST P-521.
    EcdsaP521,
    /// Ed25519.
    Ed25519,
    /// RSA of 2048 bits.
    Rsa2048,
    /// RSA of 4096 bits.
    Rsa4096,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::EcdsaP256, Self::EcdsaP384, Self::EcdsaP521, Self::Ed25519, Self::Rsa2048, Self::Rsa4096];

    /// Returns the hash that cosign signs with. It does not find it out by itself when it verifies.
    pub fn hash(self) -> &'static str {
        match self {
            Self::EcdsaP256 | Self::Rsa2048 | Self::Rsa4096 => "sha256",
            Self::EcdsaP384 => "sha384",
            Self::EcdsaP521 | Self::Ed25519 => "sha512",
        }
    }

    fn generate(self) -> Result<KeyPair> {
        match self {
            Self::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::EcdsaP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            Self::EcdsaP521 => KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512),
            Self::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
            Self::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
            Self::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
        }
        .with_context(|| format!("failed to generate a key of kind {self:?}"))
    }
}

/// A key and the cosign that signs with it. No call reaches a transparency log or anything else but the
/// registry.
#[derive(Debug)]
pub struct Signer {
    folder: PathBuf,
    kind: KeyKind,
    public_key_pem: String,
}

impl Signer {
    /// Generates a key: P-256 by cosign, every other kind here, imported into cosign.
    pub async fn new(kind: KeyKind) -> Result<Self> {
        let folder = run_dir::data("signer")?;
        if kind == KeyKind::EcdsaP256 {
            let prefix = folder.join("key");
            let prefix = prefix.to_string_lossy();
            cosign(&[], &["generate-key-pair", "--output-key-prefix", &prefix]).await?;
        } else {
            import(&kind.generate()?.serialize_pem(), &folder).await?;
        }
        let public_key = folder.join("key.pub");
        let public_key_pem = fs::read_to_string(&public_key)
            .with_context(|| format!("failed to read {}", public_key.display()))?;
        Ok(Self { folder, kind, public_key_pem })
    }

    /// Returns the kind of the key.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Returns the public key in PEM (`SubjectPublicKeyInfo`).
    pub fn public_key_pem(&self) -> &str {
        &self.public_key_pem
    }

    /// Signs `image` the way cosign did before version 3: a simple-signing payload and its signature under
    /// the tag `sha256-<digest>.sig`.
    ///
    /// `cosign sign` with an Ed25519 key writes Ed25519ph, which `cosign verify` refuses. For that kind cosign signs
    /// the payload as a blob, which is plain Ed25519, and attaches it.
    pub async fn sign_legacy(&self, image: &Image) -> Result<()> {
        if self.kind == KeyKind::Ed25519 {
            self.sign_payload(image).await
        } else {
            self.sign(image, &LEGACY).await
        }
    }

    /// Signs `image` with a Sigstore bundle v0.3, without log entry and timestamp, as an OCI referrer (or
    /// under the fallback tag where the registry has no referrers API).
    ///
    /// With an Ed25519 key the signature is Ed25519ph, and cosign v3.1.3 refuses what it wrote.
    pub async fn sign_bundle(&self, image: &Image) -> Result<()> {
        self.sign(image, &BUNDLE).await
    }

    /// Attests `predicate` (JSON) of cosign's type or URL `kind` about `image`, in an envelope under the tag
    /// `sha256-<digest>.att`.
    pub async fn attest_legacy(&self, image: &Image, kind: &str, predicate: &str) -> Result<()> {
        self.attest(image, kind, predicate, &LEGACY).await
    }

    /// Attests `predicate` (JSON) of cosign's type or URL `kind` about `image` with a Sigstore bundle v0.3.
    pub async fn attest_bundle(&self, image: &Image, kind: &str, predicate: &str) -> Result<()> {
        self.attest(image, kind, predicate, &BUNDLE).await
    }

    /// Has cosign verify the legacy signature of `image`, and returns what it found.
    pub async fn verify_legacy(&self, image: &Image) -> Result<String> {
        self.verify(image, "--new-bundle-format=false").await
    }

    /// Has cosign verify the bundle that signs `image`, and returns what it found.
    pub async fn verify_bundle(&self, image: &Image) -> Result<String> {
        self.verify(image, "--new-bundle-format=true").await
    }

    async fn sign(&self, image: &Image, form: &[&str]) -> Result<()> {
        let (key, image_ref) = (self.key(), image.to_string());
        let args = [&["sign", "--yes", "--tlog-upload=false", "--key", &key], form, &[&image_ref]].concat();
        cosign(image.env(), &args).await.map(drop)
    }

    async fn sign_payload(&self, image: &Image) -> Result<()> {
        let folder = run_dir::data("payload")?;
        let (payload, signature) = (folder.join("payload.json"), folder.join("signature"));
        let (key, image_ref) = (self.key(), image.to_string());
        let text = cosign(image.env(), &["generate", &image_ref]).await?.stdout;
        fs::write(&payload, text).with_context(|| format!("failed to write {}", payload.display()))?;
        let (payload, signature) = (payload.to_string_lossy(), signature.to_string_lossy());
        let what =
            ["sign-blob", "--yes", "--tlog-upload=false", "--key", &key, "--output-signature", &signature];
        cosign(image.env(), &[what.as_slice(), &LEGACY, &[&payload]].concat()).await?;
        let what = ["attach", "signature", "--signature", &signature, "--payload", &payload, &image_ref];
        cosign(image.env(), &what).await.map(drop)
    }

    async fn attest(&self, image: &Image, kind: &str, predicate: &str, form: &[&str]) -> Result<()> {
        let file = run_dir::data("predicate")?.join("predicate.json");
        fs::write(&file, predicate).with_context(|| format!("failed to write {}", file.display()))?;
        let (key, image_ref, file) = (self.key(), image.to_string(), file.to_string_lossy());
        let what =
            ["attest", "--yes", "--tlog-upload=false", "--key", &key, "--type", kind, "--predicate", &file];
        let args = [what.as_slice(), form, &[&image_ref]].concat();
        cosign(image.env(), &args).await.map(drop)
    }

    async fn verify(&self, image: &Image, form: &str) -> Result<String> {
        let key = self.folder.join("key.pub");
        let (key, image_ref) = (key.to_string_lossy(), image.to_string());
        let hash = format!("--signature-digest-algorithm={}", self.kind.hash());
        let args = ["verify", "--insecure-ignore-tlog", &hash, "--key", &key, form, &image_ref];
        Ok(cosign(image.env(), &args).await?.stdout)
    }

    fn key(&self) -> String {
        self.folder.join("key.key").to_string_lossy().into_owned()
    }
}

async fn import(pem: &str, folder: &Path) -> Result<()> {
    let source = folder.join("import.pem");
    fs::write(&source, pem).with_context(|| format!("failed to write {}", source.display()))?;
    let (source, prefix) = (source.to_string_lossy(), folder.join("key"));
    let prefix = prefix.to_string_lossy();
    cosign(&[], &["import-key-pair", "--yes", "--key", &source, "--output-key-prefix", &prefix]).await?;
    Ok(())
}

/// Runs cosign with `env`, with a key password that is empty and a home that knows no Sigstore.
pub async fn cosign(env: &[(String, String)], args: &[&str]) -> Result<Output> {
    Command::new(Tool::Cosign.path()?)
        .args(args)
        .offline()
        .env("COSIGN_PASSWORD", "")
        .env("HOME", run_dir::root()?)
        .env("TUF_ROOT", run_dir::root()?.join("no-tuf"))
        .envs(env.iter().map(|(name, value)| (name, value)))
        .output(COSIGN)
        .await
        .with_context(|| format!("cosign {}", args.join(" ")))
}
