//! HTTPS or HTTP for a local registry.

use reqwest::{Response, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::{Failure, Wire};
use crate::{error::Outage, metrics::Operation, registries::Host};

/// What a local registry speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Wire {
    /// Sends a request in the scheme that worked last, or else in HTTPS and, where no TLS connection comes
    /// about, in HTTP.
    ///
    /// Guarantees: a server that answers in TLS is not spoken to in HTTP, whatever is wrong with its answer.
    pub(super) async fn once_in_either_scheme(
        &self,
        operation: Operation,
        request: reqwest::Request,
        at: &Host,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let host = host_and_port(request.url());
        if let Some(scheme) = self.schemes.get(&host, Instant::now()) {
            let result = self.once_in(scheme, operation, request, at, deadline).await;
            if result.as_ref().is_err_and(Failure::is_of_connection) {
                self.schemes.forget(&host);
            }
            return result;
        }
        let plain = request.try_clone();
        let secure = self.once_in(Scheme::Https, operation, request, at, deadline).await;
        let (scheme, result) = match (secure, plain) {
            (Err(Failure::Outage(outage)), Some(plain)) if is_without_tls(&outage) => {
                (Scheme::Http, self.once_in(Scheme::Http, operation, plain, at, deadline).await)
            }
            (secure, _) => (Scheme::Https, secure),
        };
        // An HTTPS server answers plain HTTP with 400: that is no sign that it speaks it.
        if result.as_ref().is_ok_and(|response| response.status() != StatusCode::BAD_REQUEST) {
            self.schemes.put(host, scheme, Instant::now(), self.timeouts.memory);
        }
        result
    }

    pub(super) async fn once_in(
        &self,
        scheme: Scheme,
        operation: Operation,
        mut request: reqwest::Request,
        at: &Host,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let name = match scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        // Between two schemes of the web this cannot fail, and `once` checks the outcome.
        let _ = request.url_mut().set_scheme(name);
        self.once(operation, request, at, deadline).await
    }
}

const fn is_without_tls(outage: &Outage) -> bool {
    match outage {
        Outage::Connect | Outage::ConnectTimeout | Outage::Connection | Outage::NotTls => true,
        Outage::Certificate
        | Outage::Dns
        | Outage::Limited
        | Outage::Paused { .. }
        | Outage::Status(_)
        | Outage::Tls => false,
    }
}

/// A host as a key: with its port, where that is not the scheme's own.
pub(crate) fn host_and_port(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}
