//! The operations.

mod manifest;
mod referrers;

use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use tokio::time::Instant;
use trustwright_core::{Digest, ImageRef, Registry, Repository};
use trustwright_outbound::Bounds;

pub use self::{
    manifest::{Manifest, Reference},
    referrers::{Referrers, ReferrersSource},
};
use crate::{
    Credential, Error, body,
    config::{BuildError, ClientConfig},
    exchange::{self, Call, Exchange},
    memory::Memory,
    metrics::{Counters, Metrics, Operation},
    wire::Wire,
};

/// A read-only client of any number of registries. Clones share connections, tokens and counters.
///
/// Every method takes the credential to use, which is kept for no other call, and a deadline, after which it
/// fails with [`Error::Timeout`] at the latest.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    exchange: Exchange,
    counters: Arc<Counters>,
    /// Registries that have answered as those do that lack the referrers API.
    without_referrers: Memory<Registry, ()>,
}

impl Client {
    /// Builds a client. Connects to nothing.
    pub fn new(config: &ClientConfig) -> Result<Self, BuildError> {
        let counters = Arc::new(Counters::default());
        let exchange = Exchange {
            wire: Wire::new(config, Arc::clone(&counters))?,
            grants: Memory::new(config.limits.memory),
            limits: config.limits,
            timeouts: config.timeouts,
        };
        let without_referrers = Memory::new(config.limits.memory);
        Ok(Self(Arc::new(Shared { exchange, counters, without_referrers })))
    }

    /// Resolves an image to a digest: its own if it names one, without a request, else that of its tag.
    ///
    /// Asks with `HEAD`, and with `GET` where `HEAD` does not say. The registry's word is taken for the
    /// digest of a `HEAD`: what is pinned is what is verified, so a wrong digest harms nobody.
    pub async fn resolve(
        &self,
        image: &ImageRef,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<Digest, Error> {
        let tag = match (image.digest(), image.tag()) {
            (Some(digest), _) => return Ok(digest),
            (None, tag) => Reference::Tag(tag.unwrap_or("latest").to_owned()),
        };
        let repository = image.repository();
        if let Some(digest) = self.head(repository, &tag, credential, deadline).await? {
            return Ok(digest);
        }
        let manifest = self.get_manifest(repository, &tag, credential, deadline).await?;
        manifest.check_is_document()?;
        Ok(manifest.digest)
    }

    /// Reads a manifest or index, or `None` if there is no such manifest or repository.
    ///
    /// Its digest is checked against the reference if that is a digest, else against the
    /// `Docker-Content-Digest` header if there is one.
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<Option<Manifest>, Error> {
        match self.get_manifest(repository, reference, credential, deadline).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a blob of at most `limit` bytes and checks its digest.
    pub async fn blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        limit: u64,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        let url = exchange::url(repository, &format!("blobs/{digest}"))?;
        let (operation, method, accept) = (Operation::Blob, Method::GET, "*/*");
        let call = Call { operation, method, url, accept, repository, credential, deadline };
        let reply = self.0.exchange.ask(&call).await?;
        let bytes = body::read(reply.response, self.bounds(limit, deadline), &reply.request).await?;
        body::check_digest(&bytes, *digest, &reply.request)?;
        Ok(bytes)
    }

    /// Returns the counts of HTTP requests since the client was built.
    pub fn metrics(&self) -> Metrics {
        self.0.counters.snapshot()
    }

    fn bounds(&self, limit: u64, deadline: Instant) -> Bounds {
        self.0.exchange.bounds(limit, deadline)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
