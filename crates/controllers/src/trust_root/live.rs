//! What is known about one mirror while we lead: shared by the poll, which writes it, and the reconciler, which reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::{sync::Notify, task::AbortHandle};
use trustwright_roots::{Artifact, FloorEntry};

use super::{Refresh, references::Access};

/// What a poll and the reconciler share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Ends the wait for the next poll.
    wake: Notify,
}

/// Why a mirror is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It is time.
    Schedule,
    /// Somebody has asked for it.
    Wish,
    /// A webhook replica has missed something in what is in force.
    Miss,
}

impl Cause {
    /// The name in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Wish => "wish",
            Self::Miss => "miss",
        }
    }
}

/// What is known.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// What is in force.
    pub(super) artifact: Option<Arc<Artifact>>,
    /// What must not be gone below.
    pub(super) floor: FloorEntry,
    /// How the last refresh went.
    pub(super) refresh: Refresh,
    /// When the mirror last said something that we accept.
    pub(super) refreshed_at: Option<Timestamp>,
    /// When it will be asked again.
    pub(super) next_at: Option<Timestamp>,
    /// Why it is to be asked before that.
    pub(super) wanted: Option<Cause>,
}

impl State {
    /// What is known before the mirror was asked.
    pub(super) fn unasked(artifact: Option<Arc<Artifact>>, floor: FloorEntry) -> Self {
        Self { artifact, floor, refresh: Refresh::Pending, refreshed_at: None, next_at: None, wanted: None }
    }
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        Self { state: Mutex::new(state), wake: Notify::new() }
    }

    /// Has the mirror asked now, or once more where it is being asked.
    pub(super) fn ask(&self, cause: Cause) {
        self.state().wanted = Some(cause);
        self.wake.notify_one();
    }

    /// Waits until somebody wants the mirror asked.
    pub(super) async fn wanted(&self) -> Cause {
        self.wake.notified().await;
        self.state().wanted.take().unwrap_or(Cause::Schedule)
    }

    /// The state, for a moment: nobody waits while holding it.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One `TrustRoot` with a mirror.
#[derive(Debug)]
pub(super) struct Live {
    /// Object and anchor; another one starts from nothing.
    pub(super) key: String,
    /// Name of the target; another one starts from nothing as well.
    pub(super) target: String,
    pub(super) shared: Arc<Shared>,
    /// The floor of what was last decided on. The poll may be further by the time that the status is written.
    pub(super) decided: FloorEntry,
    /// How the running poll asks.
    pub(super) access: Option<Access>,
    /// The value of the annotation that asks for a refresh.
    pub(super) wish: Option<String>,
    pub(super) task: Option<AbortHandle>,
}

impl Live {
    /// Ends the poll.
    pub(super) fn stop(&mut self) {
        self.access = None;
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop();
    }
}
