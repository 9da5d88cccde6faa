//! What is shown to a mirror.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::HeaderValue;
use url::Url;

use crate::BuildError;

/// A credential, and the host that its owner gave it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCredential {
    /// `tuf.example`, or `tuf.example:8443` where the port is not 443. Another port is another host.
    pub host: String,
    /// The credential.
    pub credential: Credential,
}

/// A credential.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// RFC 7617.
    Basic {
        /// The user name, without a colon.
        username: String,
        /// The password.
        password: String,
    },
    /// RFC 6750.
    Bearer(String),
}

impl HostCredential {
    /// The `Authorization` for requests to `base`, if that is where this credential may go.
    pub(crate) fn authorization(&self, base: &Url) -> Result<HeaderValue, BuildError> {
        if base.scheme() != "https" {
            return Err(BuildError::CredentialOverHttp);
        }
        let mirror = authority(base);
        if self.authority().is_none_or(|authority| authority != mirror) {
            return Err(BuildError::CredentialHost { credential: self.host.clone(), mirror });
        }
        self.credential.header()
    }

    /// The host as a URL would have it, in lower case and Punycode; `None` if there is more than a host.
    fn authority(&self) -> Option<String> {
        let is_bare =
            !self.host.contains(['/', '\\', '@', '?', '#']) && !self.host.contains(char::is_whitespace);
        let url = is_bare.then(|| Url::parse(&format!("https://{}/", self.host)).ok()).flatten()?;
        Some(authority(&url))
    }
}

/// Host and port, the latter unless it is the scheme's.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl Credential {
    fn header(&self) -> Result<HeaderValue, BuildError> {
        let text = match self {
            Self::Basic { username, .. } if username.contains(':') => {
                return Err(BuildError::Credential("has a colon in its user name"));
            }
            Self::Basic { username, password } => {
                format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
            }
            Self::Bearer(token) if token.is_empty() => {
                return Err(BuildError::Credential("is an empty token"));
            }
            Self::Bearer(token) => format!("Bearer {token}"),
        };
        let refused = |_| BuildError::Credential("has characters that a header cannot hold");
        let mut header = HeaderValue::from_str(&text).map_err(refused)?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(..)",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(host: &str) -> HostCredential {
        HostCredential { host: host.into(), credential: Credential::Bearer("s3cret".into()) }
    }

    #[test]
    fn a_credential_is_for_one_host_and_port_over_https() {
        for (host, base, good) in [
            ("tuf.example", "https://tuf.example/a", true),
            ("TUF.example", "https://tuf.example/a", true),
            ("tuf.example:443", "https://tuf.example/", true),
            ("tuf.example:8443", "https://tuf.example:8443/", true),
            ("[::1]:8443", "https://[::1]:8443/", true),
            ("tuf.example", "http://tuf.example/a", false),
            ("tuf.example", "https://tuf.example:8443/", false),
            ("tuf.example:8443", "https://tuf.example/", false),
            ("tuf.example", "https://evil.tuf.example/", false),
            ("example", "https://tuf.example/", false),
            ("tuf.example.", "https://tuf.example/", false),
            ("https://tuf.example", "https://tuf.example/", false),
            ("tuf.example/a", "https://tuf.example/a", false),
            ("evil@tuf.example", "https://tuf.example/", false),
            ("tuf.example\n", "https://tuf.example/", false),
            ("*", "https://tuf.example/", false),
            ("", "https://tuf.example/", false),
        ] {
            let result = bearer(host).authorization(&base.parse().unwrap());
            assert_eq!(result.is_ok(), good, "{host} {base} {result:?}");
        }
    }

    #[test]
    fn a_credential_that_is_no_header_is_refused_without_being_quoted() {
        let basic = |username: &str, password: &str| Credential::Basic {
            username: username.into(),
            password: password.into(),
        };
        assert_eq!(basic("alice", "hunter2").header().unwrap(), "Basic YWxpY2U6aHVudGVyMg==");
        assert_eq!(basic("", "a:b\n").header().unwrap(), "Basic OmE6Ygo=");
        assert_eq!(Credential::Bearer("s3cret".into()).header().unwrap(), "Bearer s3cret");
        for bad in [
            basic("ali:ce", "hunter2"),
            Credential::Bearer("s3c\nret".into()),
            Credential::Bearer(String::new()),
        ] {
            let text = bad.header().unwrap_err().to_string();
            assert!(!["ali", "hunter2", "s3c"].iter().any(|secret| text.contains(secret)), "{text}");
        }
    }

    #[test]
    fn debugging_output_holds_no_secret() {
        let basic = Credential::Basic { username: "alice".into(), password: "hunter2".into() };
        let header = bearer("tuf.example").authorization(&"https://tuf.example".parse().unwrap());
        let text = format!("{basic:?} {:?} {header:?}", bearer("tuf.example"));
        assert!(!["alice", "hunter2", "s3cret"].iter().any(|secret| text.contains(secret)), "{text}");
    }
}
