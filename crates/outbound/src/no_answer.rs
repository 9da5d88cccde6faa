//! What became of a request that got no answer.

use std::{error::Error as StdError, io};

use crate::address::{LinkLocalName, Unresolved};

/// Why a request got no answer. What that means, and how it is said, is the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// The server's certificate is not trusted.
    Certificate,
    /// It cannot be connected to.
    Connect,
    /// It cannot be connected to in time.
    ConnectTimeout,
    /// The connection broke, or what came is not HTTP.
    Connection,
    /// Its name has no address.
    Dns,
    /// Its name has link-local addresses only, and was not connected to.
    LinkLocal,
    /// It does not speak TLS.
    NotTls,
    /// The client's own time limit passed.
    Timeout,
    /// It speaks TLS, but not with us.
    Tls,
}

impl NoAnswer {
    /// Classifies the error of a client that [`builder`](crate::builder) began.
    pub fn of(error: &reqwest::Error) -> Self {
        let mut next: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(current) = next {
            if let Some(known) = Self::of_cause(current) {
                return known;
            }
            next = cause(current);
        }
        match (error.is_connect(), error.is_timeout()) {
            (true, true) => Self::ConnectTimeout,
            (true, false) => Self::Connect,
            (false, true) => Self::Timeout,
            (false, false) => Self::Connection,
        }
    }

    fn of_cause(cause: &(dyn StdError + 'static)) -> Option<Self> {
        if cause.is::<LinkLocalName>() {
            return Some(Self::LinkLocal);
        }
        if cause.is::<Unresolved>() {
            return Some(Self::Dns);
        }
        Some(match cause.downcast_ref::<rustls::Error>()? {
            rustls::Error::InvalidCertificate(_) => Self::Certificate,
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            _ => Self::Tls,
        })
    }
}

/// `io::Error::source` skips the error that it wraps, and TLS errors come wrapped in two of them.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use reqwest::dns::{Name, Resolve, Resolving};

    use super::*;
    use crate::address;

    /// Answers as the real resolver does where the operating system finds these.
    struct Found(Vec<SocketAddr>);

    impl Resolve for Found {
        fn resolve(&self, _: Name) -> Resolving {
            let found = address::allowed(self.0.clone());
            Box::pin(async move { found })
        }
    }

    #[tokio::test]
    async fn a_name_of_link_local_addresses_is_a_refusal_and_one_of_none_an_outage() {
        for (found, expected) in [
            (vec!["169.254.169.254:80".parse().unwrap()], NoAnswer::LinkLocal),
            (vec![], NoAnswer::Dns),
            (vec!["127.0.0.1:1".parse().unwrap()], NoAnswer::Connect),
        ] {
            let client = reqwest::Client::builder().no_proxy().dns_resolver(Found(found)).build().unwrap();
            let error = client.get("http://tuf.example:1/timestamp.json").send().await.unwrap_err();
            assert_eq!(NoAnswer::of(&error), expected);
        }
    }
}
