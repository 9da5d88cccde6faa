//! The server over real sockets: TLS, renewal, drain, ports.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Bytes, routing::post};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::pem::PemObject};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;
use trustwright_runtime::{
    certificates::{CertificatePolicy, Plan, ServingCertificate, decide, service_dns_names},
    clock,
    server::{BindError, Drained, Limits, TlsOptions, TlsVersion, bind, serve, serve_plain},
};

type Certificates = watch::Sender<Option<Arc<ServingCertificate>>>;

fn certificate() -> Arc<ServingCertificate> {
    let (now, names) = (clock::now(), service_dns_names("webhook", "ns"));
    let Plan::Write { contents, .. } = decide(None, now, &names, &CertificatePolicy::default()).unwrap()
    else {
        panic!("nothing was made")
    };
    Arc::new(ServingCertificate::load(&contents, now, &names).unwrap())
}

struct Server {
    address: SocketAddr,
    certificates: Certificates,
    shutdown: CancellationToken,
    entered: Arc<Notify>,
    leave: Arc<Notify>,
    task: JoinHandle<Drained>,
}

fn limits() -> Limits {
    Limits { grace: Duration::ZERO, drain: Duration::from_secs(20), ..Limits::default() }
}

async fn start(limits: Limits, minimum: TlsVersion) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (certificates, published) = watch::channel(Some(certificate()));
    let shutdown = CancellationToken::new();
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (entered, leave) = (entered.clone(), leave.clone());
        async move || {
            entered.notify_one();
            leave.notified().await;
            "slow"
        }
    };
    let router = Router::new().route("/echo", post(async |body: Bytes| body)).route("/slow", post(slow));
    let options = TlsOptions { certificates: published, minimum };
    let serving = serve(listener, options, router, limits, shutdown.clone());
    let task = tokio::spawn(async move { serving.await.unwrap() });
    Server { address, certificates, shutdown, entered, leave, task }
}

impl Server {
    async fn ended(self) -> Drained {
        timeout(Duration::from_secs(30), self.task).await.unwrap().unwrap()
    }
}

