//! An HTTP server whose answers a test decides: files with validators and conditional requests, and every way in
//! which a mirror can let its readers down.

mod exchange;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use trustwright_trust::tuf::Archive;

/// A server of files on 127.0.0.1, over plain HTTP/1.1 with connections that are kept. Stops when dropped.
pub struct HttpServer {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What a test asked the server to do, and what it did.
#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    /// Bytes of bodies that were handed to connections.
    sent: AtomicU64,
}

#[derive(Default)]
struct Script {
    files: BTreeMap<String, File>,
    /// Counts changes of files, for `Last-Modified`.
    changes: u64,
    validators: Offered,
    faults: BTreeMap<String, Fault>,
    everywhere: Option<Fault>,
    /// Files that take the place of all others once a path was asked for.
    afterwards: Option<(String, Archive)>,
    asked: Vec<Asked>,
}

#[derive(Clone)]
struct File {
    bytes: Vec<u8>,
    change: u64,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The path without its first slash.
    pub path: String,
    /// Whether it carried `If-None-Match` or `If-Modified-Since`.
    pub conditional: bool,
    /// The status of the answer; zero where none was given.
    pub status: u16,
}

/// The validators that come with a file (RFC 9110, 8.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offered {
    /// `ETag` and `Last-Modified`.
    #[default]
    Both,
    /// `ETag` alone.
    Etag,
    /// `Last-Modified` alone.
    LastModified,
    /// None; conditions of a request are not looked at.
    None,
}

/// How an answer goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status with these headers and a body that says nothing.
    Status(u16, Vec<(&'static str, String)>),
    /// 200 with these bytes in place of the file.
    Content(Vec<u8>),
    /// 200 with the page of a captive portal.
    Portal,
    /// 302 to the same path below this URL.
    Redirect(String),
    /// 304 to a request with a condition, whatever the file is by now; without one, the file.
    Unchanged,
    /// The headers of the whole file and half of it; then the connection ends.
    Truncated,
    /// The headers and a body without an end.
    Endless,
    /// The headers and one byte, again and again after this pause.
    Drip(Duration),
    /// The headers, and then nothing more.
    Hang,
    /// The connection ends without an answer.
    Closed,
}

impl HttpServer {
    /// Starts a server of these files.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(files: &Archive) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared::default());
        shared.script().replace(files);
        let served = shared.clone();
        let task = tokio::spawn(async move {
            // Dropped with the task, and all connections with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                // Heads and bodies are written apart: neither is to wait for the other to be acknowledged.
                let _ = stream.set_nodelay(true);
                while connections.try_join_next().is_some() {}
                let shared = served.clone();
                connections.spawn(async move { exchange::converse(stream, &shared).await });
            }
        });
        Ok(Self { url, shared, task })
    }

    /// The URL of the folder of all files, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Serves these files, and no others, from now on. What stays the same keeps its validators.
    pub fn serve(&self, files: &Archive) {
        self.shared.script().replace(files);
    }

    /// Serves these files, and no others, once `path` has been asked for.
    pub fn serve_after(&self, path: &str, files: Archive) {
        self.shared.script().afterwards = Some((path.to_owned(), files));
    }

    /// Sends these validators from now on.
    pub fn offer(&self, validators: Offered) {
        self.shared.script().validators = validators;
    }

    /// Answers requests for `path` so, until [`HttpServer::heal`].
    pub fn fail(&self, path: &str, fault: Fault) {
        self.shared.script().faults.insert(path.to_owned(), fault);
    }

    /// Answers every request so, until [`HttpServer::heal`].
    pub fn fail_everywhere(&self, fault: Fault) {
        self.shared.script().everywhere = Some(fault);
    }

    /// Serves the files again.
    pub fn heal(&self) {
        let mut script = self.shared.script();
        script.faults.clear();
        script.everywhere = None;
    }

    /// Returns the requests since this was last asked, in their order.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.script().asked)
    }

    /// Returns how many bytes of bodies were handed to connections.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Script {
    fn replace(&mut self, files: &Archive) {
        self.changes += 1;
        let change = self.changes;
        let old = std::mem::take(&mut self.files);
        let file = |(path, bytes): (&str, &[u8])| {
            let kept = old.get(path).filter(|file| file.bytes == bytes);
            let file = kept.cloned().unwrap_or_else(|| File { bytes: bytes.to_vec(), change });
            (path.to_owned(), file)
        };
        self.files = files.files().map(file).collect();
    }
}
