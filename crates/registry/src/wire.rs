//! One HTTP request: where it may go, how long it may take, how often it is repeated.

mod failure;
mod retry;
mod scheme;
mod throttle;

use std::sync::Arc;

use reqwest::{Certificate, Response, StatusCode};
use tokio::time::{Instant, sleep, timeout_at};
use trustwright_outbound::{NoAnswer, earliest, names_refused_address, root_cause};
use url::Url;

use self::throttle::Throttles;
pub(crate) use self::{failure::Failure, scheme::host_and_port};
use crate::{
    address,
    config::{BuildError, ClientConfig, PlainHttp, Retries, Timeouts},
    error::Refusal,
    live::Live,
    memory::Memory,
    metrics::{Counters, Operation, Outcome},
    registries::{Host, RegistriesFile, Schemes},
};

/// The connections of a client.
pub(crate) struct Wire {
    /// How hosts are spoken to, and where repositories are read.
    pub(crate) registries: Live<RegistriesFile>,
    timeouts: Timeouts,
    retries: Retries,
    plain_http: PlainHttp,
    schemes: Memory<String, scheme::Scheme>,
    throttles: Throttles,
    counters: Arc<Counters>,
}

/// The connections with hosts that are trusted by the platform's authorities, those of the configuration, or `roots`.
/// Redirects are followed by `Exchange`, which knows what a credential is for.
pub(crate) fn http(
    config: &ClientConfig,
    mut roots: Vec<Certificate>,
) -> Result<reqwest::Client, BuildError> {
    for (index, pem) in config.extra_roots.iter().enumerate() {
        let found = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
        if found.is_empty() {
            return Err(BuildError::ExtraRoot { index });
        }
        roots.extend(found);
    }
    trustwright_outbound::builder(&config.user_agent, config.timeouts.connect, config.proxies)
        .tls_certs_merge(roots)
        .build()
        .map_err(|error| BuildError::Http(root_cause(&error)))
}

impl Wire {
    pub(crate) fn new(config: &ClientConfig, counters: Arc<Counters>) -> Result<Self, BuildError> {
        let file = RegistriesFile { config: config.clone(), http: http(config, Vec::new())? };
        Ok(Self {
            registries: Live::new(file, config.timeouts.files)?,
            timeouts: config.timeouts,
            retries: config.retries,
            plain_http: config.plain_http,
            schemes: Memory::new(config.limits.memory),
            throttles: Throttles::new(config.limits.memory),
            counters,
        })
    }

    /// Sends a request, again where it fails in a way that may pass, and returns the last answer, of whatever
    /// status. With `any_scheme`, a local host is spoken to in the scheme that it speaks.
    pub(crate) async fn send(
        &self,
        operation: Operation,
        request: reqwest::Request,
        any_scheme: bool,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let registries = self.registries.latest();
        let host = registries.host(request.url());
        let mut attempt = 0;
        loop {
            let Some(again) = request.try_clone() else {
                return self.once(operation, request, host, deadline).await;
            };
            let result = match host.schemes {
                Schemes::Http if any_scheme => {
                    self.once_in(scheme::Scheme::Http, operation, again, host, deadline).await
                }
                Schemes::ByAddress if any_scheme && self.may_be_plain_at(again.url(), host) => {
                    self.once_in_either_scheme(operation, again, host, deadline).await
                }
                Schemes::ByAddress | Schemes::Http | Schemes::Https => {
                    self.once(operation, again, host, deadline).await
                }
            };
            let Some(pause) = retry::pause(self.retries, attempt, &result) else { return result };
            if Instant::now() + pause >= deadline {
                return result;
            }
            drop(result);
            sleep(pause).await;
            attempt += 1;
        }
    }

    async fn once(
        &self,
        operation: Operation,
        request: reqwest::Request,
        host: &Host,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let url = request.url();
        let refusal = if names_refused_address(url) {
            Some(Refusal::LinkLocal)
        } else if url.scheme() != "https" && !self.may_be_plain_at(url, host) {
            Some(Refusal::PlainHttp)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.counters.add(operation, Outcome::Refused);
            return Err(Failure::Refused(refusal));
        }
        let result = self.execute(request, host, deadline).await;
        let outcome = match &result {
            Ok(response) => Outcome::of_status(response.status().as_u16()),
            Err(failure) => failure.outcome(),
        };
        self.counters.add(operation, outcome);
        tracing::debug!(operation = operation.as_str(), outcome = outcome.as_str(), "registry request");
        result
    }

    /// Sends a request as its host's throttle lets it. The permit is in the answer: it ends when the body is read.
    async fn execute(
        &self,
        request: reqwest::Request,
        host: &Host,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let throttle = self.throttles.of(host_and_port(request.url()), host.limits);
        let permit = throttle.enter(deadline).await?;
        let until = earliest(deadline, self.timeouts.request);
        let mut response = match timeout_at(until, host.http.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(NoAnswer::of(&error).into()),
            Err(_) => return Err(Failure::Timeout),
        };
        if response.status() == StatusCode::TOO_MANY_REQUESTS
            && let Some(pause) = retry::retry_after(&response)
        {
            throttle.pause(Instant::now() + pause.min(self.timeouts.pause));
        }
        response.extensions_mut().insert(permit);
        Ok(response)
    }

    /// Whether a URL may be asked for in plain HTTP.
    pub(crate) fn may_be_plain(&self, url: &Url) -> bool {
        self.may_be_plain_at(url, self.registries.latest().host(url))
    }

    fn may_be_plain_at(&self, url: &Url, host: &Host) -> bool {
        match host.schemes {
            Schemes::Http => true,
            Schemes::Https => false,
            Schemes::ByAddress => self.plain_http == PlainHttp::LocalHosts && address::is_local(url),
        }
    }
}
