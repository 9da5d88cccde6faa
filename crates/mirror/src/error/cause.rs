//! The causes, each a closed set.

use super::status_text;

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// 304 to a request that had no condition.
    #[error("answer says unchanged, and nothing was given to compare with")]
    NotModified,
    /// A redirect without a usable `Location`.
    #[error("redirect without usable target")]
    Redirect,
    /// A status that means nothing here.
    #[error("unexpected status {}", status_text(*.0))]
    Status(u16),
    /// More redirects than are followed.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// How many are followed.
        limit: usize,
    },
}

/// How a mirror cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Outage {
    /// The connection broke before the end of the body.
    #[error("answer broke off before its end")]
    Body,
    /// Its certificate is not trusted.
    #[error("certificate is not trusted")]
    Certificate,
    /// It cannot be connected to.
    #[error("connection failed")]
    Connect,
    /// The connection broke before the answer, or what came is not HTTP.
    #[error("connection broken")]
    Connection,
    /// Its name cannot be resolved.
    #[error("name resolution failed")]
    Dns,
    /// It does not speak TLS.
    #[error("server does not speak TLS")]
    NotTls,
    /// It speaks TLS, but not with us.
    #[error("TLS handshake failed")]
    Tls,
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// It has a backslash, plain or encoded.
    #[error("has a backslash")]
    Backslash,
    /// Nothing can be put under the mirror's URL.
    #[error("cannot be put under the mirror's URL")]
    Base,
    /// It has a control character, plain or encoded.
    #[error("has a control character")]
    Control,
    /// A part is `.` or `..`, plain or encoded.
    #[error("has a part that is `.` or `..`")]
    Dots,
    /// It is empty.
    #[error("is empty")]
    Empty,
    /// It starts or ends with a slash, has two in a row, or is a URL.
    #[error("is not relative, or has an empty part")]
    EmptyPart,
    /// Its escapes are not UTF-8.
    #[error("has escapes that are not UTF-8")]
    Encoding,
    /// It is too long.
    #[error("is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
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
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wait {
    /// The headers of the answer.
    #[error("answer")]
    Answer,
    /// The next piece of the body.
    #[error("further piece of the answer")]
    Chunk,
    /// The connection.
    #[error("connection")]
    Connect,
    /// All of it: the deadline of the call passed.
    #[error("complete answer")]
    Deadline,
}
