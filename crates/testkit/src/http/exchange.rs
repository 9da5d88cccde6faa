//! One connection: requests are read, and answered as the script says.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Asked, Fault, File, Offered, Script, Shared};

/// A request is not longer than this.
const MAX_HEAD: usize = 64 << 10;
/// What an endless body is made of.
const CHUNK: [u8; 16 << 10] = [b'7'; 16 << 10];
/// How many of these it has, should nobody stop it.
const CHUNKS: usize = 1 << 16;

/// What is written to the connection.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

enum Body {
    Whole(Vec<u8>),
    Cut(Vec<u8>),
    Endless,
    Drip(std::time::Duration),
    Hang,
}

struct Request {
    path: String,
    if_none_match: Option<String>,
    if_modified_since: Option<String>,
}

/// Serves requests until the client goes, or a fault ends the connection.
pub(super) async fn converse(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    loop {
        let request = read(&mut stream).await?;
        let answer = shared.script().answer(&request)?;
        write(&mut stream, answer, shared).await?;
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        // A client that tries TLS first is not to wait for an answer.
        let is_method = head.first().is_some_and(u8::is_ascii_uppercase);
        if head.len() > MAX_HEAD || !is_method {
            return None;
        }
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let header = |name: &str| {
        let values = head.lines().filter_map(|line| line.split_once(": "));
        values.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let (if_none_match, if_modified_since) = (header("if-none-match"), header("if-modified-since"));
    Some(Request { path, if_none_match, if_modified_since })
}

impl Request {
    const fn is_conditional(&self) -> bool {
        self.if_none_match.is_some() || self.if_modified_since.is_some()
    }
}

impl Script {
    /// The answer to one request, or `None` where there is to be none.
    fn answer(&mut self, request: &Request) -> Option<Answer> {
        let fault = self.faults.get(&request.path).or(self.everywhere.as_ref()).cloned();
        let answer = match fault {
            None => Some(self.file(request)),
            Some(fault) => self.fault(request, fault),
        };
        self.asked.push(Asked {
            path: request.path.clone(),
            conditional: request.is_conditional(),
            status: answer.as_ref().map_or(0, |answer| answer.status),
        });
        if self.afterwards.as_ref().is_some_and(|(path, _)| *path == request.path)
            && let Some((_, files)) = self.afterwards.take()
        {
            self.replace(&files);
        }
        answer
    }

    fn file(&self, request: &Request) -> Answer {
        let Some(file) = self.files.get(&request.path) else {
            return Answer::new(404, "there is no such file");
        };
        let (etag, modified) = (file.etag(), file.last_modified());
        let (etag, modified) = match self.validators {
            Offered::Both => (Some(etag), Some(modified)),
            Offered::Etag => (Some(etag), None),
            Offered::LastModified => (None, Some(modified)),
            Offered::None => (None, None),
        };
        // RFC 9110, 13.2.2: the date counts only without the tag.
        let is_unchanged = match (&request.if_none_match, &etag) {
            (Some(asked), Some(etag)) => asked == etag,
            _ => modified.is_some() && request.if_modified_since == modified,
        };
        let mut answer = Answer::new(200, file.bytes.clone());
        answer.headers.extend(etag.map(|value| ("ETag", value)));
        answer.headers.extend(modified.map(|value| ("Last-Modified", value)));
        if is_unchanged {
            answer.status = 304;
            answer.body = Body::Whole(Vec::new());
        }
        answer
    }

    fn fault(&self, request: &Request, fault: Fault) -> Option<Answer> {
        let ok = |body| Answer { body, ..Answer::new(200, "") };
        Some(match fault {
            Fault::Status(status, headers) => Answer { headers, ..Answer::new(status, "no") },
            Fault::Content(bytes) => Answer::new(200, bytes),
            Fault::Portal => {
                let page = "<!DOCTYPE html><html><body>Please log in.</body></html>";
                Answer {
                    headers: vec![("Content-Type", "text/html; charset=utf-8".to_owned())],
                    ..Answer::new(200, page)
                }
            }
            Fault::Redirect(to) => Answer {
                headers: vec![("Location", format!("{to}/{}", request.path))],
                ..Answer::new(302, "")
            },
            Fault::Unchanged if request.is_conditional() => Answer::new(304, ""),
            Fault::Unchanged => self.file(request),
            Fault::Truncated => ok(Body::Cut(
                self.files.get(&request.path).map(|file| file.bytes.clone()).unwrap_or_default(),
            )),
            Fault::Endless => ok(Body::Endless),
            Fault::Drip(pause) => ok(Body::Drip(pause)),
            Fault::Hang => ok(Body::Hang),
            Fault::Closed => return None,
        })
    }
}

impl File {
    fn etag(&self) -> String {
        format!("\"{}\"", hex::encode(&Sha256::digest(&self.bytes)[..8]))
    }

    /// A second for each change.
    fn last_modified(&self) -> String {
        let (minutes, seconds) = (self.change / 60 % 60, self.change % 60);
        format!("Sat, 22 Aug 2026 12:{minutes:02}:{seconds:02} GMT")
    }
}

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(body.into()) }
    }
}

/// Writes the answer; `Some` if the connection can serve another.
async fn write(stream: &mut TcpStream, answer: Answer, shared: &Shared) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} Status\r\n", answer.status);
    for (name, value) in &answer.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    match &answer.body {
        // RFC 9110, 15.4.5: 304 has no body.
        Body::Whole(_) if answer.status == 304 => {}
        Body::Whole(bytes) | Body::Cut(bytes) => {
            let _ = write!(head, "Content-Length: {}\r\n", bytes.len());
        }
        // No length is stated, so that nobody can refuse these by it.
        Body::Endless | Body::Drip(_) | Body::Hang => head.push_str("Transfer-Encoding: chunked\r\n"),
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await.ok()?;
    match answer.body {
        Body::Whole(bytes) => send(stream, &bytes, shared).await,
        Body::Cut(bytes) => {
            send(stream, &bytes[..bytes.len() / 2], shared).await?;
            stream.shutdown().await.ok()?;
            None
        }
        Body::Endless => {
            for _ in 0..CHUNKS {
                send_chunk(stream, &CHUNK, shared).await?;
            }
            None
        }
        Body::Drip(pause) => loop {
            send_chunk(stream, b"7", shared).await?;
            tokio::time::sleep(pause).await;
        },
        Body::Hang => {
            stream.flush().await.ok()?;
            std::future::pending().await
        }
    }
}

async fn send(stream: &mut TcpStream, bytes: &[u8], shared: &Shared) -> Option<()> {
    stream.write_all(bytes).await.ok()?;
    stream.flush().await.ok()?;
    shared.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    Some(())
}

async fn send_chunk(stream: &mut TcpStream, bytes: &[u8], shared: &Shared) -> Option<()> {
    stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await.ok()?;
    send(stream, bytes, shared).await?;
    stream.write_all(b"\r\n").await.ok()
}
