use trustwright_core::Reason;
use trustwright_registry::{Credential, Error, Invalid, Object, Refusal};

use super::{
    LEAK, alice, assert_silent, client, deadline, digest_of, repository,
    server::{Answer, Server},
};

const BODY: &str = "a signature's payload";

async fn read(server: &Server, limit: u64, credential: &Credential) -> Result<bytes::Bytes, Error> {
    client().blob(&repository(&server.host), &digest_of(BODY), limit, credential, deadline()).await
}

#[tokio::test]
async fn a_blob_is_read_up_to_its_limit_and_no_further() {
    let server = Server::start(|_, _| Answer::ok(BODY)).await;
    let length = BODY.len() as u64;
    assert_eq!(read(&server, length, &Credential::Anonymous).await.unwrap(), BODY);
    assert!(matches!(read(&server, length - 1, &Credential::Anonymous).await, Err(Error::TooLarge { .. })));
    let endless = Server::start(|_, _| Answer::endless()).await;
    assert!(matches!(read(&endless, 1 << 20, &Credential::Anonymous).await, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn a_blob_must_have_its_digest() {
    let server = Server::start(|_, _| Answer::ok(LEAK)).await;
    let error = read(&server, 1000, &Credential::Anonymous).await.unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }));
    assert_silent(&error.to_string());
}

#[tokio::test]
async fn a_missing_blob_is_the_registrys_fault() {
    let server = Server::start(|_, _| Answer::error(404, "BLOB_UNKNOWN")).await;
    let error = read(&server, 1000, &Credential::Anonymous).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { object: Object::Blob, .. }));
    assert_eq!(error.reason(), Reason::RegistryInvalid);
}

/// A registry that wants a password and then redirects.
async fn redirecting(to: String) -> Server {
    Server::start(move |seen, _| match &seen.authorization {
        None => Answer::new(401, LEAK).with("WWW-Authenticate", "Basic realm=\"r\""),
        Some(_) if seen.target.ends_with("here") => Answer::ok(BODY),
        Some(_) => Answer::redirect(to.clone()),
    })
    .await
}

#[tokio::test]
async fn a_redirect_to_another_host_carries_no_credential() {
    let store = Server::start_on("127.0.0.2", None, |_, _| Answer::ok(BODY)).await;
    let registry = redirecting(format!("http://user:password@{}/x?signature={LEAK}", store.host)).await;
    assert_eq!(read(&registry, 1000, &alice()).await.unwrap(), BODY);
    assert_eq!(store.seen().len(), 1);
    assert_eq!(store.seen()[0].authorization, None);
}

#[tokio::test]
async fn a_redirect_to_another_port_carries_no_credential() {
    let store = Server::start(|_, _| Answer::ok(BODY)).await;
    let registry = redirecting(format!("http://{}/x", store.host)).await;
    assert_eq!(read(&registry, 1000, &alice()).await.unwrap(), BODY);
    assert_eq!(store.seen()[0].authorization, None);
}

#[tokio::test]
async fn a_redirect_within_the_registry_keeps_the_credential() {
    let registry = redirecting("/here".into()).await;
    assert_eq!(read(&registry, 1000, &alice()).await.unwrap(), BODY);
    assert_eq!(registry.seen().iter().filter(|seen| seen.authorization.is_some()).count(), 2);
}

#[tokio::test]
async fn a_challenge_from_where_a_redirect_leads_is_not_answered() {
    let store = Server::start_on("127.0.0.2", None, |_, _| {
        Answer::new(401, LEAK).with("WWW-Authenticate", "Basic realm=\"r\"")
    })
    .await;
    let registry = redirecting(format!("http://{}/x?signature={LEAK}", store.host)).await;
    let error = read(&registry, 1000, &alice()).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }));
    assert!(
        error.to_string().ends_with("(redirected to 127.0.0.2): unexpected status code 401 Unauthorized")
    );
    assert_silent(&error.to_string());
    assert_eq!(store.seen().len(), 1);
    assert_eq!(store.seen()[0].authorization, None);
}

#[tokio::test]
async fn a_token_service_that_a_redirect_leads_to_gets_nothing() {
    // The neighbour names the same service itself.
    for (is_foreign, expected) in [(true, 0), (false, 1)] {
        let service = Server::start_on("127.0.0.2", None, |_, _| Answer::ok(r#"{"token":"t"}"#)).await;
        let realm = format!("Bearer realm=\"http://{}/token\"", service.host);
        let challenge = Answer::new(401, LEAK).with("WWW-Authenticate", realm);
        let store = {
            let challenge = challenge.clone();
            Server::start_on("127.0.0.2", None, move |_, _| challenge.clone()).await
        };
        let to = format!("http://{}/x", store.host);
        let registry =
            Server::start(
                move |_, _| {
                    if is_foreign { Answer::redirect(to.clone()) } else { challenge.clone() }
                },
            )
            .await;
        assert!(matches!(read(&registry, 1000, &alice()).await, Err(Error::Unauthorized { .. })));
        assert_eq!(service.seen().len(), expected);
    }
}

#[tokio::test]
async fn a_redirect_to_a_refused_address_is_not_followed() {
    for (to, expected) in [
        ("http://169.254.169.254/latest/meta-data", Refusal::LinkLocal),
        ("https://[fe80::1]/x", Refusal::LinkLocal),
        ("http://[::ffff:169.254.169.254]/x", Refusal::LinkLocal),
        ("http://8.8.8.8/x", Refusal::PlainHttp),
    ] {
        let registry = redirecting(to.into()).await;
        match read(&registry, 1000, &alice()).await {
            Err(Error::Refused { refusal, .. }) => assert_eq!(refusal, expected, "{to}"),
            other => panic!("{to}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_redirect_without_target_or_end_is_invalid() {
    for to in ["ftp://127.0.0.1/x", "http://", "/v2/again"] {
        let registry = redirecting(to.into()).await;
        let error = read(&registry, 1000, &alice()).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { what: Invalid::Redirect, .. }), "{to}: {error}");
    }
}

#[tokio::test]
async fn five_redirects_are_followed_and_six_are_not() {
    for (count, good) in [(5, true), (6, false)] {
        let server = Server::start(
            move |_, before| if before < count { Answer::redirect("/next") } else { Answer::ok(BODY) },
        )
        .await;
        assert_eq!(read(&server, 1000, &Credential::Anonymous).await.is_ok(), good);
        assert_eq!(server.seen().len(), 6);
    }
}
