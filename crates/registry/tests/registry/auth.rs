use trustwright_core::Reason;
use trustwright_registry::{Client, Credential, Error, Invalid, Operation, Reference, Refusal};

use super::{
    LEAK, alice, assert_silent, client, deadline, repository,
    server::{Answer, Seen, Server},
};

const BASIC: &str = "Basic YWxpY2U6aHVudGVyMg==";

async fn read(client: &Client, server: &Server, credential: &Credential) -> Result<(), Error> {
    let reference = Reference::Tag("v1".into());
    client.manifest(&repository(&server.host), &reference, credential, deadline()).await.map(|_| ())
}

fn unauthorized(challenge: &str) -> Answer {
    Answer::error(401, "UNAUTHORIZED").with("WWW-Authenticate", challenge)
}

/// A registry with a token service on its own port, which gives out `t0`, `t1`, …; `accepts` decides which
/// tokens the registry takes.
async fn bearer(accepts: impl Fn(&str, usize) -> bool + Send + Sync + 'static, expires_in: u64) -> Server {
    let tokens = std::sync::atomic::AtomicUsize::new(0);
    Server::start_on("127.0.0.1", None, move |seen, before| {
        if seen.target.starts_with("/token") {
            let number = tokens.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            return Answer::ok(format!(r#"{{"token":"t{number}","expires_in":{expires_in}}}"#));
        }
        match seen.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) if accepts(token, before) => Answer::ok("{}"),
            _ => unauthorized(&format!("Bearer realm=\"http://{}/token?a=b\",service=\"s & t\"", seen.host)),
        }
    })
    .await
}

fn targets(server: &Server) -> Vec<String> {
    let kind = |seen: &Seen| if seen.target.starts_with("/token") { "token" } else { "manifest" };
    let auth = |seen: &Seen| seen.authorization.clone().unwrap_or_default();
    server.seen().iter().map(|seen| format!("{} {}", kind(seen), auth(seen)).trim_end().to_owned()).collect()
}

#[tokio::test]
async fn a_password_is_sent_once_asked_for_and_then_at_once() {
    let server = Server::start(|seen, _| match seen.authorization.as_deref() {
        Some(BASIC) => Answer::ok("{}"),
        _ => unauthorized("Basic realm=\"r\""),
    })
    .await;
    let client = client();
    read(&client, &server, &alice()).await.unwrap();
    read(&client, &server, &alice()).await.unwrap();
    assert_eq!(targets(&server), ["manifest", &format!("manifest {BASIC}"), &format!("manifest {BASIC}")]);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_not_remembered() {
    let server = Server::start(|_, _| unauthorized("Basic realm=\"r\"")).await;
    let client = client();
    for count in [2, 4] {
        let error = read(&client, &server, &alice()).await.unwrap_err();
        assert_eq!(error.reason(), Reason::RegistryUnauthorized);
        assert_eq!(
            error.to_string(),
            format!("GET http://{}/v2/team/app/manifests/v1: UNAUTHORIZED", server.host)
        );
        assert_eq!(server.seen().len(), count);
    }
    let error = read(&client, &server, &Credential::Anonymous).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }));
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn a_token_is_fetched_for_the_repository_and_kept() {
    let server = bearer(|_, _| true, 300).await;
    let client = client();
    read(&client, &server, &alice()).await.unwrap();
    read(&client, &server, &alice()).await.unwrap();
    assert_eq!(
        targets(&server),
        ["manifest", &format!("token {BASIC}"), "manifest Bearer t0", "manifest Bearer t0"]
    );
    let query = "/token?a=b&scope=repository%3Ateam%2Fapp%3Apull&service=s+%26+t";
    assert_eq!(server.seen()[1].target, query);
    assert_eq!(client.metrics().requests(Operation::Token), 1);
}

#[tokio::test]
async fn a_token_serves_one_credential_and_one_repository() {
    let server = bearer(|_, _| true, 300).await;
    let client = client();
    read(&client, &server, &alice()).await.unwrap();
    read(&client, &server, &Credential::Anonymous).await.unwrap();
    let other = format!("{}/team/other", server.host).parse().unwrap();
    client.manifest(&other, &Reference::Tag("v1".into()), &alice(), deadline()).await.unwrap();
    let tokens: Vec<_> = targets(&server).into_iter().filter(|line| line.starts_with("token")).collect();
    assert_eq!(tokens, [&format!("token {BASIC}"), "token", &format!("token {BASIC}")]);
}

#[tokio::test]
async fn a_kept_token_that_is_refused_is_replaced_once() {
    // `t0` is good for one request only.
    let server = bearer(|token, before| token != "t0" || before < 3, 300).await;
    let client = client();
    read(&client, &server, &alice()).await.unwrap();
    read(&client, &server, &alice()).await.unwrap();
    assert_eq!(
        targets(&server)[2..],
        ["manifest Bearer t0", "manifest Bearer t0", &format!("token {BASIC}"), "manifest Bearer t1"]
    );
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_is_the_end() {
    let server = bearer(|_, _| false, 300).await;
    let error = read(&client(), &server, &alice()).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }));
    assert_eq!(targets(&server), ["manifest", &format!("token {BASIC}"), "manifest Bearer t0"]);
    assert_silent(&error.to_string());
}

