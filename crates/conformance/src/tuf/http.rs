//! The suite's server as a mirror.

use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::{Client, StatusCode};
use trustwright_trust::tuf::{FetchError, Mirror};

/// More than any file of the suite takes.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A repository whose metadata and targets are served at two addresses.
pub(crate) struct Http {
    client: Client,
    metadata: String,
    targets: Option<String>,
}

impl Http {
    pub(crate) fn new(metadata: String, targets: Option<String>) -> Result<Self> {
        let client =
            Client::builder().timeout(TIMEOUT).no_proxy().build().context("failed to make a client")?;
        Ok(Self { client, metadata, targets })
    }

    async fn get(&self, path: &str, max_length: u64) -> Result<Option<Vec<u8>>, FetchError> {
        let url = match (path.strip_prefix("targets/"), &self.targets) {
            (Some(target), Some(base)) => format!("{}/{target}", base.trim_end_matches('/')),
            _ => format!("{}/{path}", self.metadata.trim_end_matches('/')),
        };
        let mut answer = self.client.get(url).send().await.map_err(transport)?;
        if [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&answer.status()) {
            return Ok(None);
        }
        answer.error_for_status_ref().map_err(transport)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(transport)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > max_length {
                return Err(FetchError::TooLong { max_length });
            }
        }
        Ok(Some(bytes))
    }
}

impl Mirror for Http {
    async fn fetch(&self, path: &str, max_length: u64) -> Result<Option<Vec<u8>>, FetchError> {
        self.get(path, max_length).await
    }
}

fn transport(error: reqwest::Error) -> FetchError {
    FetchError::Transport(Box::new(error))
}
