//! What a [`Mirror`](crate::Mirror) is built from.

use std::time::Duration;

use trustwright_outbound::Proxies;
use url::Url;

use crate::HostCredential;

/// The settings of a mirror. [`MirrorConfig::new`] has the defaults; every number can be changed.
#[derive(Debug, Clone)]
pub struct MirrorConfig {
    /// The folder of `timestamp.json`: `http` or `https`, with or without a slash at its end, without user,
    /// query and fragment.
    pub base: Url,
    /// Certificates of authorities in PEM. Where given, a certificate must come from one of these, and the
    /// platform's authorities (`SSL_CERT_FILE`, `SSL_CERT_DIR`) count for nothing, as in every other
    /// `caBundle` of Kubernetes.
    pub ca_bundle_pem: Option<String>,
    /// What to show to the mirror, for an `https` mirror only.
    pub credential: Option<HostCredential>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// The `User-Agent` of every request.
    pub user_agent: String,
    /// Whether requests go through the proxies that the environment names.
    pub proxies: Proxies,
}

/// Time limits. The deadline of a call bounds all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, including name resolution and the TLS handshake. Default 5 s.
    pub connect: Duration,
    /// From the start of one HTTP request, connection included, to the headers of its answer. Default 15 s.
    pub answer: Duration,
    /// For each further piece of a body. Default 15 s.
    pub chunk: Duration,
    /// How long a connection is kept for the next request. Default 15 s: enough for one refresh, and none
    /// are held between polls.
    pub idle: Duration,
}

/// Why a mirror cannot be built. No message quotes the URL or the credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// [`MirrorConfig::base`] is not what it should be.
    #[error("mirror URL {0}")]
    Base(&'static str),
    /// [`MirrorConfig::ca_bundle_pem`] is not a list of certificates in PEM.
    #[error("CA bundle holds no certificate in PEM, or one that cannot be used")]
    CaBundle,
    /// The credential cannot be put into a header.
    #[error("credential {0}")]
    Credential(&'static str),
    /// The credential is for another host than the mirror's.
    #[error("credential is for {credential}, and the mirror is {mirror}")]
    CredentialHost {
        /// The host that the credential is for.
        credential: String,
        /// The mirror's host, with its port unless that is 443.
        mirror: String,
    },
    /// There is a credential, and the mirror speaks plain HTTP.
    #[error("a credential is sent over https only, and the mirror URL is http")]
    CredentialOverHttp,
    /// The TLS configuration or the user agent was refused, for example because there is no trusted
    /// certificate at all.
    #[error("failed to build the HTTP client: {0}")]
    Http(String),
}

impl MirrorConfig {
    /// The defaults for the mirror at `base`: the platform's authorities, no credential, proxies from the
    /// environment.
    pub fn new(base: Url) -> Self {
        Self {
            base,
            ca_bundle_pem: None,
            credential: None,
            timeouts: Timeouts::default(),
            user_agent: concat!("trustwright/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxies: Proxies::Environment,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(15),
            chunk: Duration::from_secs(15),
            idle: Duration::from_secs(15),
        }
    }
}

/// Checks the base URL. What passes has a host, and a path that files can be put under.
pub(crate) fn check_base(base: &Url) -> Result<(), BuildError> {
    let problem = if !matches!(base.scheme(), "http" | "https") {
        "is neither http nor https"
    } else if base.host_str().is_none_or(str::is_empty) {
        "has no host"
    } else if !base.username().is_empty() || base.password().is_some() {
        "holds a user or password; give it as a credential"
    } else if base.query().is_some() || base.fragment().is_some() {
        "has a query or fragment"
    } else {
        return Ok(());
    };
    Err(BuildError::Base(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_a_plain_folder() {
        for (text, good) in [
            ("https://tuf.example", true),
            ("https://tuf.example/", true),
            ("http://tuf.example:8080/a/b/", true),
            ("https://[::1]/a", true),
            ("https://alice@tuf.example/", false),
            ("https://:hunter2@tuf.example/", false),
            ("https://tuf.example/?", false),
            ("https://tuf.example/?a=b", false),
            ("https://tuf.example/#a", false),
            ("ftp://tuf.example/", false),
            ("file:///srv/tuf", false),
            ("data:,x", false),
        ] {
            let result = check_base(&text.parse().unwrap());
            assert_eq!(result.is_ok(), good, "{text}");
            assert!(result.is_ok() || !result.unwrap_err().to_string().contains("hunter2"));
        }
    }
}
