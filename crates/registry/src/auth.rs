//! Authentication (distribution specification, "Token Authentication"; RFC 7235).

mod token;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http_auth::parse_challenges;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use trustwright_core::Repository;
use url::Url;

pub(crate) use self::token::TokenRequest;
use crate::{Credential, memory::Memory};

/// `WWW-Authenticate` headers that are looked at, and bytes of each.
const MAX_HEADERS: usize = 8;
const MAX_HEADER_BYTES: usize = 4096;

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

/// What has satisfied a registry. The credential itself is not kept.
#[derive(Clone)]
pub(crate) enum Grant {
    Basic,
    Bearer(HeaderValue),
}

/// Whose grant, and for what: a grant is never used for another credential or another repository.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct GrantKey {
    repository: Repository,
    credential: [u8; 32],
}

pub(crate) type Grants = Memory<GrantKey, Grant>;

impl GrantKey {
    pub(crate) fn new(repository: &Repository, credential: &Credential) -> Self {
        Self { repository: repository.clone(), credential: credential.id() }
    }
}

impl Grant {
    /// The `Authorization` header, or `None` where the credential has nothing for this grant.
    pub(crate) fn header(&self, credential: &Credential) -> Option<HeaderValue> {
        match self {
            Self::Bearer(value) => Some(value.clone()),
            Self::Basic => basic(credential),
        }
    }
}

/// The `Basic` header of a credential that has a name and password.
fn basic(credential: &Credential) -> Option<HeaderValue> {
    match credential {
        Credential::Basic { username, password } => {
            sensitive(&format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}"))))
        }
        Credential::Anonymous | Credential::IdentityToken(_) => None,
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The challenge to answer: `Bearer` before `Basic`, since it shows the credential less often.
pub(crate) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut found = None;
    for header in headers.get_all(WWW_AUTHENTICATE).iter().take(MAX_HEADERS) {
        let Some(text) = header.to_str().ok().filter(|text| text.len() <= MAX_HEADER_BYTES) else { continue };
        for challenge in parse_challenges(text).unwrap_or_default() {
            let value = |name: &str| {
                let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = value("realm").and_then(|realm| realm.parse().ok()) {
                    return Some(Challenge::Bearer { realm, service: value("service") });
                }
            } else if challenge.scheme.eq_ignore_ascii_case("basic") {
                found = Some(Challenge::Basic);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[&str]) -> Option<Challenge> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(WWW_AUTHENTICATE, HeaderValue::from_str(header).unwrap());
        }
        challenge(&map)
    }

    #[test]
    fn a_bearer_challenge_is_preferred_and_its_realm_needed() {
        let bearer =
            r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:x:pull""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.example/token".parse().unwrap(),
            service: Some("r.example".into()),
        };
        assert_eq!(of(&["Basic realm=\"r\"", bearer]), Some(expected.clone()));
        assert_eq!(of(&[&format!("Basic realm=\"r\", {bearer}")]), Some(expected));
        assert_eq!(of(&["Bearer service=\"x\"", "Basic realm=\"r\""]), Some(Challenge::Basic));
        for none in [&["Bearer realm=\"not a url\""] as &[&str], &["Negotiate"], &["\"\""], &[]] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_header_longer_than_the_limit_is_not_parsed() {
        let realm = |length: usize| format!("Basic realm=\"{}\"", "a".repeat(length));
        assert_eq!(of(&[&realm(4000)]), Some(Challenge::Basic));
        assert_eq!(of(&[&realm(5000)]), None);
    }

    #[test]
    fn only_a_password_makes_a_basic_header() {
        let credential = Credential::Basic { username: "Aladdin".into(), password: "open sesame".into() };
        let header = Grant::Basic.header(&credential).unwrap();
        assert_eq!(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(header.is_sensitive());
        assert!(Grant::Basic.header(&Credential::Anonymous).is_none());
        assert!(Grant::Basic.header(&Credential::IdentityToken("t".into())).is_none());
    }
}
