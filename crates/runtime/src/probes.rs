//! What the kubelet and Prometheus ask: `/livez`, `/readyz` and `/metrics`, over plain HTTP.
//!
//! `/livez` is 200 as long as requests are answered at all. `/readyz` is 200 when each named check is ready and
//! the process is not draining, else 503; `?verbose` lists the checks with their reasons.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::metrics::{self, Metrics};

/// The state of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Why not, in a few words for people.
    NotReady(String),
    /// It is.
    Ready,
}

/// The named checks that readiness rests on; clones share them.
///
/// A check counts from the moment at which it is named first, so name all of them before the probes are served.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    draining: AtomicBool,
    checks: RwLock<BTreeMap<&'static str, Check>>,
}

impl Readiness {
    /// Makes a registry whose checks are not ready, because nothing happened yet.
    pub fn new(checks: &[&'static str]) -> Self {
        let readiness = Self::default();
        for name in checks {
            readiness.set(name, Check::NotReady("not started".to_owned()));
        }
        readiness
    }

    /// Sets a check, and logs it if it changed between ready and not.
    pub fn set(&self, name: &'static str, check: Check) {
        let ready = check == Check::Ready;
        let before = self.write().insert(name, check);
        if before.is_some_and(|before| (before == Check::Ready) != ready) {
            tracing::info!(check = name, ready, "Readiness changed");
        }
    }

    /// Sets a check to ready.
    pub fn ready(&self, name: &'static str) {
        self.set(name, Check::Ready);
    }

    /// Sets a check to not ready.
    pub fn not_ready(&self, name: &'static str, reason: impl Into<String>) {
        self.set(name, Check::NotReady(reason.into()));
    }

    /// Makes `/readyz` say 503 `shutting down` from now on, whatever the checks say.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the process is shutting down.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// Whether all checks are ready and the process is not shutting down.
    pub fn is_ready(&self) -> bool {
        !self.is_draining() && self.read().values().all(|check| *check == Check::Ready)
    }

    /// Returns all checks by name.
    pub fn checks(&self) -> BTreeMap<&'static str, Check> {
        self.read().clone()
    }

    // Nobody panics while holding the lock, and a map stays a map if somebody does.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<&'static str, Check>> {
        self.0.checks.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<&'static str, Check>> {
        self.0.checks.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the routes `/livez`, `/readyz` and `/metrics`; serve them with [`crate::server::serve_plain`].
pub fn router(readiness: Readiness, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .with_state(readiness)
        .merge(Router::new().route("/metrics", get(scrape)).with_state(metrics))
}

async fn readyz(State(readiness): State<Readiness>, RawQuery(query): RawQuery) -> (StatusCode, String) {
    let verbose = query
        .is_some_and(|query| query.split('&').any(|pair| pair == "verbose" || pair.starts_with("verbose=")));
    report(readiness.is_draining(), &readiness.checks(), verbose)
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "Metrics cannot be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What `/readyz` answers. Unasked, it names what is not ready but keeps the reasons to itself.
fn report(draining: bool, checks: &BTreeMap<&'static str, Check>, verbose: bool) -> (StatusCode, String) {
    let mut text = String::new();
    let mut ready = !draining;
    for (name, check) in checks {
        // Writing to a string cannot fail.
        let _ = match check {
            Check::Ready if verbose => writeln!(text, "[+]{name} ok"),
            Check::Ready => Ok(()),
            Check::NotReady(reason) => {
                ready = false;
                if verbose {
                    writeln!(text, "[-]{name} not ready: {reason}")
                } else {
                    writeln!(text, "[-]{name} not ready")
                }
            }
        };
    }
    match (draining, ready) {
        (true, _) if verbose => text.push_str("shutting down\n"),
        (true, _) => "shutting down\n".clone_into(&mut text),
        (false, true) => text.push_str("ok\n"),
        (false, false) => text.push_str("not ready\n"),
    }
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(webhook: Check) -> BTreeMap<&'static str, Check> {
        BTreeMap::from([("caches", Check::Ready), ("tls", webhook)])
    }

    #[test]
    fn readiness_report_says_what_is_missing() {
        let missing = || Check::NotReady("no certificate".to_owned());
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        for (draining, check, verbose, status, text) in [
            (false, Check::Ready, false, StatusCode::OK, "ok\n"),
            (false, Check::Ready, true, StatusCode::OK, "[+]caches ok\n[+]tls ok\nok\n"),
            (false, missing(), false, unavailable, "[-]tls not ready\nnot ready\n"),
            (
                false,
                missing(),
                true,
                unavailable,
                "[+]caches ok\n[-]tls not ready: no certificate\nnot ready\n",
            ),
            (true, Check::Ready, false, unavailable, "shutting down\n"),
            (true, Check::Ready, true, unavailable, "[+]caches ok\n[+]tls ok\nshutting down\n"),
            (true, missing(), false, unavailable, "shutting down\n"),
        ] {
            assert_eq!(report(draining, &checks(check), verbose), (status, text.to_owned()));
        }
    }

    #[test]
    fn readiness_needs_every_check_and_ends_with_the_drain() {
        let readiness = Readiness::new(&["caches", "tls"]);
        assert!(!readiness.is_ready());
        readiness.ready("tls");
        assert!(!readiness.is_ready());
        readiness.ready("caches");
        assert!(readiness.is_ready());
        readiness.not_ready("tls", "expired");
        assert!(!readiness.is_ready());
        readiness.ready("tls");
        readiness.clone().drain();
        assert!(!readiness.is_ready());
        assert!(readiness.is_draining());
    }
}
