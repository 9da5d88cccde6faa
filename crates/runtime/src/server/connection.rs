//! One connection: handshake, protocol, requests, orderly end.

use std::error::Error;

use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::{Limits, Shared, executor::Streams};

const KEEP_ALIVE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(30);

/// The two protocols, ready to serve connections.
pub(super) struct Protocols {
    http1: auto::Builder<Streams>,
    http2: auto::Builder<Streams>,
}

impl Protocols {
    pub(super) fn new(streams: &Streams, limits: &Limits) -> Self {
        let mut http1 = auto::Builder::new(streams.clone()).http1_only();
        http1.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_read_timeout);
        let mut http2 = auto::Builder::new(streams.clone()).http2_only();
        http2
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .max_concurrent_streams(limits.max_concurrent_streams);
        Self { http1, http2 }
    }
}

/// Serves a connection to its end. What goes wrong concerns this peer alone and is told to the debug log only:
/// it may come from anybody who can reach the port.
pub(super) async fn serve(stream: TcpStream, shared: &Shared) {
    // Fails if the peer is gone already, which the handshake will find out.
    let _ = stream.set_nodelay(true);
    let ended = match &shared.tls {
        None => serve_http(stream, &shared.protocols.http1, shared).await,
        Some(acceptor) => {
            let handshake = async {
                let mut stream = acceptor.accept(stream).await?;
                // A peer that says nothing must not hold a connection; HTTP/2 has no timeout of its own here.
                stream.fill_buf().await?;
                Ok::<_, std::io::Error>(stream)
            };
            // Not cut by a shutdown: who is let in gets an answer.
            match timeout(shared.limits.handshake_timeout, handshake).await {
                Err(elapsed) => Err(elapsed.into()),
                Ok(Err(error)) => Err(error.into()),
                Ok(Ok(stream)) => {
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    let protocol = if is_http2 { &shared.protocols.http2 } else { &shared.protocols.http1 };
                    serve_http(stream, protocol, shared).await
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &*error as &dyn Error, "Connection failed");
    }
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    protocol: &auto::Builder<Streams>,
    shared: &Shared,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let service = TowerToHyperService::new(shared.router.clone());
    let connection = protocol.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = &mut connection => ended,
        () = shared.close.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}
