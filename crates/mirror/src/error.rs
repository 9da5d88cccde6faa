//! Why a file could not be had.

mod cause;

use std::{fmt, time::Duration};

use trustwright_outbound::without_secrets;
use url::Url;

pub use self::cause::{Invalid, Outage, PathProblem, Refusal, Wait};

/// Why a file could not be had. Messages start with the request and hold no body, no credential, and no user or
/// query of a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The answer is not one to this request.
    #[error("{request}: {what}")]
    Invalid {
        /// The request.
        request: Box<Request>,
        /// What is wrong with it.
        what: Invalid,
    },
    /// A web page came where metadata should be: a captive portal, a proxy's notice, or a wrong URL.
    #[error("{request}: answer is a web page ({content_type}), not metadata")]
    NotMetadata {
        /// The request.
        request: Box<Request>,
        /// The answer's media type, at most 60 plain characters of it; `unknown` where there is none.
        content_type: String,
    },
    /// The path is none that a mirror can have. No request was made.
    #[error("path {path:?} {problem}")]
    Path {
        /// The beginning of the path, escaped.
        path: String,
        /// What is wrong with it.
        problem: PathProblem,
    },
    /// An address that is never used, or a step that is never taken.
    #[error("{request}: {refusal}")]
    Refused {
        /// The request.
        request: Box<Request>,
        /// What was refused.
        refusal: Refusal,
    },
    /// A time limit passed.
    #[error("{request}: no {wait} in time")]
    Timeout {
        /// The request.
        request: Box<Request>,
        /// What was waited for.
        wait: Wait,
    },
    /// The file is larger than it may be, and was not read further.
    #[error("{request}: answer is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The request.
        request: Box<Request>,
        /// The limit, in bytes.
        limit: u64,
    },
    /// 401: the mirror wants a credential, or another one. Also 407, which is the proxy.
    #[error("{request}: {} wants a credential, or another one", if *status == 407 { "proxy" } else { "mirror" })]
    Unauthorized {
        /// The request.
        request: Box<Request>,
        /// The HTTP status.
        status: u16,
    },
    /// The mirror cannot be reached, or the connection broke.
    #[error("{request}: {outage}")]
    Unreachable {
        /// The request.
        request: Box<Request>,
        /// How.
        outage: Outage,
    },
    /// 429 or 5xx: the mirror failed, or asks us to come back later.
    #[error("{request}: mirror answers {}", status_text(*status))]
    Unavailable {
        /// The request.
        request: Box<Request>,
        /// The HTTP status.
        status: u16,
        /// What `Retry-After` wishes, however long that is.
        retry_after: Option<Duration>,
    },
}

/// The request that an error is about: `GET https://tuf.example/timestamp.json`, and the host of a redirect where
/// that is what failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    url: String,
    redirected_to: Option<String>,
}

impl Error {
    /// Every [`reason`](Self::reason), for metrics that must exist before they first count.
    pub const REASONS: [&str; 17] = [
        "bad_path",
        "broken_off",
        "certificate",
        "connect",
        "connection",
        "dns",
        "downgrade",
        "invalid_answer",
        "link_local",
        "not_metadata",
        "redirect",
        "throttled",
        "timeout",
        "tls",
        "too_large",
        "unauthorized",
        "unavailable",
    ];

    /// The cause in one word, one of [`REASONS`](Self::REASONS).
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Invalid { what: Invalid::NotModified | Invalid::Status(_), .. } => "invalid_answer",
            Self::Invalid { what: Invalid::Redirect | Invalid::TooManyRedirects { .. }, .. } => "redirect",
            Self::NotMetadata { .. } => "not_metadata",
            Self::Path { .. } => "bad_path",
            Self::Refused { refusal: Refusal::Downgrade, .. } => "downgrade",
            Self::Refused { refusal: Refusal::LinkLocal, .. } => "link_local",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Unavailable { status: 429, .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::Unreachable { outage, .. } => match outage {
                Outage::Body => "broken_off",
                Outage::Certificate => "certificate",
                Outage::Connect => "connect",
                Outage::Connection => "connection",
                Outage::Dns => "dns",
                Outage::NotTls | Outage::Tls => "tls",
            },
        }
    }

    /// How long the mirror wishes not to be asked. It is the mirror's word: hold it against a limit of your own.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Request {
    pub(crate) fn new(url: &Url) -> Self {
        Self { url: without_secrets(url), redirected_to: None }
    }

    /// Of a redirect, the host only: its path may hold a signature that grants access.
    pub(crate) fn set_redirect(&mut self, target: &Url) {
        self.redirected_to = target.host_str().map(str::to_owned);
    }

    pub(crate) fn invalid(&self, what: Invalid) -> Error {
        Error::Invalid { request: Box::new(self.clone()), what }
    }

    pub(crate) fn refused(&self, refusal: Refusal) -> Error {
        Error::Refused { request: Box::new(self.clone()), refusal }
    }

    pub(crate) fn timeout(&self, wait: Wait) -> Error {
        Error::Timeout { request: Box::new(self.clone()), wait }
    }

    pub(crate) fn unreachable(&self, outage: Outage) -> Error {
        Error::Unreachable { request: Box::new(self.clone()), outage }
    }
}

fn status_text(status: u16) -> String {
    let known = reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    known.map_or_else(|| status.to_string(), |text| format!("{status} {text}"))
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {}", self.url)?;
        match &self.redirected_to {
            Some(host) => write!(f, " (redirected to {host})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_starts_with_the_request_and_holds_no_secret() {
        let url = "https://user:password@tuf.example:8443/a/1.root.json?sig=secret#f".parse().unwrap();
        let mut request = Request::new(&url);
        request.set_redirect(&"https://u:p@store.example/secret?sig=secret".parse().unwrap());
        let at = "GET https://tuf.example:8443/a/1.root.json (redirected to store.example)";
        let unavailable = |status| Error::Unavailable {
            request: Box::new(request.clone()),
            status,
            retry_after: Some(Duration::from_secs(7)),
        };
        for (error, text, reason) in [
            (request.invalid(Invalid::Status(418)), "unexpected status 418 I'm a teapot", "invalid_answer"),
            (request.timeout(Wait::Deadline), "no complete answer in time", "timeout"),
            (unavailable(503), "mirror answers 503 Service Unavailable", "unavailable"),
            (unavailable(429), "mirror answers 429 Too Many Requests", "throttled"),
            (unavailable(599), "mirror answers 599", "unavailable"),
        ] {
            assert_eq!(error.to_string(), format!("{at}: {text}"));
            assert_eq!(error.reason(), reason);
            assert!(Error::REASONS.contains(&error.reason()));
        }
        assert_eq!(unavailable(503).retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(request.timeout(Wait::Connect).retry_after(), None);
    }
}
