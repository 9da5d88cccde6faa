use std::sync::Arc;

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};
use trustwright_mirror::{BuildError, Error, Mirror, MirrorConfig, Outage, Refusal};

use super::{
    config, fail, mirror, read,
    server::{Answer, Seen, Server},
};

/// A certificate that is its own authority, in PEM, and who shows it.
pub(crate) fn identity(host: &str) -> (String, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem(), TlsAcceptor::from(Arc::new(server)))
}

/// A server with HTTPS and the authority of its certificate.
pub(crate) async fn start(
    answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
) -> (Server, String) {
    let (root, tls) = identity("127.0.0.1");
    (Server::start_with(Some(tls), answer).await, root)
}

pub(crate) fn trusting(base: &str, root: &str) -> MirrorConfig {
    MirrorConfig { ca_bundle_pem: Some(root.to_owned()), ..config(base) }
}

#[tokio::test]
async fn a_mirror_is_trusted_by_the_bundle_that_names_its_authority() {
    let (server, root) = start(|_, _| Answer::ok("{}")).await;
    let (other, _) = identity("127.0.0.1");
    let url = server.url("/");
    for bundle in [root.clone(), format!("{other}\n{root}")] {
        let mirror = Mirror::new(&trusting(&url, &bundle)).unwrap();
        assert_eq!(read(&mirror).await.unwrap().unwrap(), "{}");
    }
    for untrusting in [mirror(&url), Mirror::new(&trusting(&url, &other)).unwrap()] {
        let error = fail(&untrusting).await;
        assert!(matches!(error, Error::Unreachable { outage: Outage::Certificate, .. }), "{error}");
        assert_eq!(error.reason(), "certificate");
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_not_trusted() {
    let (root, tls) = identity("tuf.example");
    let server = Server::start_with(Some(tls), |_, _| Answer::ok("{}")).await;
    let error = fail(&Mirror::new(&trusting(&server.url("/"), &root)).unwrap()).await;
    assert!(matches!(error, Error::Unreachable { outage: Outage::Certificate, .. }), "{error}");
}

#[tokio::test]
async fn a_bundle_is_certificates() {
    let (root, _) = identity("tuf.example");
    let garbage = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let unreadable = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    let key = root.replace("CERTIFICATE", "PUBLIC KEY");
    assert!(Mirror::new(&trusting("https://tuf.example", &root)).is_ok());
    for bad in ["", "nonsense", garbage, unreadable, &key, &format!("{root}{garbage}")] {
        let result = Mirror::new(&trusting("https://tuf.example", bad)).map(drop);
        assert_eq!(result, Err(BuildError::CaBundle), "{bad}");
    }
}

#[tokio::test]
async fn a_user_agent_is_a_header() {
    let build = |agent: &str| {
        let user_agent = agent.to_owned();
        Mirror::new(&MirrorConfig { user_agent, ..config("https://tuf.example") }).map(drop)
    };
    assert_eq!(build("trustwright/1"), Ok(()));
    assert!(matches!(build("a\nb"), Err(BuildError::Http(_))));
}

#[tokio::test]
async fn a_mirror_with_https_cannot_redirect_to_http() {
    let plain = Server::start(|_, _| Answer::ok("{}")).await;
    let to = plain.url("/timestamp.json");
    let (server, root) = start(move |_, _| Answer::redirect(302, to.clone())).await;
    let error = fail(&Mirror::new(&trusting(&server.url("/"), &root)).unwrap()).await;
    assert!(matches!(error, Error::Refused { refusal: Refusal::Downgrade, .. }), "{error}");
    assert_eq!(error.reason(), "downgrade");
    assert_eq!(plain.connections(), 0);
}

#[tokio::test]
async fn a_mirror_with_http_can_redirect_to_https() {
    let (server, root) = start(|_, _| Answer::ok("{}")).await;
    let to = server.url("/timestamp.json");
    let plain = Server::start(move |_, _| Answer::redirect(308, to.clone())).await;
    let mirror = Mirror::new(&trusting(&plain.url("/"), &root)).unwrap();
    assert_eq!(read(&mirror).await.unwrap().unwrap(), "{}");
}

#[tokio::test]
async fn plain_http_where_tls_should_be_is_told_apart() {
    let plain = Server::start(|_, _| Answer::ok("{}")).await;
    let raw = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = raw.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = raw.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let error = fail(&mirror(&format!("https://{host}/"))).await;
    assert!(matches!(error, Error::Unreachable { outage: Outage::NotTls, .. }), "{error}");
    assert_eq!(error.reason(), "tls");
    task.abort();
    assert!(read(&mirror(&plain.url("/"))).await.unwrap().is_some());
}
