//! One request to a registry: authenticated, redirected, and judged by its status.

use std::time::Duration;

use reqwest::{
    Method, Response,
    header::{ACCEPT, AUTHORIZATION, HeaderValue},
};
use tokio::time::Instant;
use trustwright_core::Repository;
use trustwright_outbound::{Bounds, redirect_target};
use url::Url;

use crate::{
    Credential,
    auth::{self, Challenge, Grant, GrantKey, Grants, TokenRequest},
    body,
    config::{Limits, Timeouts},
    error::{Error, Invalid, Object, Outage, Refusal, Request},
    metrics::Operation,
    wire::Wire,
};

/// How long a registry is known to take a password that it has taken.
const BASIC_LIFE: Duration = Duration::from_mins(5);
/// Codes for what does not exist, whatever the status.
const UNKNOWN: [&str; 3] = ["BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "NAME_UNKNOWN"];

/// A client's way to talk to registries.
pub(crate) struct Exchange {
    pub(crate) wire: Wire,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
}

/// What to ask a registry.
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: &'static str,
    pub(crate) repository: &'a Repository,
    pub(crate) credential: &'a Credential,
    pub(crate) deadline: Instant,
}

/// An answer, and where it came from.
pub(crate) struct Reply {
    pub(crate) response: Response,
    pub(crate) request: Request,
    /// The URL that the registry itself was asked under.
    pub(crate) registry_url: Url,
    /// Whether a redirect has left the registry.
    pub(crate) is_foreign: bool,
}

/// The URL of `path` in a repository, in HTTPS.
pub(crate) fn url(repository: &Repository, path: &str) -> Result<Url, Error> {
    let text = format!("https://{}/v2/{}/{path}", repository.registry(), repository.path());
    // The text is made of checked parts, so it can only be the host that is none: `1.2.3.256`.
    Url::parse(&text).map_err(|_| Request::of_text("GET", text).invalid(Invalid::Address))
}

impl Exchange {
    /// Asks and returns the answer if it is 200.
    ///
    /// Guarantees: the credential goes to the registry, or to the token service that the registry itself
    /// names, and a grant is used for the credential and the repository that it was given for.
    pub(crate) async fn ask(&self, call: &Call<'_>) -> Result<Reply, Error> {
        let key = GrantKey::new(call.repository, call.credential);
        let mut grant = self.grants.get(&key, Instant::now());
        let mut is_fresh = false;
        loop {
            let header = grant.as_ref().and_then(|grant| grant.header(call.credential));
            let reply = self.follow(call, header).await?;
            let status = reply.response.status().as_u16();
            if matches!(status, 401 | 403) {
                // What was granted has been withdrawn, or was not enough: next time ask anew.
                self.grants.forget(&key);
            }
            if status == 401 && !is_fresh && !reply.is_foreign {
                grant = Some(self.grant(call, &key, reply).await?);
                is_fresh = true;
                continue;
            }
            if is_fresh && status < 400 && matches!(grant, Some(Grant::Basic)) {
                self.grants.put(key, Grant::Basic, Instant::now(), BASIC_LIFE);
            }
            return self.judge(call, reply).await;
        }
    }

    /// Answers the challenge of a 401.
    async fn grant(&self, call: &Call<'_>, key: &GrantKey, reply: Reply) -> Result<Grant, Error> {
        match auth::challenge(reply.response.headers()) {
            Some(Challenge::Basic) if Grant::Basic.header(call.credential).is_some() => Ok(Grant::Basic),
            Some(Challenge::Basic) => {
                let answer = self.answer(call, reply.response, &reply.request).await;
                Err(Error::Unauthorized { request: Box::new(reply.request), answer })
            }
            Some(Challenge::Bearer { realm, service }) => {
                let from_plain_http = reply.registry_url.scheme() == "http";
                // Its place under the host's limits may be the last one, and the token service on the same host.
                drop(reply);
                let request = TokenRequest {
                    realm,
                    service,
                    repository: call.repository,
                    credential: call.credential,
                    from_plain_http,
                    deadline: call.deadline,
                };
                let (header, life) = request.fetch(&self.wire, self.limits, self.timeouts).await?;
                let grant = Grant::Bearer(header);
                self.grants.put(key.clone(), grant.clone(), Instant::now(), life);
                Ok(grant)
            }
            None => Err(reply.request.invalid(Invalid::Challenge)),
        }
    }

    /// Sends the request and follows redirects, without the grant once they leave the registry.
    async fn follow(&self, call: &Call<'_>, mut grant: Option<HeaderValue>) -> Result<Reply, Error> {
        let method = if call.method == Method::HEAD { "HEAD" } else { "GET" };
        let mut request = Request::new(method, &call.url);
        let mut next = call.url.clone();
        let mut registry_url: Option<Url> = None;
        let mut is_foreign = false;
        for _ in 0..=self.limits.redirects {
            let mut http = reqwest::Request::new(call.method.clone(), next);
            http.headers_mut().insert(ACCEPT, HeaderValue::from_static(call.accept));
            if let Some(value) = &grant {
                http.headers_mut().insert(AUTHORIZATION, value.clone());
            }
            let sent = self.wire.send(call.operation, http, registry_url.is_none(), call.deadline).await;
            let response = sent.map_err(|failure| failure.at(&request))?;
            let here = response.url().clone();
            let registry_url = &*registry_url.get_or_insert_with(|| {
                request.set_url(&here);
                here.clone()
            });
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(Reply { response, request, registry_url: registry_url.clone(), is_foreign });
            }
            next = redirect_target(&response).ok_or_else(|| request.invalid(Invalid::Redirect))?;
            if next.origin() != registry_url.origin() {
                (grant, is_foreign) = (None, true);
                request.set_redirect(&next);
            }
            if here.scheme() == "https" && next.scheme() != "https" {
                return Err(Error::Refused { request: Box::new(request), refusal: Refusal::Downgrade });
            }
        }
        Err(request.invalid(Invalid::Redirect))
    }

    async fn judge(&self, call: &Call<'_>, reply: Reply) -> Result<Reply, Error> {
        let status = reply.response.status().as_u16();
        if status == 200 {
            return Ok(reply);
        }
        let answer = self.answer(call, reply.response, &reply.request).await;
        let request = Box::new(reply.request);
        let object = if call.operation == Operation::Blob { Object::Blob } else { Object::Manifest };
        Err(match status {
            401 => Error::Unauthorized { request, answer },
            404 => Error::NotFound { request, object, answer },
            400..500 if answer.has_code(&UNKNOWN) => Error::NotFound { request, object, answer },
            403 => Error::Forbidden { request, answer },
            501 | 505 => Error::Invalid { request, what: Invalid::Status(answer) },
            408 | 429 | 500.. => Error::Unavailable { request, outage: Outage::Status(answer) },
            _ => Error::Invalid { request, what: Invalid::Status(answer) },
        })
    }

    async fn answer(&self, call: &Call<'_>, response: Response, request: &Request) -> crate::Answer {
        body::answer(response, self.bounds(self.limits.error, call.deadline), request).await
    }

    pub(crate) fn bounds(&self, limit: u64, deadline: Instant) -> Bounds {
        Bounds { limit, chunk: self.timeouts.request, deadline }
    }
}
