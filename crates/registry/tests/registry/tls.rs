use std::sync::Arc;

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};
use trustwright_registry::{
    BuildError, Client, ClientConfig, Credential, Error, Operation, Outage, Outcome, PlainHttp, Reference,
    Refusal,
};

use super::{
    alice, config, deadline, repository,
    server::{Answer, Seen, Server},
};

/// A certificate for 127.0.0.1 that is its own authority, in PEM, and who shows it.
pub(crate) fn identity() -> (String, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem(), TlsAcceptor::from(Arc::new(server)))
}

pub(crate) async fn start(
    tls: TlsAcceptor,
    answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
) -> Server {
    Server::start_on("127.0.0.1", Some(tls), answer).await
}

fn trusting(root: &str) -> Client {
    Client::new(&ClientConfig { extra_roots: vec![root.to_owned()], ..config() }).unwrap()
}

async fn read(client: &Client, host: &str, credential: &Credential) -> Result<(), Error> {
    client.manifest(&repository(host), &Reference::Tag("v1".into()), credential, deadline()).await.map(|_| ())
}

#[tokio::test]
async fn a_registry_with_a_trusted_certificate_is_read_in_https() {
    let (root, tls) = identity();
    let server = start(tls, |_, _| Answer::ok("{}")).await;
    let client = trusting(&root);
    read(&client, &server.host, &Credential::Anonymous).await.unwrap();
    assert_eq!(client.metrics().requests(Operation::Manifest), 1);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_no_reason_for_plain_http() {
    let (_, tls) = identity();
    let server = start(tls, |_, _| Answer::ok("{}")).await;
    let (other, _) = identity();
    let client = trusting(&other);
    let error = read(&client, &server.host, &alice()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { outage: Outage::Certificate, .. }), "{error}");
    assert_eq!(client.metrics().count(Operation::Manifest, Outcome::Transport), 1);
}

#[tokio::test]
async fn the_scheme_of_a_local_registry_is_found_once() {
    let server = Server::start(|_, _| Answer::ok("{}")).await;
    let client = Client::new(&config()).unwrap();
    for _ in 0..3 {
        read(&client, &server.host, &Credential::Anonymous).await.unwrap();
    }
    assert_eq!(client.metrics().count(Operation::Manifest, Outcome::Transport), 1);
    assert_eq!(client.metrics().count(Operation::Manifest, Outcome::Ok), 3);
}

#[tokio::test]
async fn a_local_registry_may_turn_to_https() {
    let server = Server::start(|_, _| Answer::ok("{}")).await;
    let (root, tls) = identity();
    let client = trusting(&root);
    read(&client, &server.host, &Credential::Anonymous).await.unwrap();
    let host = server.stop().await;
    let server = Server::start_on(&host, Some(tls), |_, _| Answer::ok("{}")).await;
    read(&client, &host, &Credential::Anonymous).await.unwrap();
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn plain_http_can_be_switched_off() {
    let server = Server::start(|_, _| Answer::ok("{}")).await;
    let client = Client::new(&ClientConfig { plain_http: PlainHttp::Never, ..config() }).unwrap();
    let error = read(&client, &server.host, &Credential::Anonymous).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn a_registry_with_https_cannot_name_a_token_service_without() {
    let plain = Server::start(|_, _| Answer::ok(r#"{"token":"t"}"#)).await;
    for (scheme, good) in [("https", true), ("http", false)] {
        let (root, tls) = identity();
        let elsewhere = plain.host.clone();
        let server =
            start(tls, move |seen, _| match (&seen.authorization, seen.target.starts_with("/token")) {
                (_, true) => Answer::ok(r#"{"token":"t"}"#),
                (Some(_), false) => Answer::ok("{}"),
                (None, false) => {
                    let host = if scheme == "https" { &seen.host } else { &elsewhere };
                    let challenge = format!("Bearer realm=\"{scheme}://{host}/token\"");
                    Answer::new(401, "").with("WWW-Authenticate", challenge)
                }
            })
            .await;
        match read(&trusting(&root), &server.host, &alice()).await {
            Ok(()) => assert!(good),
            Err(Error::Refused { refusal: Refusal::Realm, .. }) => assert!(!good),
            other => panic!("{scheme}: {other:?}"),
        }
    }
    assert_eq!(plain.requests(), [""; 0]);
}

#[tokio::test]
async fn a_registry_with_https_cannot_redirect_to_http() {
    let plain = Server::start(|_, _| Answer::ok("{}")).await;
    let (root, tls) = identity();
    let to = format!("http://{}/", plain.host);
    let server = start(tls, move |_, _| Answer::redirect(to.clone())).await;
    let error = read(&trusting(&root), &server.host, &Credential::Anonymous).await.unwrap_err();
    assert!(matches!(error, Error::Refused { refusal: Refusal::Downgrade, .. }), "{error}");
    assert_eq!(plain.requests(), [""; 0]);
}

#[tokio::test]
async fn an_extra_root_must_be_a_certificate() {
    let (root, _) = identity();
    let build = |roots: &[&str]| {
        let extra_roots = roots.iter().map(|&root| root.to_owned()).collect();
        Client::new(&ClientConfig { extra_roots, ..config() }).map(|_| ())
    };
    assert_eq!(build(&[&root]), Ok(()));
    assert_eq!(build(&[&root, "nonsense"]), Err(BuildError::ExtraRoot { index: 1 }));
}
