//! What a policy names: where its text is, and what it has to be.

use std::collections::BTreeMap;

use serde_json::Value;
use trustwright_api::{
    decode_spec,
    v1alpha1::{self as api, ClusterImagePolicySpec},
};
use trustwright_policy::body_name;
use url::Url;

use super::Error;

/// Hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// A `remote` of a policy, as it is written; what of it cannot be used comes out when it is fetched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    url: String,
    sha256: String,
}

impl Source {
    pub(super) fn new(remote: &api::RemotePolicy) -> Self {
        Self { url: remote.url.clone(), sha256: remote.sha256sum.to_ascii_lowercase() }
    }

    /// The digest that the text must have, in lower case.
    pub(super) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The name of the `ConfigMap` that keeps the text.
    pub(super) fn config_map(&self) -> String {
        body_name(&self.sha256)
    }

    /// The URL for logs and annotations: a query may hold a signature that grants access.
    pub(super) fn shown(&self) -> String {
        let Ok(mut url) = self.address() else { return "a URL that is not asked".to_owned() };
        url.set_query(None);
        url.into()
    }

    /// The URL to ask: HTTPS, of a host, and without a user, for whom it is not our place to log in.
    pub(super) fn address(&self) -> Result<Url, Error> {
        let Ok(mut url) = Url::parse(&self.url) else { return Err(Error::Url("it is no URL")) };
        if url.scheme() != "https" {
            return Err(Error::Url("only https is asked"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Url("it holds a user or password, and no credential is sent"));
        }
        url.set_fragment(None);
        Ok(url)
    }

    /// Checks that something can have this digest.
    pub(super) fn check_digest(&self) -> Result<(), Error> {
        let is_one =
            self.sha256.len() == DIGITS && self.sha256.bytes().all(|digit| digit.is_ascii_hexdigit());
        if is_one { Ok(()) } else { Err(Error::Sum(self.sha256.chars().count())) }
    }
}

/// The sources that a policy's spec names, by their field (`spec.policy.remote`). None in one that does not decode.
pub(crate) fn wanted(spec: Option<&Value>) -> BTreeMap<String, Source> {
    let Ok(spec) = decode_spec::<ClusterImagePolicySpec>(spec) else { return BTreeMap::new() };
    let of = |field: String, policy: Option<&api::Policy>| {
        // As it is compiled: a ConfigMap goes first.
        let policy = policy.filter(|policy| policy.config_map_ref.is_none())?;
        Some((format!("{field}.remote"), Source::new(policy.remote.as_ref()?)))
    };
    let mut wanted: BTreeMap<_, _> = of("spec.policy".to_owned(), spec.policy.as_ref()).into_iter().collect();
    for (index, authority) in spec.authorities.iter().enumerate() {
        for (number, attestation) in authority.attestations.iter().enumerate() {
            let field = format!("spec.authorities[{index}].attestations[{number}].policy");
            wanted.extend(of(field, attestation.policy.as_ref()));
        }
    }
    wanted
}
