//! The certificates, keys and kubeconfigs of a control plane.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use crate::certs::{Authority, Identity};

/// The folder of one control plane.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    ca_pem: String,
}

impl Files {
    /// Writes everything that the parts read at their start into `folder`.
    pub(super) fn write(folder: &Path, url: &str) -> Result<Self> {
        let authority = Authority::new("testkit control plane")?;
        let files = Self { folder: folder.to_owned(), ca_pem: authority.pem() };
        let serving = authority.server(&[
            "kubernetes.default.svc",
            "kubernetes.default",
            "kubernetes",
            "localhost",
            "127.0.0.1",
            "10.0.0.1",
        ])?;
        let admin = authority.client("admin", "system:masters")?;
        // RSA as in real clusters: cosign takes no identity token that is signed otherwise.
        let tokens = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
            .context("failed to generate the key of service account tokens")?;
        write(&files.ca(), &files.ca_pem)?;
        write(&files.serving_certificate(), &serving.certificate)?;
        write(&files.serving_key(), &serving.key)?;
        write(&files.token_key(), &tokens.serialize_pem())?;
        write(&files.token_public_key(), &tokens.public_key_pem())?;
        write(&files.kubeconfig(), &files.kubeconfig_text(url, "default", &certificate_user(&admin))?)?;
        Ok(files)
    }

    pub(super) fn write_token_kubeconfig(
        &self,
        folder: &Path,
        url: &str,
        namespace: &str,
        token: &str,
    ) -> Result<PathBuf> {
        let path = folder.join("kubeconfig");
        write(&path, &self.kubeconfig_text(url, namespace, &json!({"token": token}))?)?;
        Ok(path)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    pub(super) fn serving_certificate(&self) -> PathBuf {
        self.folder.join("apiserver.crt")
    }

    pub(super) fn serving_key(&self) -> PathBuf {
        self.folder.join("apiserver.key")
    }

    pub(super) fn token_key(&self) -> PathBuf {
        self.folder.join("service-accounts.key")
    }

    pub(super) fn token_public_key(&self) -> PathBuf {
        self.folder.join("service-accounts.pub")
    }

    /// JSON, which every reader of a kubeconfig takes, since it is YAML.
    fn kubeconfig_text(&self, url: &str, namespace: &str, user: &Value) -> Result<String> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "testkit",
            "clusters": [{"name": "testkit", "cluster": {
                "server": url,
                "certificate-authority-data": base64(&self.ca_pem),
            }}],
            "users": [{"name": "testkit", "user": user}],
            "contexts": [{"name": "testkit", "context": {
                "cluster": "testkit", "user": "testkit", "namespace": namespace,
            }}],
        });
        serde_json::to_string_pretty(&config).context("failed to write a kubeconfig")
    }
}

fn certificate_user(identity: &Identity) -> Value {
    json!({
        "client-certificate-data": base64(&identity.certificate),
        "client-key-data": base64(&identity.key),
    })
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}
