//! Registries on loopback, and images in them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::certs::Authority;
use crate::process::{Command, Process, free_port};
use crate::{Tool, run_dir};

mod image;
mod tar;

pub use image::Image;

/// How long a registry may take to listen.
const READY: Duration = Duration::from_secs(30);

/// The password of every user of a registry with authentication.
pub const PASSWORD: &str = "correct horse";

/// [`PASSWORD`] as Distribution wants it in an htpasswd file: bcrypt at the least cost, since it is checked
/// on every request.
const PASSWORD_BCRYPT: &str = "$2a$04$3pxNA5RKHJNpt.Ry.kZKsO.TRyiQ0Yl9LMF79MEb5DKGP4tCpj0m6";

/// A running registry. Dropping it ends it, and its images are gone.
#[derive(Debug)]
pub struct Registry {
    host: String,
    ca_pem: Option<String>,
    user: Option<String>,
    env: Vec<(String, String)>,
    process: Process,
}

impl Registry {
    /// Starts a registry that answers OCI's referrers API. It does not filter by `artifactType`, as the
    /// specification allows.
    pub async fn with_referrers() -> Result<Self> {
        let port = free_port()?;
        let process =
            Command::new(Tool::Referrers.path()?).name("registry-with-referrers").arg(host(port)).spawn()?;
        Self::ready(port, process, Access::default()).await
    }

    /// Starts a registry that answers 404 to the referrers API, so that clients fall back to tags.
    pub async fn without_referrers() -> Result<Self> {
        Self::distribution(Access::default()).await
    }

    /// Starts a registry without referrers API that serves TLS by an authority of its own and answers nobody
    /// but `user` with [`PASSWORD`].
    pub async fn with_auth_tls(user: &str) -> Result<Self> {
        Self::distribution(Access {
            user: Some(user.to_owned()),
            authority: Some(Authority::new("testkit registry")?),
        })
        .await
    }

    /// Returns host and port, as image references start.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the URL that paths such as `/v2/` are appended to.
    pub fn url(&self) -> String {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.host)
    }

    /// Returns the certificate, in PEM, of the authority that signed the registry's; `None` without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Returns user and password; `None` without authentication.
    pub fn credentials(&self) -> Option<(&str, &str)> {
        self.user.as_deref().map(|user| (user, PASSWORD))
    }

    /// Returns the registry's process, for fault tests and logs.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Pushes a new image as `repository:tag`; no two pushed images have the same digest.
    pub async fn push_image(&self, repository: &str, tag: &str) -> Result<Image> {
        let layer = run_dir::data("layer")?.join("layer.tar");
        let text = format!("{} {repository}:{tag}", layer.display());
        fs::write(&layer, tar::single_file("content", text.as_bytes())?)
            .with_context(|| format!("failed to write {}", layer.display()))?;
        let layer = layer.to_string_lossy();
        let target = format!("{}/{repository}:{tag}", self.host);
        self.crane(&["append", "--oci-empty-base", "-f", &layer, "-t", &target]).await?;
        self.image(repository, tag).await
    }

    /// Copies `image`, which may be in another registry that wants no authentication, to `repository:tag`
    /// here.
    pub async fn copy(&self, image: &Image, repository: &str, tag: &str) -> Result<Image> {
        let target = format!("{}/{repository}:{tag}", self.host);
        self.crane(&["copy", &image.to_string(), &target]).await?;
        self.image(repository, tag).await
    }

    /// Returns the image that `repository:tag` names now.
    pub async fn image(&self, repository: &str, tag: &str) -> Result<Image> {
        let digest = self.digest(repository, tag).await?;
        Ok(Image::new(&self.host, repository, &digest, self.env.clone()))
    }

    /// Returns the digest, such as `sha256:…`, that `repository:tag` names now.
    pub async fn digest(&self, repository: &str, tag: &str) -> Result<String> {
        Ok(self.crane(&["digest", &format!("{}/{repository}:{tag}", self.host)]).await?.trim().to_owned())
    }

    /// Runs crane with the registry's authority and credentials, and returns its standard output.
    pub async fn crane(&self, args: &[&str]) -> Result<String> {
        image::crane(&self.env, args).await
    }

    async fn distribution(access: Access) -> Result<Self> {
        let port = free_port()?;
        let folder = run_dir::data("registry")?;
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
            Ok(path)
        };
        let mut config = json!({
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {"inmemory": {}, "delete": {"enabled": true}},
            "http": {"addr": host(port), "secret": "only for tests"},
        });
        if let Some(user) = &access.user {
            let path = write("htpasswd", &format!("{user}:{PASSWORD_BCRYPT}\n"))?;
            config["auth"] = json!({"htpasswd": {"realm": "testkit", "path": path}});
        }
        if let Some(authority) = &access.authority {
            let identity = authority.server(&["127.0.0.1", "localhost"])?;
            let certificate = write("tls.crt", &identity.certificate)?;
            let key = write("tls.key", &identity.key)?;
            config["http"]["tls"] = json!({"certificate": certificate, "key": key});
        }
        let config = write("config.yml", &config.to_string())?;
        let process = Command::new(Tool::Registry.path()?)
            .arg("serve")
            .arg(config)
            .envs([("OTEL_TRACES_EXPORTER", "none")])
            .spawn()?;
        Self::ready(port, process, access).await
    }

    async fn ready(port: u16, process: Process, access: Access) -> Result<Self> {
        process.listening(port, READY).await?;
        let host = host(port);
        let ca_pem = access.authority.as_ref().map(Authority::pem);
        let env = image::client_env(&host, access.user.as_deref(), ca_pem.as_deref())?;
        Ok(Self { host, ca_pem, user: access.user, env, process })
    }
}

#[derive(Debug, Default)]
struct Access {
    user: Option<String>,
    authority: Option<Authority>,
}

fn host(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
