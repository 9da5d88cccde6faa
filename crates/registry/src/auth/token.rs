//! Tokens for one repository, from the service that its registry names.

use std::time::Duration;

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;
use tokio::time::Instant;
use trustwright_core::Repository;
use trustwright_outbound::Bounds;
use url::{Url, form_urlencoded};

use super::{basic, sensitive};
use crate::{
    Credential, body,
    config::{Limits, Timeouts},
    error::{Error, Invalid, Outage, Refusal, Request},
    metrics::Operation,
    wire::Wire,
};

/// A token without `expires_in` lives this long (distribution specification, "Token Response Fields").
const DEFAULT_LIFE: Duration = Duration::from_mins(1);
/// No token is kept longer, whatever the service says.
const MAX_LIFE: Duration = Duration::from_hours(1);
const CLIENT_ID: &str = "trustwright";

/// A request for a token to pull from one repository.
pub(crate) struct TokenRequest<'a> {
    pub(crate) realm: Url,
    pub(crate) service: Option<String>,
    pub(crate) repository: &'a Repository,
    pub(crate) credential: &'a Credential,
    /// Whether the registry that named the realm was itself spoken to in plain HTTP.
    pub(crate) from_plain_http: bool,
    pub(crate) deadline: Instant,
}

#[derive(Deserialize)]
struct Document {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl TokenRequest<'_> {
    /// Fetches the token: the `Authorization` header that it makes, and how long to use it.
    ///
    /// Guarantees: the credential goes to the realm itself, over HTTPS unless realm and registry are both
    /// plain and may be, and not after a redirect.
    pub(crate) async fn fetch(
        mut self,
        wire: &Wire,
        limits: Limits,
        timeouts: Timeouts,
    ) -> Result<(HeaderValue, Duration), Error> {
        self.realm.set_fragment(None);
        // A user in the realm is no credential of ours.
        let _ = self.realm.set_username("");
        let _ = self.realm.set_password(None);
        let place = Request::new(if self.is_post() { "POST" } else { "GET" }, &self.realm);
        let is_plain_and_may_be =
            self.realm.scheme() == "http" && self.from_plain_http && wire.may_be_plain(&self.realm);
        if self.realm.scheme() != "https" && !is_plain_and_may_be {
            return Err(Error::Refused { request: Box::new(place), refusal: Refusal::Realm });
        }
        let response = wire
            .send(Operation::Token, self.request(), false, self.deadline)
            .await
            .map_err(|failure| failure.at(&place))?;
        let status = response.status().as_u16();
        let bounds = |limit| Bounds { limit, chunk: timeouts.request, deadline: self.deadline };
        if status != 200 {
            let answer = body::answer(response, bounds(limits.error), &place).await;
            let request = Box::new(place);
            return Err(match status {
                // The specification has 400 for `invalid_grant` (RFC 6749, 5.2).
                400 | 401 => Error::Unauthorized { request, answer },
                403 => Error::Forbidden { request, answer },
                408 | 429 | 500.. => Error::Unavailable { request, outage: Outage::Status(answer) },
                _ => Error::Invalid { request, what: Invalid::Status(answer) },
            });
        }
        let bytes = body::read(response, bounds(limits.token), &place).await?;
        token(&bytes, timeouts.token_margin).ok_or_else(|| place.invalid(Invalid::Token))
    }

    const fn is_post(&self) -> bool {
        matches!(self.credential, Credential::IdentityToken(_))
    }

    /// `GET` with a query and perhaps a password, or the `POST` of OAuth 2.0 with the refresh token in it.
    fn request(&self) -> reqwest::Request {
        let scope = format!("repository:{}:pull", self.repository.path());
        let mut url = self.realm.clone();
        let service = self.service.iter().map(|service| ("service", service.as_str()));
        if let Credential::IdentityToken(refresh_token) = self.credential {
            let form = form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "refresh_token")
                .append_pair("refresh_token", refresh_token)
                .append_pair("client_id", CLIENT_ID)
                .append_pair("scope", &scope)
                .extend_pairs(service)
                .finish();
            let mut request = reqwest::Request::new(Method::POST, url);
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            request.headers_mut().insert(CONTENT_TYPE, kind);
            *request.body_mut() = Some(form.into());
            return request;
        }
        url.query_pairs_mut().append_pair("scope", &scope).extend_pairs(service);
        let mut request = reqwest::Request::new(Method::GET, url);
        if let Some(value) = basic(self.credential) {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        request
    }
}

fn token(body: &[u8], margin: Duration) -> Option<(HeaderValue, Duration)> {
    let document: Document = serde_json::from_slice(body).ok()?;
    let token =
        [document.token, document.access_token].into_iter().flatten().find(|token| !token.is_empty())?;
    let life = document.expires_in.filter(|seconds| *seconds > 0).map_or(DEFAULT_LIFE, Duration::from_secs);
    let life = life.min(MAX_LIFE);
    Some((sensitive(&format!("Bearer {token}"))?, life.saturating_sub(margin.min(life / 4))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_for_its_life_less_a_margin() {
        let margin = Duration::from_secs(10);
        for (body, seconds) in [
            (r#"{"token":"t","expires_in":300}"#, 290.0),
            (r#"{"access_token":"t"}"#, 50.0),
            (r#"{"token":"","access_token":"t","expires_in":0}"#, 50.0),
            (r#"{"token":"t","expires_in":4}"#, 3.0),
            (r#"{"token":"t","expires_in":99999999}"#, 3590.0),
        ] {
            let (header, life) = token(body.as_bytes(), margin).unwrap();
            assert_eq!((header.to_str().unwrap(), life.as_secs_f64()), ("Bearer t", seconds), "{body}");
            assert!(header.is_sensitive());
        }
        for body in ["", "{}", r#"{"token":"a\nb"}"#, r#"{"token":""}"#, "<html>"] {
            assert!(token(body.as_bytes(), margin).is_none(), "{body}");
        }
    }
}
