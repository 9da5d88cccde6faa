//! Why a call failed.

use std::fmt;

use trustwright_core::{Digest, Reason};
use trustwright_outbound::without_secrets;
use url::Url;

/// Codes quoted from one answer.
const MAX_CODES: usize = 5;

/// Why a call failed. Messages start with the request, as those of the field do, and quote at most the error
/// codes of the registry: no body, no header, no credential, no query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Content has another digest than it should.
    #[error("{request}: digest mismatch: expected {expected}, got {actual}")]
    DigestMismatch {
        /// The request.
        request: Box<Request>,
        /// The digest that was asked for, or that the registry announced.
        expected: Digest,
        /// The digest of what was received.
        actual: Digest,
    },
    /// 403: the credential is known and does not suffice.
    #[error("{request}: {answer}")]
    Forbidden {
        /// The request.
        request: Box<Request>,
        /// The answer.
        answer: Answer,
    },
    /// The answer is not what the specification asks for.
    #[error("{request}: {what}")]
    Invalid {
        /// The request.
        request: Box<Request>,
        /// What is wrong with it.
        what: Invalid,
    },
    /// There is no such manifest, blob or repository.
    #[error("{request}: {answer}")]
    NotFound {
        /// The request.
        request: Box<Request>,
        /// What was asked for.
        object: Object,
        /// The answer.
        answer: Answer,
    },
    /// The address or scheme is one that is never used.
    #[error("{request}: {refusal}")]
    Refused {
        /// The request.
        request: Box<Request>,
        /// What was refused.
        refusal: Refusal,
    },
    /// The deadline or a time limit passed.
    #[error("{request}: no answer in time")]
    Timeout {
        /// The request.
        request: Box<Request>,
    },
    /// The body reached its size limit and was not read further.
    #[error("{request}: answer is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The request.
        request: Box<Request>,
        /// The limit, in bytes.
        limit: u64,
    },
    /// There are more descriptors, layers or pages than the limit.
    #[error("{request}: more than {limit} {what}")]
    TooMany {
        /// The request.
        request: Box<Request>,
        /// What there are too many of, in the plural.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// 401: the registry or its token service wants a credential, or another one.
    #[error("{request}: {answer}")]
    Unauthorized {
        /// The request.
        request: Box<Request>,
        /// The answer.
        answer: Answer,
    },
    /// The registry cannot be reached, or fails.
    #[error("{request}: {outage}")]
    Unavailable {
        /// The request.
        request: Box<Request>,
        /// How.
        outage: Outage,
    },
}

/// The request that an error is about: `GET https://ghcr.io/v2/a/b/manifests/v1`, without query, and with the
/// host of a redirect where that is what failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: &'static str,
    url: String,
    redirected_to: Option<String>,
}

/// A refusing answer: its status, and the codes of its `errors` (distribution specification, "Error codes").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// At most five codes of 1 to 40 characters, each `A` to `Z` or `_`; other codes are dropped.
    pub codes: Vec<String>,
}

/// What a [`Error::NotFound`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// A blob.
    Blob,
    /// A manifest, or its repository.
    Manifest,
}

/// What is wrong with an answer, or with what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The registry's name is not a host.
    #[error("registry is not a host name or address")]
    Address,
    /// 401 without a challenge that we know (`Basic`, or `Bearer` with a realm).
    #[error("no usable authentication challenge")]
    Challenge,
    /// `Docker-Content-Digest` is not a SHA-256 digest.
    #[error("Docker-Content-Digest is no sha256 digest")]
    ContentDigest,
    /// The body is not the JSON document that it should be.
    #[error("body is not a valid {0}")]
    Document(&'static str),
    /// The next page is not one of the same list.
    #[error("next page is outside of the list")]
    Link,
    /// The answer has another media type than the document that was asked for.
    #[error("answer is not an image index")]
    MediaType,
    /// A redirect without a usable `Location`, or too many of them.
    #[error("redirect without usable target, or too many")]
    Redirect,
    /// A status that means nothing here.
    #[error("{0}")]
    Status(Answer),
    /// The tag is none (distribution specification: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`).
    #[error("tag is invalid")]
    Tag,
    /// The token service's answer holds no token.
    #[error("token service returned no usable token")]
    Token,
}

