//! A panic denies the request that it happens in.

use std::{any::Any, future::Future, panic::AssertUnwindSafe};

use futures::FutureExt as _;

/// Runs `work`; a panic in it comes back as its message instead of ending the connection.
///
/// What `work` shares with other requests is behind locks and atomics that a panic cannot leave half-written:
/// an immutable snapshot, counters, and the registry client's caches.
pub(crate) async fn guard<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let message = message(panic.as_ref());
        tracing::error!(panic = message, "A request panicked and is denied");
        message
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_and_a_value_stays_one() {
        assert_eq!(guard(async { 1 }).await, Ok(1));
        assert_eq!(
            guard(async { assert_eq!(1, 2, "bug {}", 7) }).await.map_err(|text| text.contains("bug 7")),
            Err(true)
        );
    }
}
