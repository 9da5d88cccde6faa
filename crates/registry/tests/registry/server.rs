//! A registry whose every byte a test decides: HTTP/1.1, one request per connection.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) host: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
}

/// What to answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Whole(Vec<u8>),
    /// Chunks without an end.
    Endless,
    /// A `Content-Length` that the body does not keep.
    Announced(u64),
    /// Headers, and then nothing.
    Stalled,
    /// Not even headers.
    Silent,
    /// The connection is closed.
    Closed,
}

/// The server. Stops when dropped.
pub(crate) struct Server {
    pub(crate) host: String,
    log: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(body.into()) }
    }

    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn error(status: u16, code: &str) -> Self {
        let message = super::LEAK;
        Self::new(status, format!(r#"{{"errors":[{{"code":"{code}","message":"{message}","detail":1}}]}}"#))
    }

    pub(crate) fn redirect(to: impl Into<String>) -> Self {
        Self::new(307, super::LEAK).with("Location", to)
    }

    pub(crate) fn endless() -> Self {
        Self { body: Body::Endless, ..Self::ok("") }
    }

    pub(crate) fn announced(length: u64) -> Self {
        Self { body: Body::Announced(length), ..Self::ok("") }
    }

    pub(crate) fn stalled() -> Self {
        Self { body: Body::Stalled, ..Self::ok("") }
    }

    pub(crate) fn silent() -> Self {
        Self { body: Body::Silent, ..Self::ok("") }
    }

    pub(crate) fn closed() -> Self {
        Self { body: Body::Closed, ..Self::ok("") }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Server {
    /// Serves plain HTTP on 127.0.0.1.
    pub(crate) async fn start(answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1", None, answer).await
    }

    /// Serves on an address, or on an address and port. The answer is a function of the request and
    /// of how many were before it.
    pub(crate) async fn start_on(
        address: &str,
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = match address.parse::<std::net::SocketAddr>() {
            Ok(address) => TcpListener::bind(address).await,
            Err(_) => TcpListener::bind((address, 0)).await,
        }
        .unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), Arc::clone(&log));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen, tls) = (Arc::clone(&answer), Arc::clone(&seen), tls.clone());
                connections.spawn(async move { serve(stream, tls, &*answer, &seen).await });
            }
        });
        Self { host, log, task }
    }

    /// Stops, and returns the address that is free now.
    pub(crate) async fn stop(mut self) -> String {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.host.clone()
    }

    /// Every request, as `METHOD target`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Handler = dyn Fn(&Seen, usize) -> Answer + Send + Sync;

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, answer: &Handler, log: &Mutex<Vec<Seen>>) {
    match tls {
        None => converse(stream, answer, log).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => converse(stream, answer, log).await,
            Err(_) => None,
        },
    };
}

async fn converse<S>(mut stream: S, answer: &Handler, log: &Mutex<Vec<Seen>>) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let seen = request(&mut stream).await?;
    let answer = {
        let mut log = log.lock().unwrap();
        log.push(seen.clone());
        answer(&seen, log.len() - 1)
    };
    let mut head = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    match answer.body {
        Body::Closed => return None,
        Body::Silent => std::future::pending::<()>().await,
        Body::Whole(body) => {
            let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.ok()?;
            if seen.method != "HEAD" {
                stream.write_all(&body).await.ok()?;
            }
        }
        Body::Announced(length) => {
            let _ = write!(head, "Content-Length: {length}\r\n\r\n{{");
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        Body::Stalled => {
            head += "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n";
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
            std::future::pending::<()>().await;
        }
        Body::Endless => {
            head += "Transfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.ok()?;
            loop {
                stream.write_all(format!("1000\r\n{}\r\n", "a".repeat(0x1000)).as_bytes()).await.ok()?;
            }
        }
    }
    stream.shutdown().await.ok()
}

/// Reads a request, or nothing where the first byte is that of a TLS handshake.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        if head.first() == Some(&0x16) {
            return None;
        }
    }
    let head = String::from_utf8(head).ok()?;
    let mut first = head.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let mut body = vec![0; header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    let host = header("host").unwrap_or_default();
    Some(Seen {
        method,
        target,
        host,
        authorization: header("authorization"),
        body: String::from_utf8(body).ok()?,
    })
}
