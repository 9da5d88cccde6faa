//! Where the requests of HTTP/2 connections run.

use tokio_util::sync::{CancellationToken, DropGuard};

/// Spawns one task for each request of an HTTP/2 connection, as hyper asks; all of them end with the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    cut: CancellationToken,
}

impl Streams {
    /// Returns a guard whose drop ends all tasks.
    pub(super) fn cut_on_drop(&self) -> DropGuard {
        self.cut.clone().drop_guard()
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(self.cut.clone().run_until_cancelled_owned(stream));
    }
}
