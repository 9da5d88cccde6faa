//! What became of a request that got no answer.

use trustwright_outbound::NoAnswer;

use crate::{
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

impl From<NoAnswer> for Failure {
    fn from(cause: NoAnswer) -> Self {
        match cause {
            NoAnswer::Certificate => Self::Outage(Outage::Certificate),
            NoAnswer::Connect => Self::Outage(Outage::Connect),
            NoAnswer::ConnectTimeout => Self::Outage(Outage::ConnectTimeout),
            NoAnswer::Connection => Self::Outage(Outage::Connection),
            NoAnswer::Dns => Self::Outage(Outage::Dns),
            NoAnswer::LinkLocal => Self::Refused(Refusal::LinkLocal),
            NoAnswer::NotTls => Self::Outage(Outage::NotTls),
            NoAnswer::Timeout => Self::Timeout,
            NoAnswer::Tls => Self::Outage(Outage::Tls),
        }
    }
}

impl Failure {
    pub(super) const fn outcome(&self) -> Outcome {
        match self {
            Self::Outage(Outage::Limited | Outage::Paused { .. }) => Outcome::Held,
            Self::Outage(_) => Outcome::Transport,
            Self::Refused(_) => Outcome::Refused,
            Self::Timeout => Outcome::Timeout,
        }
    }

    /// Whether the connection has failed, and not a limit of our own.
    pub(super) const fn is_of_connection(&self) -> bool {
        matches!(self.outcome(), Outcome::Transport)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_link_local_addresses_is_a_refusal_and_one_of_none_an_outage() {
        assert!(matches!(Failure::from(NoAnswer::LinkLocal), Failure::Refused(Refusal::LinkLocal)));
        assert!(matches!(Failure::from(NoAnswer::Dns), Failure::Outage(Outage::Dns)));
    }
}
