//! What stands before an [`HttpServer`](crate::http::HttpServer): TLS, and a gate that holds requests back.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::certs::Identity;

/// A port on 127.0.0.1 from which bytes go on to a server. Closes when dropped.
pub struct Front {
    url: String,
    open: watch::Sender<bool>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    held: Notify,
    /// The values of `Authorization` that went by, in their order.
    credentials: Mutex<Vec<String>>,
    /// Method and target of the requests that went by, in their order.
    requests: Mutex<Vec<String>>,
}

impl Front {
    /// Stands before the server at `url` (`http://127.0.0.1:<port>`).
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn plain(url: &str) -> Result<Self> {
        Self::start(url, "http", None).await
    }

    /// Stands before the server at `url` with TLS, shown as `identity`.
    ///
    /// # Errors
    /// When no port can be had, or the identity is none.
    pub async fn tls(url: &str, identity: &Identity) -> Result<Self> {
        let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().context("no certificate")?;
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).context("no private key")?;
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Self::start(url, "https", Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(url: &str, scheme: &str, tls: Option<TlsAcceptor>) -> Result<Self> {
        let server = url.strip_prefix("http://").context("expected a URL with http://")?.to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let (open, gate) = watch::channel(true);
        let shared = Arc::new(Shared::default());
        let noted = shared.clone();
        let task = tokio::spawn(async move {
            // Dropped with the task, and all connections with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let (server, tls) = (server.clone(), tls.clone());
                let (gate, noted) = (gate.clone(), noted.clone());
                connections.spawn(async move {
                    let server = TcpStream::connect(server).await?;
                    match tls {
                        None => relay(stream, server, gate, &noted).await,
                        Some(tls) => relay(tls.accept(stream).await?, server, gate, &noted).await,
                    }
                });
            }
        });
        Ok(Self { url, open, shared, task })
    }

    /// The URL of the server behind, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The host and port in it.
    pub fn host(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// Holds requests back from now on.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    /// Waits until a request is held back.
    pub async fn held(&self) {
        self.shared.held.notified().await;
    }

    /// Lets requests through again, those that were held back first.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Returns the values of `Authorization` since this was last asked, in their order.
    pub fn credentials(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.credentials.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns method and target, such as `GET /v2/`, of the requests since this was last asked, in their order.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(
    client: impl AsyncRead + AsyncWrite,
    server: TcpStream,
    mut gate: watch::Receiver<bool>,
    shared: &Shared,
) -> io::Result<()> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            // Requests here are small enough to come in one piece.
            let length = from_client.read(&mut buffer).await?;
            let bytes = buffer.get(..length).filter(|bytes| !bytes.is_empty());
            let Some(bytes) = bytes else { return Ok::<_, io::Error>(()) };
            shared.note(bytes);
            if !*gate.borrow() {
                shared.held.notify_one();
            }
            if gate.wait_for(|open| *open).await.is_err() {
                return Ok(());
            }
            to_server.write_all(bytes).await?;
        }
    };
    tokio::select! {
        done = requests => done,
        done = tokio::io::copy(&mut from_server, &mut to_client) => done.map(drop),
    }
}

impl Shared {
    fn note(&self, request: &[u8]) {
        let text = String::from_utf8_lossy(request);
        let lines = text.lines().filter_map(|line| line.strip_suffix(" HTTP/1.1"));
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.extend(lines.map(str::to_owned));
        drop(requests);
        let headers = text.lines().filter_map(|line| line.split_once(": "));
        let values = headers.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let mut credentials = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        credentials.extend(values.map(|(_, value)| value.to_owned()));
    }
}
