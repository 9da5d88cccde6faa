//! A mirror whose every byte a test decides: HTTP/1.1, with connections that are kept.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
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
    pub(crate) target: String,
    head: String,
}

/// What to do on the connection.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    headers: Vec<(&'static str, String)>,
    status: u16,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    /// With its length.
    Whole(Vec<u8>),
    /// The text with another length than it has, and then the connection is closed, or nothing more happens.
    Announced { length: u64, text: &'static str, is_closed: bool },
    /// The chunk again and again, without an end.
    Endless { chunk: &'static str, pause: Duration },
    /// These chunks, and the end.
    Chunks(Vec<&'static str>),
    /// Not even headers.
    Silent,
    /// The connection is closed.
    Closed,
    /// No HTTP at all.
    Raw(&'static str),
}

/// The server. Stops when dropped.
pub(crate) struct Server {
    pub(crate) host: String,
    scheme: &'static str,
    log: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(body.into()) }
    }

    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn redirect(status: u16, to: impl Into<String>) -> Self {
        Self::new(status, super::LEAK).with("Location", to)
    }

    pub(crate) fn announced(length: u64, text: &'static str, is_closed: bool) -> Self {
        Self { body: Body::Announced { length, text, is_closed }, ..Self::ok("") }
    }

    pub(crate) fn endless(chunk: &'static str, pause: Duration) -> Self {
        Self { body: Body::Endless { chunk, pause }, ..Self::ok("") }
    }

    pub(crate) fn chunks(chunks: &[&'static str]) -> Self {
        Self { body: Body::Chunks(chunks.to_vec()), ..Self::ok("") }
    }

    pub(crate) fn silent() -> Self {
        Self { body: Body::Silent, ..Self::ok("") }
    }

    pub(crate) fn closed() -> Self {
        Self { body: Body::Closed, ..Self::ok("") }
    }

    pub(crate) fn raw(text: &'static str) -> Self {
        Self { body: Body::Raw(text), ..Self::ok("") }
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Server {
    /// Serves plain HTTP on 127.0.0.1. The answer is a function of the request and of how many were before it.
    pub(crate) async fn start(answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(None, answer).await
    }

    pub(crate) async fn start_with(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (log, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (answer, seen, count) = (Arc::new(answer), Arc::clone(&log), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let (answer, seen, tls) = (Arc::clone(&answer), Arc::clone(&seen), tls.clone());
                connections.spawn(async move { serve(stream, tls, &*answer, &seen).await });
            }
        });
        Self { host, scheme, log, connections, task }
    }

    /// The URL of a path that starts with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.host)
    }

    pub(crate) fn targets(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.target).collect()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
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
    loop {
        let seen = request(&mut stream).await?;
        let answer = {
            let mut log = log.lock().unwrap();
            log.push(seen.clone());
            answer(&seen, log.len() - 1)
        };
        write(&mut stream, answer).await?;
    }
}

/// Writes the answer. `Some` if the connection can serve another.
async fn write(stream: &mut (impl AsyncWrite + Unpin), answer: Answer) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} Status\r\n", answer.status);
    for (name, value) in &answer.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    match answer.body {
        Body::Closed => return None,
        Body::Silent => std::future::pending::<()>().await,
        Body::Raw(text) => {
            send(stream, text).await?;
            return stream.shutdown().await.err().map(drop);
        }
        Body::Whole(body) => {
            // RFC 9110, 15.4.5: 304 has no body.
            if answer.status != 304 {
                let _ = write!(head, "Content-Length: {}\r\n", body.len());
            }
            stream.write_all(format!("{head}\r\n").as_bytes()).await.ok()?;
            stream.write_all(&body).await.ok()?;
        }
        Body::Announced { length, text, is_closed } => {
            send(stream, &format!("{head}Content-Length: {length}\r\n\r\n{text}")).await?;
            if is_closed {
                return stream.shutdown().await.err().map(drop);
            }
            std::future::pending::<()>().await;
        }
        Body::Endless { chunk, pause } => {
            send(stream, &format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await?;
            loop {
                send(stream, &format!("{:x}\r\n{chunk}\r\n", chunk.len())).await?;
                tokio::time::sleep(pause).await;
            }
        }
        Body::Chunks(chunks) => {
            send(stream, &format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await?;
            for chunk in chunks {
                send(stream, &format!("{:x}\r\n{chunk}\r\n", chunk.len())).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            send(stream, "0\r\n\r\n").await?;
        }
    }
    stream.flush().await.ok()
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> Option<()> {
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

/// Reads a request, or nothing where the first byte is that of a TLS handshake, or the client is gone.
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
    let (method, target) = (first.next()?, first.next()?.to_owned());
    assert_eq!(method, "GET");
    Some(Seen { target, head })
}
