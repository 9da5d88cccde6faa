//! The clock of the epochs that end an evaluation. It ticks while something runs, and sleeps otherwise.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use wasmtime::Engine;

/// How often code that runs looks whether its time is over.
const TICK: Duration = Duration::from_millis(5);

/// A thread that advances an engine's epoch; it ends with this value.
#[derive(Debug)]
pub(super) struct Ticker {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    is_over: bool,
}

/// Keeps the clock ticking.
#[derive(Debug)]
pub(super) struct Ticking<'a> {
    shared: &'a Shared,
}

impl Ticker {
    /// Starts the thread.
    pub(super) fn start(engine: Engine) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let of_thread = Arc::clone(&shared);
        thread::Builder::new().name("cue-ticker".into()).spawn(move || {
            loop {
                let state = of_thread.lock();
                let state = of_thread.changed.wait_while(state, |state| state.running == 0 && !state.is_over);
                if state.unwrap_or_else(PoisonError::into_inner).is_over {
                    return;
                }
                thread::sleep(TICK);
                engine.increment_epoch();
            }
        })?;
        Ok(Self { shared })
    }

    /// Lets the clock tick as long as the value lives.
    pub(super) fn tick(&self) -> Ticking<'_> {
        self.shared.lock().running += 1;
        self.shared.changed.notify_all();
        Ticking { shared: &self.shared }
    }

    /// The epochs that pass in `limit`, and the one that has begun.
    pub(super) fn epochs(limit: Duration) -> u64 {
        u64::try_from(limit.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.shared.lock().running -= 1;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
