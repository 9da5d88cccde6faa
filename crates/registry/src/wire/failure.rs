//! What became of a request that got no answer.

use std::{error::Error as StdError, io};

use crate::{
    address::{LinkLocalName, Unresolved},
    error::{Error, Outage, Refusal, Request},
    metrics::Outcome,
};

/// No answer.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    Outage(Outage),
    Refused(Refusal),
    Timeout,
}

impl Failure {
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let mut next: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(current) = next {
            if let Some(known) = Self::of_cause(current) {
                return known;
            }
            next = cause(current);
        }
        match (error.is_connect(), error.is_timeout()) {
            (true, true) => Self::Outage(Outage::ConnectTimeout),
            (true, false) => Self::Outage(Outage::Connect),
            (false, true) => Self::Timeout,
            (false, false) => Self::Outage(Outage::Connection),
        }
    }

    fn of_cause(cause: &(dyn StdError + 'static)) -> Option<Self> {
        if cause.is::<LinkLocalName>() {
            Some(Self::Refused(Refusal::LinkLocal))
        } else if cause.is::<Unresolved>() {
            Some(Self::Outage(Outage::Dns))
        } else {
            let tls = cause.downcast_ref::<rustls::Error>()?;
            Some(Self::Outage(match tls {
                rustls::Error::InvalidCertificate(_) => Outage::Certificate,
                rustls::Error::InvalidMessage(_) => Outage::NotTls,
                _ => Outage::Tls,
            }))
        }
    }

    pub(super) const fn outcome(&self) -> Outcome {
        match self {
            Self::Outage(_) => Outcome::Transport,
            Self::Refused(_) => Outcome::Refused,
            Self::Timeout => Outcome::Timeout,
        }
    }

    pub(crate) fn at(self, request: &Request) -> Error {
        let request = Box::new(request.clone());
        match self {
            Self::Outage(outage) => Error::Unavailable { request, outage },
            Self::Refused(refusal) => Error::Refused { request, refusal },
            Self::Timeout => Error::Timeout { request },
        }
    }
}

/// `io::Error::source` skips the error that it wraps, and TLS errors come wrapped in two of them.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// The innermost message, which is the one that says something.
pub(super) fn root_cause(error: &dyn StdError) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}
