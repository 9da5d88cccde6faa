//! The client against a server that does what a real registry rarely does.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod auth;
mod blobs;
mod files;
mod manifests;
mod real;
mod referrers;
mod registries;
mod server;
mod throttle;
mod time;
mod tls;

use std::time::Duration;

use tokio::time::Instant;
use trustwright_core::{Digest, Repository};
use trustwright_registry::{Client, ClientConfig, Credential, Proxies, Retries, Timeouts};

/// Long enough never to matter, except where a test makes it shorter.
const PATIENCE: Duration = Duration::from_secs(20);
/// A text that bodies hold and messages must not.
const LEAK: &str = "internal-secret-text";

fn config() -> ClientConfig {
    ClientConfig {
        timeouts: Timeouts { request: PATIENCE, ..Timeouts::default() },
        retries: Retries { attempts: 2, backoff: Duration::from_millis(2) },
        proxies: Proxies::None,
        ..ClientConfig::default()
    }
}

fn client() -> Client {
    Client::new(&config()).unwrap()
}

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

fn repository(host: &str) -> Repository {
    format!("{host}/team/app").parse().unwrap()
}

fn alice() -> Credential {
    Credential::Basic { username: "alice".into(), password: "hunter2".into() }
}

fn digest_of(bytes: impl AsRef<[u8]>) -> Digest {
    use sha2::Digest as _;
    Digest::from_bytes(sha2::Sha256::digest(bytes).into())
}

fn assert_silent(message: &str) {
    for secret in [LEAK, "hunter2", "YWxpY2U6aHVudGVyMg", "Bearer", "alice"] {
        assert!(!message.contains(secret), "{message}");
    }
}
