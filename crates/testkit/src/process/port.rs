//! Ports that nobody listens on.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

/// Returns a port on 127.0.0.1 that is free now and that no other call in this process returns.
///
/// Another process may take it before the caller does; a child that then cannot listen ends at once, and its
/// readiness wait says so.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("failed to find a free port")?;
        let port = listener.local_addr().context("failed to read a listener's port")?.port();
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
}
