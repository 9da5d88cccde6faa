//! Where a repository is read, and what is shown there.

use reqwest::Method;
use tokio::time::Instant;
use trustwright_core::Repository;
use url::Url;

use super::Client;
use crate::{Credential, exchange::Call, metrics::Operation};

/// A repository to ask, the credential for its registry, and until when.
pub(super) struct Place {
    pub(super) repository: Repository,
    pub(super) credential: Credential,
    pub(super) deadline: Instant,
}

impl Place {
    pub(super) fn call(
        &self,
        operation: Operation,
        method: Method,
        url: Url,
        accept: &'static str,
    ) -> Call<'_> {
        let Self { repository, credential, deadline } = self;
        Call { operation, method, url, accept, repository, credential, deadline: *deadline }
    }
}

impl Client {
    /// The place where a repository is read. Where the caller has no credential, that of the process counts.
    pub(super) async fn place(
        &self,
        repository: &Repository,
        credential: &Credential,
        deadline: Instant,
    ) -> Place {
        let credential = match credential {
            Credential::Anonymous => self.0.auth_files.current().await.credential(repository),
            Credential::Basic { .. } | Credential::IdentityToken(_) => credential.clone(),
        };
        Place { repository: repository.clone(), credential, deadline }
    }
}
