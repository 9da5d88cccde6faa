//! One fetch: redirected, and with the credential where it may go.

use std::sync::Arc;

use reqwest::{
    Certificate, Method, Response,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use tokio::time::{Instant, timeout_at};
use trustwright_outbound::{NoAnswer, earliest, names_refused_address, redirect_target, root_cause};
use url::Url;

use crate::{
    body::ended,
    config::{BuildError, MirrorConfig, Timeouts},
    error::{Error, Invalid, Refusal, Request, Wait},
    failure::Failure,
    outcome::{Counters, Outcome},
};

/// Redirects of one fetch that are followed.
const MAX_REDIRECTS: usize = 5;
/// Connections to one host that are kept for later.
const MAX_IDLE: usize = 2;

/// The way to mirrors with the same certificates, limits and proxies. It holds no credential.
#[derive(Clone)]
pub(crate) struct Wire {
    http: reqwest::Client,
    pub(crate) timeouts: Timeouts,
}

impl Wire {
    pub(crate) fn new(config: &MirrorConfig) -> Result<Self, BuildError> {
        let connect = config.timeouts.connect;
        // Redirects are followed by `Exchange`, which knows what a credential is for.
        let mut builder = trustwright_outbound::builder(&config.user_agent, connect, config.proxies)
            .pool_idle_timeout(config.timeouts.idle)
            .pool_max_idle_per_host(MAX_IDLE)
            // A limit on what is received is one on what is kept only where nothing is unpacked on the way.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd();
        if let Some(pem) = &config.ca_bundle_pem {
            builder = builder.tls_certs_only(certificates(pem)?);
        }
        let http = builder.build().map_err(|error| BuildError::Http(root_cause(&error)))?;
        Ok(Self { http, timeouts: config.timeouts })
    }
}

/// The authorities of a bundle, each of which must be usable.
fn certificates(pem: &str) -> Result<Vec<Certificate>, BuildError> {
    let found = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|_| BuildError::CaBundle)?;
    if found.is_empty() {
        return Err(BuildError::CaBundle);
    }
    // Whether DER is a certificate comes out when a client is built.
    match reqwest::Client::builder().no_proxy().tls_certs_only(found.clone()).build() {
        Ok(_) => Ok(found),
        Err(_) => Err(BuildError::CaBundle),
    }
}

/// A mirror's way to its files.
pub(crate) struct Exchange {
    pub(crate) wire: Wire,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) counters: Arc<Counters>,
}

impl Exchange {
    /// Asks for `url` and follows redirects. Returns the first answer that is none, of whatever status.
    ///
    /// Guarantee: the credential is part of the first request only. Where the mirror sends us is the mirror's
    /// word, and the credential's owner has named a host, not whoever that host names.
    pub(crate) async fn follow(
        &self,
        url: Url,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Result<(Response, Request), Error> {
        let mut request = Request::new(&url);
        let origin = url.origin();
        let mut authorization = self.authorization.clone();
        let mut next = url;
        for _ in 0..=MAX_REDIRECTS {
            let mut http = reqwest::Request::new(Method::GET, next);
            *http.headers_mut() = headers.clone();
            if let Some(value) = authorization.take() {
                http.headers_mut().insert(AUTHORIZATION, value);
            }
            let response = self.send(http, deadline).await.map_err(|failure| failure.at(&request))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((response, request));
            }
            let here = response.url();
            let target = redirect_target(&response).ok_or_else(|| request.invalid(Invalid::Redirect))?;
            if target.origin() != origin {
                request.set_redirect(&target);
            }
            if here.scheme() == "https" && target.scheme() != "https" {
                return Err(request.refused(Refusal::Downgrade));
            }
            next = target;
        }
        Err(request.invalid(Invalid::TooManyRedirects { limit: MAX_REDIRECTS }))
    }

    async fn send(&self, request: reqwest::Request, deadline: Instant) -> Result<Response, Failure> {
        let result = self.try_send(request, deadline).await;
        let outcome = match &result {
            Ok(response) => Outcome::of_status(response.status().as_u16()),
            Err(failure) => failure.outcome(),
        };
        self.counters.add(outcome);
        tracing::debug!(outcome = outcome.as_str(), "mirror request");
        result
    }

    async fn try_send(&self, request: reqwest::Request, deadline: Instant) -> Result<Response, Failure> {
        if names_refused_address(request.url()) {
            return Err(Failure::Refused(Refusal::LinkLocal));
        }
        let until = earliest(deadline, self.wire.timeouts.answer);
        match timeout_at(until, self.wire.http.execute(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(NoAnswer::of(&error).into()),
            Err(_) => Err(Failure::Timeout(ended(Wait::Answer, deadline))),
        }
    }
}
