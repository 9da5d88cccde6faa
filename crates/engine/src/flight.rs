//! Work that several requests wait for, done once.
//!
//! A flight looks for the evidence of one image. It belongs to the table and not to the request that has started it: where
//! that runs out of time, the flight goes on, so that the next one finds what it has brought. The table ends with the
//! engine, and its flights with it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout_at},
};
use trustwright_core::{ImageRef, Reason};
use trustwright_policy::Outcome;

use crate::{
    account::Trace,
    cache::{AuthorityKey, Configs},
    judgement::Judgement,
};

/// For how long a flight goes on, from its start, when nobody has the time to wait for it.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);
/// For how long a refusal is told again without looking.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Refusals that are remembered.
const MAX_REMEMBERED: usize = 1024;
/// Flights that are under way. Beyond, those that have lost their first request are given up for new ones.
const MAX_RUNNING: usize = 1024;

/// The flights of an engine. Cheap to clone; all clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Flights {
    table: Arc<Mutex<Table>>,
    /// For how long a refusal is told again.
    remembered: Duration,
}

#[derive(Debug, Default)]
struct Table {
    flights: HashMap<AuthorityKey, Arc<Flight>>,
    running: JoinSet<()>,
}

/// A flight.
#[derive(Debug)]
pub(crate) struct Flight {
    progress: Mutex<Progress>,
    landed: watch::Receiver<bool>,
    /// When the request that has started it has no more time.
    late: Instant,
    task: Mutex<Option<tokio::task::AbortHandle>>,
}

/// What a flight has brought so far.
#[derive(Debug)]
pub(crate) enum Progress {
    /// It is under way.
    Looking(Vec<Judgement>),
    /// It is over.
    Over {
        /// What the authorities of each policy found.
        answers: Answers,
        /// Until when the same is told again; not at all, where something may have been found in vain.
        until: Option<Instant>,
    },
}

/// What a flight comes to.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    /// What the authorities of each policy found, in the order in which they were asked.
    pub(crate) outcomes: Vec<Vec<Outcome>>,
    /// What became of everything that was found, in the same order; empty unless somebody wants to know.
    pub(crate) traces: Vec<Vec<Trace>>,
    /// The configurations of the image, where they were asked for.
    pub(crate) configs: Option<Result<Arc<Configs>, (Reason, String)>>,
}

/// How waiting for a flight ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landing {
    /// It is over.
    Over,
    /// There is no more time.
    Late,
    /// It has broken off, by a bug.
    Broken,
}

/// How a request came to its flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boarding {
    /// It has started it.
    Started,
    /// Another one has, and its answer is awaited, or known.
    Joined,
    /// Another one has, and had no time to wait for it.
    Late,
}

impl Default for Flights {
    fn default() -> Self {
        Self { table: Arc::default(), remembered: REMEMBERED }
    }
}

impl Flights {
    /// Flights of which nothing is told again once they are over.
    pub(crate) fn forgetful() -> Self {
        Self { remembered: Duration::ZERO, ..Self::default() }
    }

    /// The flight of this key: the one that is there, unless it is `given_up`, or a new one that `work` does. A new one
    /// is late at `deadline`.
    pub(crate) fn board<F>(
        &self,
        key: AuthorityKey,
        given_up: Option<&Arc<Flight>>,
        deadline: Instant,
        judgements: impl FnOnce() -> Vec<Judgement>,
        work: impl FnOnce(Arc<Flight>) -> F,
    ) -> (Arc<Flight>, Boarding)
    where
        F: Future<Output = (Answers, bool)> + Send + 'static,
    {
        let now = Instant::now();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        while table.running.try_join_next().is_some() {}
        let known = table.flights.get(&key);
        if let Some(flight) =
            known.filter(|known| given_up.is_none_or(|given_up| !Arc::ptr_eq(known, given_up)))
            && let Some(boarding) = flight.boarding(now)
        {
            return (Arc::clone(flight), boarding);
        }
        table.make_room(now);
        let (landing, landed) = watch::channel(false);
        let flight = Arc::new(Flight {
            progress: Mutex::new(Progress::Looking(judgements())),
            landed,
            late: deadline,
            task: Mutex::default(),
        });
        let work = work(Arc::clone(&flight));
        let (shared, flown) = (Arc::downgrade(&self.table), Arc::clone(&flight));
        let remembered = self.remembered;
        let task = table.running.spawn(async move {
            let (answers, lasts) = work.await;
            let until = (lasts && !remembered.is_zero()).then(|| Instant::now() + remembered);
            *flown.progress() = Progress::Over { answers, until };
            if until.is_none() {
                forget(&shared, key, &flown);
            }
            // Whoever waits may be gone.
            let _ = landing.send(true);
        });
        *flight.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        table.flights.insert(key, Arc::clone(&flight));
        (flight, Boarding::Started)
    }
}

/// Takes a flight from the table, unless another one has taken its place.
fn forget(table: &Weak<Mutex<Table>>, key: AuthorityKey, flight: &Arc<Flight>) {
    let Some(table) = table.upgrade() else { return };
    let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
    if table.flights.get(&key).is_some_and(|known| Arc::ptr_eq(known, flight)) {
        table.flights.remove(&key);
    }
}

