//! Stopping in order.
//!
//! The sequence that the binary follows once [`Shutdown::requested`] is cancelled, so that no admission request
//! is lost:
//!
//! 1. `/readyz` says 503 `shutting down`; `/livez` stays 200.
//! 2. The server keeps accepting for a grace, until every API server has learnt that the endpoint is gone.
//! 3. It stops accepting and drains: requests in flight finish, connections are closed in order, up to a bound.
//! 4. Writers stop, then the lease is released, so that a successor need not wait for it to run out.
//! 5. The probes' server stops; `main` returns and the process exits 0.
//!
//! A second signal cancels [`Shutdown::aborted`] too: whoever waits in steps 2 to 4 stops waiting.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two stages of stopping.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Cancelled by the first SIGTERM or SIGINT.
    pub requested: CancellationToken,
    /// Cancelled by the second one.
    pub aborted: CancellationToken,
}

/// Installs the handlers of SIGTERM and SIGINT.
///
/// From now on these signals no longer end the process: the caller has to drive the returned future, which
/// cancels the tokens and ends after the second signal. Fails if the handlers cannot be installed.
pub fn listen(shutdown: Shutdown) -> io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        for token in [shutdown.requested, shutdown.aborted] {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal = name, "Signal received");
            token.cancel();
        }
    })
}
