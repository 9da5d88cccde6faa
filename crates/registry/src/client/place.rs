//! Where a repository is read, and what is shown there.

use reqwest::Method;
use tokio::time::Instant;
use trustwright_core::Repository;
use url::Url;

use super::Client;
use crate::{
    Credential, Error,
    error::{Invalid, Request},
    exchange::Call,
    metrics::Operation,
    registries::Routing,
};

/// A repository to ask, the credential for its registry, and until when.
#[derive(Clone)]
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

/// Where a repository is read: at its mirrors, one after the other, and then where it is.
pub(super) struct Places {
    mirrors: Vec<Place>,
    pub(super) origin: Place,
}

impl Places {
    /// The mirrors, each with its share of the time that is left, so that one which hangs leaves the others theirs.
    pub(super) fn mirrors(&self) -> impl Iterator<Item = Place> {
        self.mirrors.iter().enumerate().map(|(index, mirror)| {
            let now = Instant::now();
            let sharing = u32::try_from(self.mirrors.len() - index + 1).unwrap_or(u32::MAX);
            let share = mirror.deadline.saturating_duration_since(now) / sharing;
            Place { deadline: now + share, ..mirror.clone() }
        })
    }
}

impl Client {
    /// The places where a repository is read, by the configuration of registries.
    ///
    /// Guarantees: the caller's credential is for the registry that the caller names. Any other, and every one for a
    /// caller without credential, is shown that which the process has for it.
    pub(super) async fn places(
        &self,
        repository: &Repository,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<Places, Error> {
        let routing = match &self.0.stand_in {
            Some(host) => {
                Routing { mirrors: Vec::new(), origin: format!("{host}/{}", repository.path()).parse().ok() }
            }
            None => self.0.exchange.wire.registries.current().await.route(repository),
        };
        let own = self.0.auth_files.current().await;
        let place = |place: Repository| {
            let is_named = place.registry() == repository.registry();
            let credential = if is_named && *credential != Credential::Anonymous {
                credential.clone()
            } else {
                own.credential(&place)
            };
            Place { repository: place, credential, deadline }
        };
        let nowhere = || Request::of_text("GET", repository.to_string()).invalid(Invalid::Address);
        Ok(Places {
            mirrors: routing.mirrors.into_iter().map(place).collect(),
            origin: place(routing.origin.ok_or_else(nowhere)?),
        })
    }
}

/// Notes that a mirror had no answer.
pub(super) fn passed_over<T>(mirror: &Place, result: &Result<T, Error>) {
    let registry = mirror.repository.registry().as_str();
    match result {
        Ok(_) => tracing::debug!(registry, "Mirror has nothing"),
        Err(error) => tracing::debug!(registry, error = error.to_string(), "Mirror has no answer"),
    }
}