/// How a registry is unavailable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Outage {
    /// Its certificate is not trusted.
    #[error("certificate is not trusted")]
    Certificate,
    /// It cannot be connected to.
    #[error("connection failed")]
    Connect,
    /// It cannot be connected to in time.
    #[error("connection timed out")]
    ConnectTimeout,
    /// The connection broke.
    #[error("connection broken")]
    Connection,
    /// Its name cannot be resolved.
    #[error("name resolution failed")]
    Dns,
    /// It is not asked: more requests to it wait than its limits let through in time.
    #[error("not sent: too many requests to this host are waiting")]
    Limited,
    /// It does not speak TLS.
    #[error("server does not speak TLS")]
    NotTls,
    /// It is not asked: it has answered 429 and asked for a pause, which lasts longer than the caller can wait.
    #[error("not sent: the host has asked for a pause, of which {seconds} s are left")]
    Paused {
        /// What is left of the pause, in seconds.
        seconds: u64,
    },
    /// It failed, or asked us to come back later.
    #[error("{0}")]
    Status(Answer),
    /// It speaks TLS, but not with us.
    #[error("TLS handshake failed")]
    Tls,
}

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A redirect from HTTPS to HTTP.
    #[error("refused a redirect from https to http")]
    Downgrade,
    /// A link-local or metadata address.
    #[error("refused to connect to a link-local address")]
    LinkLocal,
    /// Plain HTTP with a host that is not local.
    #[error("refused plain http")]
    PlainHttp,
    /// A token service without HTTPS, named by a registry that has it.
    #[error("refused a token service without https")]
    Realm,
}

impl Error {
    /// The request that failed.
    pub const fn request(&self) -> &Request {
        match self {
            Self::DigestMismatch { request, .. }
            | Self::Forbidden { request, .. }
            | Self::Invalid { request, .. }
            | Self::NotFound { request, .. }
            | Self::Refused { request, .. }
            | Self::Timeout { request }
            | Self::TooLarge { request, .. }
            | Self::TooMany { request, .. }
            | Self::Unauthorized { request, .. }
            | Self::Unavailable { request, .. } => request,
        }
    }

    /// The reason to give for a verdict that rests on this error.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Forbidden { .. } | Self::Unauthorized { .. } => Reason::RegistryUnauthorized,
            Self::NotFound { object: Object::Manifest, .. } => Reason::NotADigest,
            Self::Timeout { .. } => Reason::DeadlineExceeded,
            Self::Unavailable { .. } => Reason::RegistryUnavailable,
            Self::DigestMismatch { .. }
            | Self::Invalid { .. }
            | Self::NotFound { object: Object::Blob, .. }
            | Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::TooMany { .. } => Reason::RegistryInvalid,
        }
    }
}

impl Request {
    pub(crate) fn new(method: &'static str, url: &Url) -> Self {
        Self { method, url: without_secrets(url), redirected_to: None }
    }

    /// A request that has no URL, for its text is none.
    pub(crate) const fn of_text(method: &'static str, text: String) -> Self {
        Self { method, url: text, redirected_to: None }
    }

    /// Corrects the scheme, once it is known which one the registry speaks.
    pub(crate) fn set_url(&mut self, url: &Url) {
        self.url = without_secrets(url);
    }

    pub(crate) fn set_redirect(&mut self, target: &Url) {
        self.redirected_to = target.host_str().map(str::to_owned);
    }

    pub(crate) fn invalid(&self, what: Invalid) -> Error {
        Error::Invalid { request: Box::new(self.clone()), what }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)?;
        match &self.redirected_to {
            Some(host) => write!(f, " (redirected to {host})"),
            None => Ok(()),
        }
    }
}

impl Answer {
    pub(crate) fn new(status: u16, codes: impl IntoIterator<Item = String>) -> Self {
        let is_code = |code: &String| {
            (1..=40).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        };
        Self { status, codes: codes.into_iter().filter(is_code).take(MAX_CODES).collect() }
    }

    pub(crate) fn has_code(&self, codes: &[&str]) -> bool {
        self.codes.iter().any(|code| codes.contains(&code.as_str()))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.codes.is_empty() {
            return f.write_str(&self.codes.join(", "));
        }
        let text =
            reqwest::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        write!(f, "unexpected status code {}", self.status)?;
        text.map_or(Ok(()), |text| write!(f, " {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_starts_with_the_request_and_holds_no_secret() {
        let url = "https://user:password@ghcr.io:8443/v2/a/b/blobs/x?X-Signature=secret#f".parse().unwrap();
        let mut request = Request::new("GET", &url);
        request.set_redirect(&"https://u:p@store.example/x?sig=secret".parse().unwrap());
        let answer =
            Answer::new(401, ["UNAUTHORIZED", "<b>html</b>", "lower", "", "DENIED"].map(str::to_owned));
        let error = Error::Unauthorized { request: Box::new(request), answer };
        assert_eq!(
            error.to_string(),
            "GET https://ghcr.io:8443/v2/a/b/blobs/x (redirected to store.example): UNAUTHORIZED, DENIED"
        );
    }

    #[test]
    fn an_answer_without_codes_is_named_by_its_status() {
        assert_eq!(Answer::new(403, []).to_string(), "unexpected status code 403 Forbidden");
        assert_eq!(Answer::new(799, []).to_string(), "unexpected status code 799");
        assert_eq!(Answer::new(500, ["A".repeat(41)]).codes, Vec::<String>::new());
        assert_eq!(Answer::new(500, ["A".repeat(40)]).codes.len(), 1);
        assert_eq!(Answer::new(500, vec!["A".to_owned(); 9]).codes.len(), 5);
    }
}
