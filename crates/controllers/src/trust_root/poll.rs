//! Asks one mirror again and again. One task per mirror, so that none waits for another.

use std::{
    hash::{BuildHasher as _, RandomState},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::time::Instant;
use trustwright_api::v1alpha1::TrustRootReason;
use trustwright_mirror::{Mirror, Validators};
use trustwright_roots::{Anchor, Artifact};

use super::live::{Cause, Shared};
use super::refresh::{Failed, News, Start, failed, refresh};
use super::schedule::{Due, wait};
use super::{Refresh, RefreshFailure};
use crate::Metrics;

/// Longest time for one refresh.
const REFRESH_TIMEOUT: Duration = Duration::from_mins(1);
/// What a refresh may take beyond that to say how far it came, before it is given up.
const GRACE: Duration = Duration::from_secs(5);

/// What one mirror is asked with.
pub(super) struct Poll {
    pub(super) name: String,
    pub(super) mirror: Mirror,
    pub(super) anchor: Anchor,
    pub(super) interval: Duration,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: Metrics,
    pub(super) clock: fn() -> Timestamp,
}

impl Poll {
    /// Asks until it is dropped; calls `changed` whenever the state is another one.
    pub(super) async fn run(self, changed: impl Fn()) {
        let mut failures = 0_u32;
        let mut validators = None;
        let mut cause = Cause::Schedule;
        loop {
            let start = Instant::now();
            let outcome = self.once(validators.as_ref()).await;
            let failure = outcome.as_ref().err().map(|failed| failed.failure.reason);
            self.metrics.refreshed(failure, cause, start.elapsed());
            let mut retry_after = None;
            if let Err(failed) = &outcome {
                retry_after = failed.retry_after;
                if failures == 0 {
                    let RefreshFailure { reason, message } = &failed.failure;
                    tracing::warn!(trustroot = self.name, %reason, message, "Refresh failed, will be retried");
                }
                failures = failures.saturating_add(1);
            } else {
                if failures > 0 {
                    tracing::info!(trustroot = self.name, failures, "Refreshed again");
                }
                failures = 0;
            }
            let now = (self.clock)();
            let is_news = self.note(outcome, &mut validators, now);
            let due = Due { interval: self.interval, failures, retry_after, expiry: self.expiry(now) };
            let wait = wait(due, random());
            self.shared.state().next_at = now.checked_add(wait).ok();
            if is_news {
                changed();
            }
            cause = tokio::select! {
                () = tokio::time::sleep(wait) => Cause::Schedule,
                cause = self.shared.wanted() => cause,
            };
        }
    }

    pub(super) async fn once(&self, validators: Option<&Validators>) -> Result<News, Failed> {
        let (known, floor) = {
            let state = self.shared.state();
            (state.artifact.clone(), state.floor.for_download())
        };
        let start = Start {
            mirror: &self.mirror,
            anchor: &self.anchor,
            known: known.as_deref(),
            floor: &floor,
            validators,
            now: (self.clock)(),
            deadline: Instant::now() + REFRESH_TIMEOUT,
        };
        // A bug must neither end the polls of this mirror in silence, nor those of the others.
        let guarded = AssertUnwindSafe(refresh(&start)).catch_unwind();
        match tokio::time::timeout(REFRESH_TIMEOUT + GRACE, guarded).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(failed(
                TrustRootReason::VerificationFailed,
                "the refresh ended by a bug of ours, which the log shows".to_owned(),
            )),
            Err(_) => Err(failed(
                TrustRootReason::MirrorUnavailable,
                format!("the mirror was not read within {} seconds", REFRESH_TIMEOUT.as_secs()),
            )),
        }
    }

    /// Puts an outcome into the state; returns whether that is another one for it.
    pub(super) fn note(
        &self,
        outcome: Result<News, Failed>,
        validators: &mut Option<Validators>,
        now: Timestamp,
    ) -> bool {
        let mut state = self.shared.state();
        let before = (state.artifact.clone(), state.refresh.clone(), state.floor.clone());
        match outcome {
            Ok(news) => {
                let (found, of_timestamp) = match news {
                    News::None(validators) => (None, validators),
                    News::Changed(artifact, validators) => (Some(artifact), validators),
                };
                *validators = of_timestamp;
                state.refresh = Refresh::UpToDate;
                state.refreshed_at = Some(now);
                if let Some(artifact) = found {
                    self.put_in_force(&mut state, *artifact);
                }
            }
            Err(failed) => {
                let Failed { failure, seen, adopted, .. } = failed;
                state.floor.seen = state.floor.seen.max(&seen.floor());
                state.refresh = Refresh::Failed(failure);
                if let Some(artifact) = adopted {
                    self.put_in_force(&mut state, *artifact);
                }
            }
        }
        before != (state.artifact.clone(), state.refresh.clone(), state.floor.clone())
    }

    fn put_in_force(&self, state: &mut super::live::State, artifact: Artifact) {
        let version =
            |role: &str| artifact.metadata.iter().find(|one| one.role == role).map(|one| one.version);
        tracing::info!(
            trustroot = self.name,
            root = version("root"),
            timestamp = version("timestamp"),
            "Verified what the mirror serves"
        );
        state.floor.accepted = state.floor.accepted.max(&artifact.floor);
        state.artifact = Some(Arc::new(artifact));
    }

    /// The time until the first role ends that has not ended yet.
    fn expiry(&self, now: Timestamp) -> Option<Duration> {
        let artifact = self.shared.state().artifact.clone()?;
        let next = artifact.metadata.iter().map(|role| role.expires).filter(|end| *end > now).min()?;
        Duration::try_from(next.duration_since(now)).ok()
    }
}

/// Between 0 and 1. Every `RandomState` has keys of its own, which is random enough to spread load.
fn random() -> f64 {
    let random = RandomState::new().hash_one(0_u8) % 1_000;
    f64::from(u32::try_from(random).unwrap_or(0)) / 1_000.0
}
