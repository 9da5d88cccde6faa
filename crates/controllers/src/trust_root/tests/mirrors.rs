//! Refreshes over real HTTP: what is asked, what is believed, and what stays in force when a mirror fails or lies.

mod attacks;
mod faults;
mod quiet;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use trustwright_api::v1alpha1::TrustRootReason as Reason;
use trustwright_mirror::{Mirror, MirrorConfig, Proxies, Timeouts, Validators};
use trustwright_roots::{Artifact, FloorEntry};
use trustwright_testkit::http::{Fault, HttpServer};
use trustwright_testkit::tuf_repository::Repository;

use super::support::{AFTER, BEFORE, SOON, anchor, at};
use super::*;
use crate::Metrics;
use crate::trust_root::live::{Shared, State};
use crate::trust_root::poll::Poll;

/// A repository, the server of it, and the poll that asks there.
struct Place {
    repository: Repository,
    server: HttpServer,
    poll: Poll,
    validators: Option<Validators>,
    /// What the last answer said about when to ask again.
    retry_after: Option<Duration>,
}

fn mirror(url: &str) -> Mirror {
    mirror_with(url, Timeouts::default())
}

/// A mirror that is given up where a body pauses; only for bodies that never go on.
fn impatient(url: &str) -> Mirror {
    mirror_with(url, Timeouts { chunk: Duration::from_millis(300), ..Timeouts::default() })
}

fn mirror_with(url: &str, timeouts: Timeouts) -> Mirror {
    let config = MirrorConfig { timeouts, proxies: Proxies::None, ..MirrorConfig::new(url.parse().unwrap()) };
    Mirror::new(&config).unwrap()
}

fn poll(url: &str, repository: &Repository) -> Poll {
    let state = State::unasked(None, FloorEntry::default());
    Poll {
        name: "r".to_owned(),
        mirror: mirror(url),
        anchor: anchor(repository),
        interval: Duration::from_mins(10),
        shared: Arc::new(Shared::new(state)),
        metrics: Metrics::register(&mut Registry::default()),
        clock: || at(BEFORE),
    }
}

impl Place {
    /// A server of `repository` that nobody has asked yet.
    async fn serving(repository: Repository) -> Self {
        let server = HttpServer::start(&repository.publish()).await.unwrap();
        let poll = poll(server.url(), &repository);
        Self { repository, server, poll, validators: None, retry_after: None }
    }

    /// A server whose repository is in force.
    async fn in_force(repository: Repository) -> Self {
        let mut place = Self::serving(repository).await;
        assert!(place.ask().await, "the first download is news");
        place.expect_up_to_date();
        place.server.asked();
        place
    }

    /// Asks once, as the poll does. Returns whether that is news.
    async fn ask(&mut self) -> bool {
        let outcome = self.poll.once(self.validators.as_ref()).await;
        self.retry_after = outcome.as_ref().err().and_then(|failed| failed.retry_after);
        self.poll.note(outcome, &mut self.validators, (self.poll.clock)())
    }

    /// Has requests for `path` answered so.
    fn fail(&mut self, path: &str, fault: Fault) {
        if fault == Fault::Hang {
            self.poll.mirror = impatient(self.server.url());
        }
        self.server.fail(path, fault);
    }

    /// Has all requests answered well again.
    fn heal(&mut self) {
        self.poll.mirror = mirror(self.server.url());
        self.server.heal();
    }

    /// Signs the repository as it is now, and serves it.
    fn publish(&self) {
        self.server.serve(&self.repository.publish());
    }

    /// What was asked since the last time: `?` marks a condition.
    fn asked(&self) -> Vec<String> {
        let asked = self.server.asked().into_iter();
        asked.map(|a| format!("{}{} {}", a.path, if a.conditional { "?" } else { "" }, a.status)).collect()
    }

    fn state(&self) -> State {
        self.poll.shared.state().clone()
    }

    fn artifact(&self) -> Arc<Artifact> {
        self.state().artifact.expect("something in force")
    }

    /// Root, timestamp, snapshot and targets in force.
    fn versions(&self) -> [u64; 4] {
        let artifact = self.artifact();
        let version = |role: &str| artifact.metadata.iter().find(|one| one.role == role).unwrap().version;
        ["root", "timestamp", "snapshot", "targets"].map(version)
    }

    #[track_caller]
    fn expect_up_to_date(&self) {
        assert_eq!(self.state().refresh, Refresh::UpToDate);
    }

    /// The message of the failure, which must have this reason.
    #[track_caller]
    fn expect_failure(&self, reason: Reason) -> String {
        match self.state().refresh {
            Refresh::Failed(failure) if failure.reason == reason => failure.message,
            other => panic!("expected {reason}, got {other:?}"),
        }
    }

    /// Asks twice and expects the same failure in the same words, with what was in force untouched.
    async fn refuses(&mut self, reason: Reason) -> String {
        let before = self.state().artifact;
        self.ask().await;
        let message = self.expect_failure(reason);
        assert!(!self.ask().await, "the same failure is no news");
        assert_eq!(self.expect_failure(reason), message);
        assert_eq!(self.state().artifact, before, "what was in force stays so: {message}");
        message
    }

    /// Checks that every replica can restore what is in force from what a status holds.
    fn expect_restorable(&self) {
        let (state, artifact) = (self.state(), self.artifact());
        let now = (self.poll.clock)();
        let restored =
            Artifact::restore(&artifact.packed, &self.poll.anchor, Some(&state.floor.accepted), now);
        assert_eq!(restored.unwrap(), *artifact);
    }
}
