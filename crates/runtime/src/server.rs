//! Serving HTTP/1.1 and HTTP/2, with TLS or without, and stopping without losing a request.

mod bind;
mod connection;
mod executor;
mod tls;

use std::{sync::Arc, time::Duration};

use axum::Router;
use futures::FutureExt;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use self::{
    bind::{BindError, bind},
    tls::{TlsOptions, TlsVersion, UnknownTlsVersion},
};
use self::{connection::Protocols, executor::Streams};

/// Bounds of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; more wait in the kernel's queue.
    pub max_connections: usize,
    /// How long a TLS handshake, and the first byte after it, may take.
    pub handshake_timeout: Duration,
    /// How long an HTTP/1.1 request's head may take, idle time before it included.
    pub header_read_timeout: Duration,
    /// How many requests an HTTP/2 connection may have in flight.
    pub max_concurrent_streams: u32,
    /// How long to go on accepting after a shutdown was requested.
    pub grace: Duration,
    /// How long requests in flight may take to finish after that.
    pub drain: Duration,
}

impl Default for Limits {
    /// Ten seconds for handshakes, five for grace, thirty to drain. The head of a request gets two minutes, because
    /// that includes the idle time between requests and the API server keeps idle connections for 90 seconds:
    /// whoever closes first must not be us, or a request on its way is lost.
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            handshake_timeout: Duration::from_secs(10),
            header_read_timeout: Duration::from_mins(2),
            max_concurrent_streams: 1_024,
            grace: Duration::from_secs(5),
            drain: Duration::from_secs(30),
        }
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because the time to drain was over.
    pub aborted: usize,
}

/// Serves `router` over TLS until `shutdown` is cancelled and all connections have ended.
///
/// Guarantees: every new connection gets the certificate that is the newest at that time, established ones go on.
/// After `shutdown`, connections are accepted for another [`Limits::grace`]; then requests in flight finish and
/// connections are closed in order, at most for [`Limits::drain`]. Dropping the future cuts all connections at
/// once and leaves no task behind.
///
/// Errors: rustls refuses the options, before anything is accepted.
pub async fn serve(
    listener: TcpListener,
    tls: TlsOptions,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) -> Result<Drained, rustls::Error> {
    let acceptor = tls.acceptor()?;
    Ok(Server::new(listener, Some(acceptor), router, limits).run(shutdown).await)
}

/// Serves `router` without TLS; otherwise as [`serve`].
pub async fn serve_plain(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) -> Drained {
    Server::new(listener, None, router, limits).run(shutdown).await
}

struct Server {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    shared: Arc<Shared>,
    streams: Streams,
}

/// A connection, and its share of those that are allowed.
type Accepted = (TcpStream, Option<OwnedSemaphorePermit>);

/// What each connection needs.
struct Shared {
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    protocols: Protocols,
    close: CancellationToken,
}

impl Server {
    fn new(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, limits: Limits) -> Self {
        let streams = Streams::default();
        let permits = Arc::new(Semaphore::new(limits.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let protocols = Protocols::new(&streams, &limits);
        let close = CancellationToken::new();
        Self {
            listener,
            permits,
            shared: Arc::new(Shared { tls, router, limits, protocols, close }),
            streams,
        }
    }

    async fn run(self, shutdown: CancellationToken) -> Drained {
        // Dropped with this future: streams of HTTP/2 connections end with it, as the set's tasks do.
        let _cut_streams = self.streams.cut_on_drop();
        let mut connections = JoinSet::new();
        let Limits { grace, drain: bound, .. } = self.shared.limits;
        let stop = async {
            shutdown.cancelled().await;
            sleep(grace).await;
        };
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(ended) = connections.join_next() => note_panic(ended),
                accepted = self.accept() => self.spawn(&mut connections, accepted),
            }
        }
        // Whoever is connected already, as far as the kernel is concerned, is not refused.
        while let Some(accepted) = self.accept().now_or_never() {
            self.spawn(&mut connections, accepted);
        }
        let Self { listener, shared, .. } = self;
        drop(listener);
        shared.close.cancel();
        drain(connections, bound).await
    }

    fn spawn(&self, connections: &mut JoinSet<()>, (stream, permit): Accepted) {
        let shared = self.shared.clone();
        connections.spawn(async move {
            connection::serve(stream, &shared).await;
            drop(permit);
        });
    }

    /// Accepts a connection once there is room for it. May be dropped at any time without losing one.
    async fn accept(&self) -> Accepted {
        let permit = self.permits.clone().acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, permit),
                // The peer gave up before it was accepted, or there are too few file descriptors: the latter
                // does not pass by itself, so do not spin.
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "Connection could not be accepted"
                    );
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

async fn drain(mut connections: JoinSet<()>, bound: Duration) -> Drained {
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            note_panic(ended);
        }
    };
    let _ = timeout(bound, all_ended).await;
    let aborted = connections.len();
    connections.shutdown().await;
    if aborted > 0 {
        tracing::warn!(aborted, "Connections were cut because the time to drain was over");
    }
    Drained { aborted }
}

fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = &error as &dyn std::error::Error, "A connection's task panicked");
    }
}
