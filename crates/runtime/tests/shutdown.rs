//! Signals, sent to this process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

use std::{process::Command, time::Duration};

use tokio::time::timeout;
use trustwright_runtime::shutdown::{Shutdown, listen};

fn signal(name: &str) {
    let sent = Command::new("kill").args(["-s", name, &std::process::id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn the_first_signal_requests_and_the_second_aborts() {
    let shutdown = Shutdown::default();
    let task = tokio::spawn(listen(shutdown.clone()).unwrap());
    signal("TERM");
    timeout(Duration::from_secs(10), shutdown.requested.cancelled()).await.unwrap();
    assert!(!shutdown.aborted.is_cancelled());
    signal("INT");
    timeout(Duration::from_secs(10), shutdown.aborted.cancelled()).await.unwrap();
    task.await.unwrap();
}
