//! The mirror's client against a server that does what a good mirror never does.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod bounds;
mod content;
mod credentials;
mod environment;
mod outages;
mod polls;
mod redirects;
mod server;
mod tls;

use std::time::Duration;

use tokio::time::Instant;
use trustwright_mirror::{Error, Mirror, MirrorConfig, Proxies, Timeouts};

/// Long enough never to matter, except where a test makes it shorter.
const PATIENCE: Duration = Duration::from_secs(20);
/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);
/// A size limit that matters only where a test is about it.
const LIMIT: u64 = 1000;
/// A text that bodies hold and messages must not.
const LEAK: &str = "internal-secret-text";

fn config(base: &str) -> MirrorConfig {
    MirrorConfig {
        timeouts: Timeouts { answer: PATIENCE, chunk: PATIENCE, ..Timeouts::default() },
        proxies: Proxies::None,
        ..MirrorConfig::new(base.parse().unwrap())
    }
}

fn mirror(base: &str) -> Mirror {
    Mirror::new(&config(base)).unwrap()
}

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// Reads `timestamp.json` as text.
async fn read(mirror: &Mirror) -> Result<Option<String>, Error> {
    let found = mirror.get("timestamp.json", LIMIT, deadline()).await?;
    Ok(found.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()))
}

/// Reads what cannot be read, and checks that the message holds nothing that it should not.
async fn fail(mirror: &Mirror) -> Error {
    let error = read(mirror).await.unwrap_err();
    assert_silent(&error);
    error
}

fn assert_silent(error: &Error) {
    let text = format!("{error} {error:?}");
    for secret in [LEAK, "hunter2", "YWxpY2U6aHVudGVyMg", "Bearer", "alice", "X-Signature", "s3cret"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(Error::REASONS.contains(&error.reason()));
}
