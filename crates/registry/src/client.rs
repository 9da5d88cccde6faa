//! The operations.

mod manifest;
mod place;
mod referrers;

use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use tokio::time::Instant;
use trustwright_core::{Digest, ImageRef, Registry, Repository};
use trustwright_outbound::Bounds;

use self::place::{Place, passed_over};
pub use self::{
    manifest::{Manifest, Reference},
    referrers::{Referrers, ReferrersSource},
};
use crate::{
    Credential, Error,
    auth_file::AuthFiles,
    body,
    config::{BuildError, ClientConfig},
    exchange::{self, Exchange},
    live::Live,
    memory::Memory,
    metrics::{Counters, Metrics, Operation},
    wire::Wire,
};

/// A read-only client of any number of registries. Clones share connections, tokens and counters.
///
/// Where a configuration names mirrors, they are asked first, in their order, and the repository itself where none of
/// them has an answer; digests are checked in any case.
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
    /// The credentials of the process.
    auth_files: Live<AuthFiles>,
    /// Where every repository is read, if anywhere.
    stand_in: Option<String>,
}

impl Client {
    /// Builds a client: reads the files that the configuration names, and connects to nothing.
    pub fn new(config: &ClientConfig) -> Result<Self, BuildError> {
        let counters = Arc::new(Counters::default());
        let exchange = Exchange {
            wire: Wire::new(config, Arc::clone(&counters))?,
            grants: Memory::new(config.limits.memory),
            limits: config.limits,
            timeouts: config.timeouts,
        };
        let without_referrers = Memory::new(config.limits.memory);
        let auth_files = Live::new(AuthFiles(config.auth_files.clone()), config.timeouts.files)?;
        let stand_in = config.stand_in.clone();
        Ok(Self(Arc::new(Shared { exchange, counters, without_referrers, auth_files, stand_in })))
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
        let places = self.places(image.repository(), credential, deadline).await?;
        for mirror in places.mirrors() {
            match self.resolve_at(&mirror, &tag).await {
                Ok(digest) => return Ok(digest),
                other => passed_over(&mirror, &other),
            }
        }
        self.resolve_at(&places.origin, &tag).await
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
        let places = self.places(repository, credential, deadline).await?;
        for mirror in places.mirrors() {
            match self.manifest_at(&mirror, reference).await {
                Ok(Some(manifest)) => return Ok(Some(manifest)),
                other => passed_over(&mirror, &other),
            }
        }
        self.manifest_at(&places.origin, reference).await
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
        let places = self.places(repository, credential, deadline).await?;
        for mirror in places.mirrors() {
            match self.blob_at(&mirror, digest, limit).await {
                Ok(bytes) => return Ok(bytes),
                other => passed_over(&mirror, &other),
            }
        }
        self.blob_at(&places.origin, digest, limit).await
    }

    /// Returns the counts of HTTP requests since the client was built.
    pub fn metrics(&self) -> Metrics {
        self.0.counters.snapshot()
    }

    async fn resolve_at(&self, place: &Place, tag: &Reference) -> Result<Digest, Error> {
        if let Some(digest) = self.head(place, tag).await? {
            return Ok(digest);
        }
        let manifest = self.get_manifest(place, tag).await?;
        manifest.check_is_document()?;
        Ok(manifest.digest)
    }

    async fn manifest_at(&self, place: &Place, reference: &Reference) -> Result<Option<Manifest>, Error> {
        match self.get_manifest(place, reference).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn blob_at(&self, place: &Place, digest: &Digest, limit: u64) -> Result<Bytes, Error> {
        let url = exchange::url(&place.repository, &format!("blobs/{digest}"))?;
        let call = place.call(Operation::Blob, Method::GET, url, "*/*");
        let reply = self.0.exchange.ask(&call).await?;
        let bytes = body::read(reply.response, self.bounds(limit, place.deadline), &reply.request).await?;
        body::check_digest(&bytes, *digest, &reply.request)?;
        Ok(bytes)
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