impl Table {
    /// Forgets what is over and too old, or too much, and gives up what nobody waits for if there is too much of it.
    fn make_room(&mut self, now: Instant) {
        if self.flights.len() < MAX_REMEMBERED {
            return;
        }
        self.flights.retain(|_, flight| flight.boarding(now).is_some());
        if self.flights.len() >= MAX_REMEMBERED {
            self.flights.retain(|_, flight| flight.is_running());
        }
        if self.flights.len() >= MAX_RUNNING {
            self.flights.retain(|_, flight| {
                let stays = now < flight.late;
                if !stays && let Some(task) = &*flight.task.lock().unwrap_or_else(PoisonError::into_inner) {
                    task.abort();
                }
                stays
            });
        }
    }
}

impl Flight {
    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        // What another thread did before it panicked can only be less than there is.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is over, and no longer than `deadline`.
    pub(crate) async fn wait(&self, deadline: Instant) -> Landing {
        let mut landed = self.landed.clone();
        match timeout_at(deadline, landed.wait_for(|landed| *landed)).await {
            Ok(Ok(_)) => Landing::Over,
            Ok(Err(_)) => Landing::Broken,
            Err(_) => Landing::Late,
        }
    }

    /// What it has brought: everything, or so far.
    pub(crate) fn answers(&self, image: &ImageRef) -> Answers {
        match &*self.progress() {
            Progress::Looking(judgements) => Answers {
                outcomes: judgements.iter().map(|judgement| judgement.outcomes(image, false)).collect(),
                traces: judgements.iter().map(Judgement::traces).collect(),
                configs: None,
            },
            Progress::Over { answers, .. } => answers.clone(),
        }
    }

    /// Whether it is over, and has come to nothing that may be told again.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(&*self.progress(), Progress::Over { until: None, .. })
    }

    fn is_running(&self) -> bool {
        matches!(&*self.progress(), Progress::Looking(_))
    }

    /// How a request comes to it; not at all, where it is too old, or has broken off.
    fn boarding(&self, now: Instant) -> Option<Boarding> {
        match &*self.progress() {
            Progress::Looking(_) if self.landed.has_changed().is_err() => None,
            Progress::Looking(_) if now >= self.late => Some(Boarding::Late),
            Progress::Looking(_) => Some(Boarding::Joined),
            Progress::Over { until, .. } => until.filter(|until| now < *until).map(|_| Boarding::Joined),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::atomic::AtomicUsize, sync::atomic::Ordering};

    use trustwright_core::Digest;

    use super::*;
    use crate::cache::Builder;

    fn key(n: usize) -> AuthorityKey {
        let mut key = Builder::new("test", &"ghcr.io/a/b".parse().unwrap(), &Digest::from_bytes([7; 32]));
        key.part(&n.to_be_bytes());
        key.key()
    }

    fn nothing() -> Answers {
        Answers { outcomes: Vec::new(), traces: Vec::new(), configs: None }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[tokio::test]
    async fn a_flight_that_panics_is_broken_for_those_who_wait_and_the_next_one_is_another() {
        let flights = Flights::default();
        let (flight, _) = flights.board(key(0), None, soon(), Vec::new, |_| async { std::panic!("a bug") });
        assert_eq!(flight.wait(soon()).await, Landing::Broken);
        let (flight, boarding) =
            flights.board(key(0), None, soon(), Vec::new, |_| async { (nothing(), true) });
        assert_eq!((flight.wait(soon()).await, boarding), (Landing::Over, Boarding::Started));
        // What lasts is told again, until it is given up.
        let board =
            |given_up| flights.board(key(0), given_up, soon(), Vec::new, |_| async { (nothing(), false) });
        assert_eq!(board(None).1, Boarding::Joined);
        let (flight, boarding) = board(Some(&flight));
        assert_eq!((flight.wait(soon()).await, boarding), (Landing::Over, Boarding::Started));
        // What does not last is forgotten.
        assert_eq!(board(None).1, Boarding::Started);
    }

    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn flights_that_nobody_has_time_for_make_room_and_no_others_do() {
        let (flights, running) = (Flights::default(), Arc::new(AtomicUsize::new(0)));
        let start = |n: usize, late: Instant| {
            running.fetch_add(1, Ordering::SeqCst);
            let counted = Counted(Arc::clone(&running));
            let work = |_| async move {
                let _counted = counted;
                pending().await
            };
            flights.board(key(n), None, late, Vec::new, work)
        };
        let (in_time, _) = start(0, soon());
        for n in 1..MAX_RUNNING {
            start(n, Instant::now());
        }
        assert_eq!(running.load(Ordering::SeqCst), MAX_RUNNING);
        start(MAX_RUNNING, soon());
        while running.load(Ordering::SeqCst) != 2 {
            tokio::task::yield_now().await;
        }
        assert!(in_time.is_running());
        assert_eq!(start(0, soon()).1, Boarding::Joined);
    }
}
