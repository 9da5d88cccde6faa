//! An image by digest, and what it takes to reach it.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::PASSWORD;
use crate::process::Command;
use crate::{Tool, run_dir};

/// How long one call of crane may take.
const CRANE: Duration = Duration::from_mins(1);

/// An image in a [`Registry`](super::Registry). Displayed, it is `host/repository@digest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    host: String,
    repository: String,
    digest: String,
    env: Vec<(String, String)>,
}

impl Image {
    pub(super) fn new(host: &str, repository: &str, digest: &str, env: Vec<(String, String)>) -> Self {
        Self { host: host.to_owned(), repository: repository.to_owned(), digest: digest.to_owned(), env }
    }

    /// Returns the registry's host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the path of the repository within its registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the digest, such as `sha256:…`.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The same image by the name that it has at `host`, which leads to its registry.
    #[must_use]
    pub fn at(self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self }
    }

    /// Returns the environment with which a client written in Go reaches the image: the registry's authority
    /// and credentials, and nobody else's.
    pub fn env(&self) -> &[(String, String)] {
        &self.env
    }
}

impl Display for Image {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.host, self.repository, self.digest)
    }
}

/// Writes a Docker configuration and, with TLS, the authority's certificate, and returns the variables that
/// name them. It is written without credentials as well, so that those of the caller's shell are not used.
pub(super) fn client_env(
    host: &str,
    user: Option<&str>,
    ca_pem: Option<&str>,
) -> Result<Vec<(String, String)>> {
    let folder = run_dir::data("docker")?;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
        anyhow::Ok(path.to_string_lossy().into_owned())
    };
    let auths = user.map(|user| {
        let auth = STANDARD.encode(format!("{user}:{PASSWORD}"));
        json!({host: {"auth": auth}})
    });
    write("config.json", &json!({"auths": auths.unwrap_or_else(|| json!({}))}).to_string())?;
    let mut env = vec![("DOCKER_CONFIG".to_owned(), folder.to_string_lossy().into_owned())];
    if let Some(pem) = ca_pem {
        env.push(("SSL_CERT_FILE".to_owned(), write("ca.crt", pem)?));
    }
    Ok(env)
}

/// Runs crane with `env` and returns its standard output.
pub(super) async fn crane(env: &[(String, String)], args: &[&str]) -> Result<String> {
    let output = Command::new(Tool::Crane.path()?)
        .args(args)
        .offline()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .output(CRANE)
        .await
        .with_context(|| format!("crane {}", args.join(" ")))?;
    Ok(output.stdout)
}
