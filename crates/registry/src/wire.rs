//! One HTTP request: where it may go, how long it may take, how often it is repeated.

mod failure;
mod retry;
mod scheme;
mod throttle;

use std::sync::Arc;

use reqwest::{Certificate, Response, StatusCode};
use tokio::time::{Instant, sleep, timeout_at};
use trustwright_outbound::{NoAnswer, earliest, names_refused_address, root_cause};

pub(crate) use self::failure::Failure;
use self::throttle::Throttles;
use crate::{
    address,
    config::{BuildError, ClientConfig, HostLimits, PlainHttp, Retries, Timeouts},
    error::Refusal,
    memory::Memory,
    metrics::{Counters, Operation, Outcome},
};

/// The connections of a client.
pub(crate) struct Wire {
    http: reqwest::Client,
    timeouts: Timeouts,
    retries: Retries,
    plain_http: PlainHttp,
    schemes: Memory<String, scheme::Scheme>,
    host_limits: HostLimits,
    throttles: Throttles,
    counters: Arc<Counters>,
}

impl Wire {
    pub(crate) fn new(config: &ClientConfig, counters: Arc<Counters>) -> Result<Self, BuildError> {
        let mut roots = Vec::new();
        for (index, pem) in config.extra_roots.iter().enumerate() {
            let found = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
            if found.is_empty() {
                return Err(BuildError::ExtraRoot { index });
            }
            roots.extend(found);
        }
        let connect = config.timeouts.connect;
        // Redirects are followed by `Exchange`, which knows what a credential is for.
        let http = trustwright_outbound::builder(&config.user_agent, connect, config.proxies)
            .tls_certs_merge(roots)
            .build()
            .map_err(|error| BuildError::Http(root_cause(&error)))?;
        Ok(Self {
            http,
            timeouts: config.timeouts,
            retries: config.retries,
            plain_http: config.plain_http,
            schemes: Memory::new(config.limits.memory),
            host_limits: config.host_limits,
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
        let mut attempt = 0;
        loop {
            let Some(again) = request.try_clone() else {
                return self.once(operation, request, deadline).await;
            };
            let result = if any_scheme && self.may_be_plain(again.url()) {
                self.once_in_either_scheme(operation, again, deadline).await
            } else {
                self.once(operation, again, deadline).await
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
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let url = request.url();
        let refusal = if names_refused_address(url) {
            Some(Refusal::LinkLocal)
        } else if url.scheme() != "https" && !self.may_be_plain(url) {
            Some(Refusal::PlainHttp)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.counters.add(operation, Outcome::Refused);
            return Err(Failure::Refused(refusal));
        }
        let result = self.execute(request, deadline).await;
        let outcome = match &result {
            Ok(response) => Outcome::of_status(response.status().as_u16()),
            Err(failure) => failure.outcome(),
        };
        self.counters.add(operation, outcome);
        tracing::debug!(operation = operation.as_str(), outcome = outcome.as_str(), "registry request");
        result
    }

    /// Sends a request as its host's throttle lets it. The permit is in the answer: it ends when the body is read.
    async fn execute(&self, request: reqwest::Request, deadline: Instant) -> Result<Response, Failure> {
        let throttle = self.throttles.of(scheme::host_and_port(request.url()), self.host_limits);
        let permit = throttle.enter(deadline).await?;
        let until = earliest(deadline, self.timeouts.request);
        let mut response = match timeout_at(until, self.http.execute(request)).await {
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

    fn may_be_plain(&self, url: &url::Url) -> bool {
        self.plain_http == PlainHttp::LocalHosts && address::is_local(url)
    }
}
