//! The operations.

use std::{fmt, path::Path, sync::Arc};

use bytes::Bytes;
use reqwest::{
    Response,
    header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
};
use tokio::time::Instant;
use trustwright_outbound::Bounds;
use url::Url;

use crate::{
    HostCredential, body,
    config::{self, BuildError, MirrorConfig},
    error::{Error, Invalid, Request, Wait},
    exchange::{Exchange, Wire},
    outcome::Requests,
    path, retry_after,
};

/// Bytes of a validator that is worth remembering.
const MAX_VALIDATOR: usize = 256;

/// One mirror. Clones share connections and counters.
///
/// Every method takes a deadline, after which it fails with [`Error::Timeout`] at the latest, and can be dropped at
/// any time.
#[derive(Clone)]
pub struct Mirror {
    base: Url,
    exchange: Arc<Exchange>,
}

/// What tells one version of a file from another (RFC 9110, 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, as it came.
    pub etag: Option<String>,
    /// `Last-Modified`, as it came.
    pub last_modified: Option<String>,
}

/// The answer to a conditional request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conditional {
    /// There is no such file.
    Absent,
    /// The file, and what to ask with the next time.
    Body(Bytes, Validators),
    /// 304: the mirror says that the file is the one that the validators came with. That is its word only, and
    /// it extends nothing.
    NotModified,
}

impl Mirror {
    /// Builds a mirror. Connects to nothing.
    pub fn new(config: &MirrorConfig) -> Result<Self, BuildError> {
        // The URL and the credential are checked first: what a person wrote wrong is what should be said.
        let authorization = authorization(&config.base, config.credential.as_ref())?;
        Ok(Self::with(Wire::new(config)?, config.base.clone(), authorization))
    }

    /// Another mirror with the certificates, limits and proxies of this one, and its connections: one client for
    /// any number of mirrors takes the memory of one. It has counters of its own, and the credential given here
    /// or none.
    pub fn beside(&self, base: Url, credential: Option<&HostCredential>) -> Result<Self, BuildError> {
        let authorization = authorization(&base, credential)?;
        Ok(Self::with(self.exchange.wire.clone(), base, authorization))
    }

    fn with(wire: Wire, base: Url, authorization: Option<HeaderValue>) -> Self {
        let counters = Arc::default();
        Self { base, exchange: Arc::new(Exchange { wire, authorization, counters }) }
    }

    /// The URL of the mirror, as it was given.
    pub const fn base(&self) -> &Url {
        &self.base
    }

    /// Reads a file of at most `max_length` bytes, or `None` if there is none: 404, and 403, with which object
    /// stores say so to who may not list them.
    ///
    /// `path` is relative to the base. Where it ends with `.json`, a web page is [`Error::NotMetadata`].
    pub async fn get(&self, path: &str, max_length: u64, deadline: Instant) -> Result<Option<Bytes>, Error> {
        match self.get_if_changed(path, None, max_length, deadline).await? {
            Conditional::Body(bytes, _) => Ok(Some(bytes)),
            // `NotModified` does not come without validators.
            Conditional::Absent | Conditional::NotModified => Ok(None),
        }
    }

    /// Like [`get`](Self::get), unless the file is the one that `validators` came with.
    pub async fn get_if_changed(
        &self,
        path: &str,
        validators: Option<&Validators>,
        max_length: u64,
        deadline: Instant,
    ) -> Result<Conditional, Error> {
        let url = path::url(&self.base, path)?;
        ask(&self.exchange, url, validators, max_length, deadline).await
    }

    /// Reads the file at `url`, query included, wherever that is: as [`get`](Self::get) does, with the certificates,
    /// limits and proxies of this mirror and its connections, and never with its credential.
    ///
    /// Plain HTTP is spoken if `url` says so: that is the caller's to refuse. A redirect never leads there.
    pub async fn get_elsewhere(
        &self,
        url: Url,
        max_length: u64,
        deadline: Instant,
    ) -> Result<Option<Bytes>, Error> {
        let wire = self.exchange.wire.clone();
        let stranger = Exchange { wire, authorization: None, counters: self.exchange.counters.clone() };
        match ask(&stranger, url, None, max_length, deadline).await? {
            Conditional::Body(bytes, _) => Ok(Some(bytes)),
            // `NotModified` does not come without validators.
            Conditional::Absent | Conditional::NotModified => Ok(None),
        }
    }

    /// Returns the counts of HTTP requests since the mirror was built.
    pub fn requests(&self) -> Requests {
        self.exchange.counters.snapshot()
    }
}

async fn ask(
    exchange: &Exchange,
    url: Url,
    validators: Option<&Validators>,
    max_length: u64,
    deadline: Instant,
) -> Result<Conditional, Error> {
    if Instant::now() >= deadline {
        return Err(Request::new(&url).timeout(Wait::Deadline));
    }
    let is_metadata = is_json(url.path());
    let conditions = validators.map(Validators::conditions).unwrap_or_default();
    let (response, request) = exchange.follow(url, &conditions, deadline).await?;
    let bounds = Bounds { limit: max_length, chunk: exchange.wire.timeouts.chunk, deadline };
    match response.status().as_u16() {
        200 => {
            let found = Validators::of(&response);
            let bytes = body::read(response, bounds, is_metadata, &request).await?;
            Ok(Conditional::Body(bytes, found))
        }
        304 if !conditions.is_empty() => Ok(Conditional::NotModified),
        403 | 404 => {
            body::drain(response, bounds).await;
            Ok(Conditional::Absent)
        }
        status => Err(judge(status, &response, &request)),
    }
}

fn is_json(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

/// What a status that brings no file means.
fn judge(status: u16, response: &Response, request: &Request) -> Error {
    match status {
        304 => request.invalid(Invalid::NotModified),
        401 | 407 => Error::Unauthorized { request: Box::new(request.clone()), status },
        429 | 500.. => Error::Unavailable {
            request: Box::new(request.clone()),
            status,
            retry_after: retry_after::of(response.headers()),
        },
        _ => request.invalid(Invalid::Status(status)),
    }
}

fn authorization(base: &Url, credential: Option<&HostCredential>) -> Result<Option<HeaderValue>, BuildError> {
    config::check_base(base)?;
    credential.map(|credential| credential.authorization(base)).transpose()
}

impl Validators {
    /// Those of an answer. What is not plain text, or is longer than anybody needs, is none.
    fn of(response: &Response) -> Self {
        let text = |name: HeaderName| {
            let value = response.headers().get(name)?.to_str().ok()?;
            (1..=MAX_VALIDATOR).contains(&value.len()).then(|| value.to_owned())
        };
        Self { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
    }

    fn conditions(&self) -> HeaderMap {
        let given = [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.last_modified)];
        let header = |(name, value): (HeaderName, &Option<String>)| {
            Some((name, HeaderValue::from_str(value.as_deref()?).ok()?))
        };
        given.into_iter().filter_map(header).collect()
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: &T) {}

    #[test]
    fn calls_can_be_spawned() {
        let mirror = Mirror::new(&MirrorConfig::new("https://tuf.example".parse().unwrap())).unwrap();
        is_send(&mirror.get("a", 1, Instant::now()));
        is_send(&mirror.get_if_changed("a", None, 1, Instant::now()));
    }
}
