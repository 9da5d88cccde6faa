//! A load generator of one request: HTTP/1.1 over TLS, keep-alive, one request at a time per connection.

use std::{
    fmt,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The name in the certificate of the webhooks.
const HOST: &str = "webhook.trustwright-system.svc";
/// How much longer than asked for a load may take before it counts as stuck.
const SLACK: Duration = Duration::from_secs(30);
/// Largest answer, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Whom to ask, and what.
#[derive(Clone)]
pub(crate) struct Target {
    port: u16,
    tls: TlsConnector,
    request: Arc<[u8]>,
}

impl Target {
    /// `/validations` on `port` of loopback, asked about a new pod that runs `image`.
    pub(crate) fn new(port: u16, ca_pem: &str, image: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            roots.add(certificate.context("CA bundle of the webhooks")?)?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { port, tls: Arc::new(config).into(), request: request(image) })
    }

    /// The same, asked about a pod that runs another image.
    pub(crate) fn about(&self, image: &str) -> Self {
        Self { request: request(image), ..self.clone() }
    }

    pub(crate) async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(ServerName::try_from(HOST)?, stream).await?;
        Ok(Connection { stream, request: self.request.clone(), buffer: Vec::with_capacity(4096) })
    }

    /// Keeps `connections` busy for `duration`; any answer that does not admit is an error.
    pub(crate) async fn load(&self, connections: usize, duration: Duration) -> Result<Figures> {
        let mut established = Vec::new();
        for _ in 0..connections {
            established.push(self.connect().await?);
        }
        let start = Instant::now();
        let end = start + duration;
        let mut busy: JoinSet<Result<Vec<Duration>>> =
            established.into_iter().map(|connection| connection.ask_until(end)).collect();
        let all = async {
            let mut latencies = Vec::new();
            while let Some(one) = busy.join_next().await {
                latencies.extend(one??);
            }
            anyhow::Ok(latencies)
        };
        let latencies = timeout(duration + SLACK, all).await.context("an answer did not come")??;
        Figures::new(latencies, start.elapsed())
    }
}

/// An established connection.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    request: Arc<[u8]>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Asks what `target` is asked from now on.
    pub(crate) fn turn_to(&mut self, target: &Target) {
        self.request = target.request.clone();
    }

    /// Asks once. Fails unless the answer admits.
    pub(crate) async fn ask(&mut self) -> Result<()> {
        self.stream.write_all(&self.request).await?;
        // What could not be sent at once waits within the TLS connection.
        self.stream.flush().await?;
        self.buffer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the connection was closed");
            ensure!(self.buffer.len() <= MAX_ANSWER, "the answer is too long");
            if let Some(body) = whole(&self.buffer)? {
                let admits = body.windows(ADMITS.len()).any(|window| window == ADMITS);
                ensure!(admits, "not admitted: {}", String::from_utf8_lossy(body));
                return Ok(());
            }
        }
    }

    async fn ask_until(mut self, end: Instant) -> Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        let mut before = Instant::now();
        while before < end {
            self.ask().await?;
            let now = Instant::now();
            latencies.push(now - before);
            before = now;
        }
        Ok(latencies)
    }
}

const ADMITS: &[u8] = b"\"allowed\":true";

/// The body of a 200 answer, once it is there to its last byte.
fn whole(answer: &[u8]) -> Result<Option<&[u8]>> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = (std::str::from_utf8(&answer[..end])?, &answer[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("the answer has no Content-Length")?;
    let length: usize = length.1.trim().parse()?;
    if body.len() < length {
        return Ok(None);
    }
    ensure!(body.len() == length, "the answer is longer than it says");
    if status != "HTTP/1.1 200 OK" {
        bail!("{status}: {}", String::from_utf8_lossy(body));
    }
    Ok(Some(body))
}

/// The outcome of a load.
pub(crate) struct Figures {
    answered: u32,
    per_second: f64,
    median: Duration,
    percentile_99: Duration,
}

impl Figures {
    fn new(mut latencies: Vec<Duration>, elapsed: Duration) -> Result<Self> {
        latencies.sort_unstable();
        let at = |percent: usize| {
            let index = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
            latencies.get(index).copied().context("nothing was answered")
        };
        let answered = u32::try_from(latencies.len())?;
        Ok(Self {
            answered,
            per_second: f64::from(answered) / elapsed.as_secs_f64(),
            median: at(50)?,
            percentile_99: at(99)?,
        })
    }

    /// How many answers came.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.into()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        let (median, percentile) = (milliseconds(self.median), milliseconds(self.percentile_99));
        write!(f, "{:.0}/s, p50 {median:.2} ms, p99 {percentile:.2} ms", self.per_second)
    }
}

/// A request for a new pod that runs `image`.
fn request(image: &str) -> Arc<[u8]> {
    let body = review(image);
    let head = format!(
        "POST /validations?timeout=10s HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes().into()
}

/// The review of a pod as the API server sends it.
fn review(image: &str) -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "name": "n", "namespace": "default",
            "operation": "CREATE", "dryRun": false,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "n", "namespace": "default", "labels": {"app": "n"}},
                "spec": {"containers": [{"name": "c", "image": image}], "serviceAccountName": "default"},
            },
            "oldObject": null,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_once_it_is_whole_and_is_200() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(whole(answer).unwrap(), Some(&b"{}"[..]));
        assert_eq!(whole(&answer[..answer.len() - 1]).unwrap(), None);
        assert_eq!(whole(&answer[..20]).unwrap(), None);
        assert!(whole(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}").is_err());
        assert!(whole(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}").is_err());
        assert!(whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
