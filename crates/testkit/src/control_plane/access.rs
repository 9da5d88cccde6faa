//! Clients, and the credentials of service accounts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use super::ControlPlane;
use crate::run_dir;

/// Returns a client for whoever `kubeconfig` describes, which no setting of the caller's shell bends.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let parsed = Kubeconfig::read_from(kubeconfig).with_context(|| format!("{}", kubeconfig.display()))?;
    let mut config = Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("failed to read {}", kubeconfig.display()))?;
    config.proxy_url = None;
    Client::try_from(config).context("failed to make a client")
}

impl ControlPlane {
    /// Returns a token of the service account for `audiences`; for none, one that the API server itself
    /// accepts.
    pub async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[&str],
    ) -> Result<String> {
        let accounts = Api::<ServiceAccount>::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: audiences.iter().map(|&audience| audience.to_owned()).collect(),
                expiration_seconds: Some(24 * 3600),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .with_context(|| format!("failed to get a token for {namespace}/{name}"))?;
        Ok(answer
            .status
            .ok_or_else(|| anyhow!("the token of {namespace}/{name} is not in the answer"))?
            .token)
    }

    /// Writes a kubeconfig with a token of the service account and the authority's certificate, and nothing
    /// else: what runs with it has exactly the rights that the account's role bindings give.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = self.service_account_token(namespace, name, &[]).await?;
        let folder = run_dir::data(&format!("kubeconfig-{namespace}-{name}"))?;
        self.files.write_token_kubeconfig(&folder, &self.endpoints.url(), namespace, &token)
    }
}
