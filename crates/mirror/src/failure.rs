//! What became of a request that got no answer.

use trustwright_outbound::NoAnswer;

use crate::{
    error::{Error, Outage, Refusal, Request, Wait},
    outcome::Outcome,
};

/// No answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Outage(Outage),
    Refused(Refusal),
    Timeout(Wait),
}

impl From<NoAnswer> for Failure {
    fn from(cause: NoAnswer) -> Self {
        match cause {
            NoAnswer::Certificate => Self::Outage(Outage::Certificate),
            NoAnswer::Connect => Self::Outage(Outage::Connect),
            NoAnswer::ConnectTimeout => Self::Timeout(Wait::Connect),
            NoAnswer::Connection => Self::Outage(Outage::Connection),
            NoAnswer::Dns => Self::Outage(Outage::Dns),
            NoAnswer::LinkLocal => Self::Refused(Refusal::LinkLocal),
            NoAnswer::NotTls => Self::Outage(Outage::NotTls),
            NoAnswer::Timeout => Self::Timeout(Wait::Answer),
            NoAnswer::Tls => Self::Outage(Outage::Tls),
        }
    }
}

impl Failure {
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Outage(_) => Outcome::Transport,
            Self::Refused(_) => Outcome::Refused,
            Self::Timeout(_) => Outcome::Timeout,
        }
    }

    pub(crate) fn at(self, request: &Request) -> Error {
        match self {
            Self::Outage(outage) => request.unreachable(outage),
            Self::Refused(refusal) => request.refused(refusal),
            Self::Timeout(wait) => request.timeout(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_link_local_addresses_is_a_refusal_and_one_of_none_an_outage() {
        for (cause, expected) in [
            (NoAnswer::LinkLocal, Failure::Refused(Refusal::LinkLocal)),
            (NoAnswer::Dns, Failure::Outage(Outage::Dns)),
            (NoAnswer::Connect, Failure::Outage(Outage::Connect)),
        ] {
            assert_eq!(Failure::from(cause), expected);
        }
    }
}