#[tokio::test]
async fn an_expired_token_is_not_sent() {
    let server = bearer(|_, _| true, 1).await;
    let client = client();
    read(&client, &server, &Credential::Anonymous).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    read(&client, &server, &Credential::Anonymous).await.unwrap();
    assert_eq!(
        targets(&server),
        ["manifest", "token", "manifest Bearer t0", "manifest", "token", "manifest Bearer t1"]
    );
}

#[tokio::test]
async fn an_identity_token_goes_to_the_token_service_in_the_body() {
    let server = bearer(|_, _| true, 300).await;
    read(&client(), &server, &Credential::IdentityToken("refresh&me".into())).await.unwrap();
    let post = &server.seen()[1];
    assert_eq!((post.method.as_str(), post.target.as_str()), ("POST", "/token?a=b"));
    assert_eq!(
        post.body,
        "grant_type=refresh_token&refresh_token=refresh%26me&client_id=trustwright\
         &scope=repository%3Ateam%2Fapp%3Apull&service=s+%26+t"
    );
    assert_eq!(post.authorization, None);
}

#[tokio::test]
async fn a_token_service_that_refuses_or_rambles_is_named_without_its_words() {
    for (answer, reason, text) in [
        (Answer::new(401, LEAK), Reason::RegistryUnauthorized, "unexpected status code 401 Unauthorized"),
        (Answer::error(403, "DENIED"), Reason::RegistryUnauthorized, "DENIED"),
        (
            Answer::new(503, LEAK),
            Reason::RegistryUnavailable,
            "unexpected status code 503 Service Unavailable",
        ),
        (Answer::ok(LEAK), Reason::RegistryInvalid, "token service returned no usable token"),
        (
            Answer::ok(r#"{"token":"a\r\nX: y"}"#),
            Reason::RegistryInvalid,
            "token service returned no usable token",
        ),
        (Answer::endless(), Reason::RegistryInvalid, "answer is larger than the limit of 65536 bytes"),
        (
            Answer::redirect("/elsewhere"),
            Reason::RegistryInvalid,
            "unexpected status code 307 Temporary Redirect",
        ),
    ] {
        let server = Server::start(move |seen, _| {
            if seen.target.starts_with("/token") {
                answer.clone()
            } else {
                unauthorized(&format!("Bearer realm=\"http://{}/token\"", seen.host))
            }
        })
        .await;
        let error = read(&client(), &server, &alice()).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
        assert_eq!(error.to_string(), format!("GET http://{}/token: {text}", server.host));
        assert_silent(&error.to_string());
        assert!(server.seen().iter().all(|seen| seen.target != "/elsewhere"));
    }
}

#[tokio::test]
async fn a_token_service_must_be_local_or_https() {
    for (realm, expected) in [
        ("http://8.8.8.8/token", Refusal::Realm),
        ("ftp://127.0.0.1/token", Refusal::Realm),
        ("https://169.254.169.254/token", Refusal::LinkLocal),
        ("https://[fe80::1]/token", Refusal::LinkLocal),
    ] {
        let server = Server::start(move |_, _| unauthorized(&format!("Bearer realm=\"{realm}\""))).await;
        match read(&client(), &server, &alice()).await {
            Err(Error::Refused { refusal, .. }) => assert_eq!(refusal, expected, "{realm}"),
            other => panic!("{realm}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_challenge_that_we_do_not_know_is_invalid() {
    for challenge in ["Negotiate", "Bearer service=\"no realm\"", "Bearer realm=\"/relative\""] {
        let server = Server::start(move |_, _| unauthorized(challenge)).await;
        let error = read(&client(), &server, &alice()).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { what: Invalid::Challenge, .. }), "{challenge}: {error}");
    }
}

#[tokio::test]
async fn a_403_is_an_answer_and_drops_the_token() {
    let server = Server::start(|seen, before| match (seen.target.starts_with("/token"), before) {
        (true, _) => Answer::ok(r#"{"token":"t","expires_in":300}"#),
        (false, 0 | 3) => unauthorized(&format!("Bearer realm=\"http://{}/token\"", seen.host)),
        (false, 2) => Answer::error(403, "DENIED"),
        (false, _) => Answer::ok("{}"),
    })
    .await;
    let client = client();
    assert!(matches!(read(&client, &server, &alice()).await, Err(Error::Forbidden { .. })));
    read(&client, &server, &alice()).await.unwrap();
    assert_eq!(server.seen()[3].authorization, None);
}