async fn tls(
    address: SocketAddr,
    trusted: &ServingCertificate,
    alpn: &[u8],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for authority in rustls::pki_types::CertificateDer::pem_slice_iter(trusted.ca_bundle_pem.as_bytes()) {
        roots.add(authority.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect("webhook.ns.svc".try_into().unwrap(), stream).await
}

const BOTH: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

/// A keep-alive connection. Its task ends when either side closes it.
async fn connect(
    address: SocketAddr,
    trusted: &ServingCertificate,
) -> (SendRequest<Full<Bytes>>, JoinHandle<()>) {
    let stream = tls(address, trusted, b"http/1.1", BOTH).await.unwrap();
    let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let task = tokio::spawn(async move {
        let _ = connection.await;
    });
    (client, task)
}

fn request(path: &str, body: &'static str) -> http::Request<Full<Bytes>> {
    let uri = format!("https://webhook.ns.svc{path}");
    http::Request::post(uri).header("host", "webhook.ns.svc").body(Full::from(body)).unwrap()
}

async fn ask(client: &mut SendRequest<Full<Bytes>>, path: &str, body: &'static str) -> String {
    client.ready().await.unwrap();
    let response = client.send_request(request(path, body)).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn new_connections_see_a_renewed_certificate_while_old_ones_live_on() {
    let server = start(limits(), TlsVersion::Tls13).await;
    let first = server.certificates.borrow().clone().unwrap();
    let (mut old, _old) = connect(server.address, &first).await;
    assert_eq!(ask(&mut old, "/echo", "one").await, "one");

    let second = certificate();
    server.certificates.send_replace(Some(second.clone()));
    assert_eq!(ask(&mut old, "/echo", "two").await, "two", "the established connection goes on");
    let (mut new, _new) = connect(server.address, &second).await;
    assert_eq!(ask(&mut new, "/echo", "three").await, "three");
    assert!(tls(server.address, &first, b"http/1.1", BOTH).await.is_err(), "the old one is no longer shown");

    server.certificates.send_replace(None);
    assert!(tls(server.address, &second, b"http/1.1", BOTH).await.is_err(), "no certificate, no handshake");
    assert_eq!(ask(&mut old, "/echo", "four").await, "four");
}

#[tokio::test]
async fn drain_finishes_requests_in_flight_and_closes_idle_connections() {
    let server = start(limits(), TlsVersion::Tls13).await;
    let trusted = server.certificates.borrow().clone().unwrap();
    let (mut idle, idle_task) = connect(server.address, &trusted).await;
    assert_eq!(ask(&mut idle, "/echo", "hello").await, "hello");
    let (mut busy, _busy) = connect(server.address, &trusted).await;
    let answer = tokio::spawn(async move { ask(&mut busy, "/slow", "").await });
    server.entered.notified().await;

    server.shutdown.cancel();
    timeout(Duration::from_secs(10), idle_task).await.expect("the idle connection is closed").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nothing is accepted any more");
    assert!(!server.task.is_finished());

    server.leave.notify_one();
    assert_eq!(answer.await.unwrap(), "slow");
    assert_eq!(server.ended().await, Drained { aborted: 0 });
}

#[tokio::test]
async fn http2_requests_in_flight_finish_too() {
    let server = start(limits(), TlsVersion::Tls13).await;
    let trusted = server.certificates.borrow().clone().unwrap();
    let stream = tls(server.address, &trusted, b"h2", BOTH).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let echoed = client.send_request(request("/echo", "two")).await.unwrap();
    assert_eq!(echoed.version(), http::Version::HTTP_2);
    assert_eq!(echoed.into_body().collect().await.unwrap().to_bytes(), "two");
    let answer = tokio::spawn(client.send_request(request("/slow", "")));
    server.entered.notified().await;

    server.shutdown.cancel();
    // The listener is gone once the server drains.
    while TcpStream::connect(server.address).await.is_ok() {}
    server.leave.notify_one();
    assert_eq!(answer.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes(), "slow");
    assert_eq!(server.ended().await, Drained { aborted: 0 });
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn drain_is_bounded() {
    let server = start(Limits { drain: Duration::from_millis(100), ..limits() }, TlsVersion::Tls13).await;
    let trusted = server.certificates.borrow().clone().unwrap();
    let (mut busy, _busy) = connect(server.address, &trusted).await;
    let answer = tokio::spawn(async move { busy.send_request(request("/slow", "")).await });
    server.entered.notified().await;
    server.shutdown.cancel();
    assert_eq!(server.ended().await, Drained { aborted: 1 });
    assert!(answer.await.unwrap().is_err());
}

#[tokio::test]
async fn connections_are_accepted_during_the_grace() {
    let server = start(Limits { grace: Duration::from_secs(2), ..limits() }, TlsVersion::Tls13).await;
    server.shutdown.cancel();
    let trusted = server.certificates.borrow().clone().unwrap();
    let (mut late, _late) = connect(server.address, &trusted).await;
    assert_eq!(ask(&mut late, "/echo", "late").await, "late");
    assert_eq!(server.ended().await, Drained { aborted: 0 });
}

#[tokio::test]
async fn dropping_the_server_leaves_nothing_behind() {
    let server = start(limits(), TlsVersion::Tls13).await;
    let trusted = server.certificates.borrow().clone().unwrap();
    let (mut client, connection) = connect(server.address, &trusted).await;
    assert_eq!(ask(&mut client, "/echo", "x").await, "x");
    server.task.abort();
    timeout(Duration::from_secs(10), connection).await.expect("the connection is cut").unwrap();
}

#[tokio::test]
async fn tls_1_2_is_spoken_only_if_asked_for() {
    let old: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
    for (minimum, accepted) in [(TlsVersion::Tls13, false), (TlsVersion::Tls12, true)] {
        let server = start(limits(), minimum).await;
        let trusted = server.certificates.borrow().clone().unwrap();
        assert_eq!(tls(server.address, &trusted, b"http/1.1", old).await.is_ok(), accepted, "{minimum:?}");
    }
}

#[tokio::test]
async fn silent_peers_are_sent_away() {
    let short = Limits { handshake_timeout: Duration::from_millis(100), max_connections: 1, ..limits() };
    let server = start(short, TlsVersion::Tls13).await;
    let trusted = server.certificates.borrow().clone().unwrap();
    let mut mute = TcpStream::connect(server.address).await.unwrap();
    let closed = timeout(Duration::from_secs(10), mute.read(&mut [0; 8])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "before the handshake");
    let mut mute = tls(server.address, &trusted, b"h2", BOTH).await.unwrap();
    let closed = timeout(Duration::from_secs(10), mute.read(&mut [0; 8])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "after the handshake");
    let (mut next, _next) = connect(server.address, &trusted).await;
    assert_eq!(ask(&mut next, "/echo", "next").await, "next", "the only place is free again");
}

#[tokio::test]
async fn plain_http_is_served_and_drained_too() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let router = Router::new().route("/echo", post(async |body: Bytes| body));
    let server = tokio::spawn(serve_plain(listener, router, limits(), shutdown.clone()));
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    assert_eq!(ask(&mut client, "/echo", "plain").await, "plain");
    shutdown.cancel();
    assert_eq!(server.await.unwrap(), Drained { aborted: 0 });
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_taken_port_names_the_address_and_the_flag() {
    let first = bind((Ipv4Addr::LOCALHOST, 0).into(), "--secure-port").await.unwrap();
    let address = first.local_addr().unwrap();
    let error = bind(address, "--secure-port").await.unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }));
    assert_eq!(error.to_string(), format!("address {address} is in use: choose another with --secure-port"));
    let elsewhere = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 0));
    assert!(matches!(bind(elsewhere, "--secure-port").await.unwrap_err(), BindError::Refused { .. }));
}
