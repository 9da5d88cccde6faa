//! CUE, by its own evaluator (`cuelang.org/go`, the version that the Policy Controller is built with), which runs as
//! WebAssembly: nothing that a policy or a document does reaches this process, and it ends when its time or memory does.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use trustwright_policy::{Answer, Program};
use wasmtime::{Engine, InstancePre, Linker};

use crate::{
    Settings,
    aside::{self, Lost},
    document,
    text::{seconds, short},
};
use instance::{Failure, Instance, Reply};
use load::LoadError;
use ticker::Ticker;

mod config;
mod instance;
mod load;
mod ticker;
mod wasi;

/// What stands before what is wrong with a policy's text; the Policy Controller's words, as are the next two.
const INVALID_POLICY: &str = "failed to compile the cue policy with error: ";
const INVALID_DOCUMENT: &str = "failed to compile the attestation data with error: ";
const REFUSED: &str = "failed to evaluate the policy with error: ";

/// Evaluators of CUE, and those of them that are at rest.
pub(crate) struct Cue {
    prepared: InstancePre<wasi::Host>,
    ticker: Ticker,
    settings: Settings,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Instance>,
    running: usize,
}

/// A policy in CUE.
#[derive(Debug)]
struct Policy {
    cue: Arc<Cue>,
    text: Arc<str>,
}

/// What compiling a policy's text alone came to.
#[derive(Debug)]
pub(crate) enum Checked {
    /// It is right, or could not be looked at in time: each evaluation compiles it again.
    Usable,
    /// It is wrong.
    Invalid(String),
}

/// A place among those that run.
struct Place(Arc<Cue>);

impl Cue {
    /// Loads the evaluator from the file that the settings name. Starts none yet.
    pub(crate) fn load(settings: &Settings) -> Result<Self, String> {
        let path = settings.cue_file.as_deref().ok_or_else(|| LoadError::Unnamed.to_string())?;
        Self::prepare(path, settings)
    }

    fn prepare(path: &Path, settings: &Settings) -> Result<Self, String> {
        let unusable = |cause: &dyn fmt::Display| {
            LoadError::Unusable { path: path.to_owned(), cause: format!("{cause:#}") }.to_string()
        };
        let engine = Engine::new(&config::config()).map_err(|error| unusable(&error))?;
        let module = load::load(&engine, path).map_err(|error| error.to_string())?;
        let mut linker = Linker::new(&engine);
        wasi::link(&mut linker, &module).map_err(|error| unusable(&error))?;
        let prepared = linker.instantiate_pre(&module).map_err(|error| unusable(&error))?;
        let ticker = Ticker::start(engine).map_err(|error| unusable(&error))?;
        let settings = settings.clone();
        Ok(Self { prepared, ticker, settings, pool: Mutex::default(), returned: Condvar::new() })
    }

    /// Compiles a policy's text alone.
    pub(crate) fn check(self: &Arc<Self>, text: &str) -> Checked {
        let limit = self.settings.compile_time;
        let policy = text.to_owned();
        match self.run(limit, move |instance, epochs| instance.check(&policy, epochs)) {
            Some(Ok(Reply::InvalidPolicy(cause))) => {
                Checked::Invalid(short(format!("{INVALID_POLICY}{cause}")))
            }
            Some(Err(failure @ (Failure::Memory | Failure::Depth | Failure::Broken))) => {
                Checked::Invalid(format!("{INVALID_POLICY}{}", self.words(failure, limit)))
            }
            Some(Ok(_) | Err(Failure::Time)) | None => Checked::Usable,
        }
    }

    /// The policy of that text.
    pub(crate) fn program(self: &Arc<Self>, text: &str) -> Arc<dyn Program> {
        Arc::new(Policy { cue: Arc::clone(self), text: text.into() })
    }

    /// Runs `call` on an instance, if one is free in time: on a thread of its own, since it may need more of a stack than
    /// the caller has left.
    fn run(
        self: &Arc<Self>,
        limit: Duration,
        call: impl FnOnce(&mut Instance, u64) -> Result<Reply, Failure> + Send + 'static,
    ) -> Option<Result<Reply, Failure>> {
        let start = Instant::now();
        let (place, idle) = self.enter(limit)?;
        let left = limit.saturating_sub(start.elapsed());
        let reply = aside::wait(left, move || place.0.on_instance(idle, aside::deadline(start, limit), call));
        Some(reply.unwrap_or_else(|lost| match lost {
            Lost::Late => Err(Failure::Time),
            Lost::Busy | Lost::Broken => Err(Failure::Broken),
        }))
    }

    fn on_instance(
        &self,
        idle: Option<Instance>,
        deadline: Instant,
        call: impl FnOnce(&mut Instance, u64) -> Result<Reply, Failure>,
    ) -> Result<Reply, Failure> {
        let _ticking = self.ticker.tick();
        let started = || Instance::start(&self.prepared, self.settings.cue_memory);
        let mut instance = idle.map_or_else(started, Ok).map_err(|_| Failure::Broken)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let reply = call(&mut instance, Ticker::epochs(left))?;
        // One that failed is not fit for anything, and was dropped: Go's runtime was left in the middle of something.
        if instance.is_fit(self.settings.cue_idle_memory) {
            self.lock().idle.push(instance);
        }
        Ok(reply)
    }

    /// Waits for a place, and takes an instance at rest if there is one.
    fn enter(self: &Arc<Self>, limit: Duration) -> Option<(Place, Option<Instance>)> {
        let is_full = |pool: &mut Pool| pool.running >= self.settings.cue_instances;
        let waited = self.returned.wait_timeout_while(self.lock(), limit, is_full);
        let (mut pool, outcome) = waited.unwrap_or_else(PoisonError::into_inner);
        if outcome.timed_out() {
            return None;
        }
        pool.running += 1;
        Some((Place(Arc::clone(self)), pool.idle.pop()))
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn words(&self, failure: Failure, limit: Duration) -> String {
        match failure {
            Failure::Time => format!("it took longer than {}", seconds(limit)),
            Failure::Memory => {
                format!("it needed more than {} MiB of memory", self.settings.cue_memory >> 20)
            }
            Failure::Depth => "it is nested too deeply".to_owned(),
            Failure::Broken => "the evaluator broke off".to_owned(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.returned.notify_one();
    }
}

impl Program for Policy {
    fn evaluate(&self, input: &[u8], limit: Duration) -> Answer {
        let document = match document::read(input, self.cue.settings.document_bytes) {
            Ok(document) => document.to_owned(),
            Err(problem) => return Answer::Refused(format!("{INVALID_DOCUMENT}{problem}")),
        };
        let policy = Arc::clone(&self.text);
        let reply =
            self.cue.run(limit, move |instance, epochs| instance.evaluate(&policy, &document, epochs));
        match reply {
            Some(Ok(Reply::Accepted)) => Answer::Compliant,
            Some(Ok(Reply::InvalidPolicy(cause))) => {
                Answer::Refused(short(format!("{INVALID_POLICY}{cause}")))
            }
            Some(Ok(Reply::InvalidDocument(cause))) => {
                Answer::Refused(short(format!("{INVALID_DOCUMENT}{cause}")))
            }
            Some(Ok(Reply::Refused(cause))) => Answer::Refused(short(format!("{REFUSED}{cause}"))),
            Some(Err(failure)) => Answer::Exhausted(format!("{REFUSED}{}", self.cue.words(failure, limit))),
            None => Answer::Exhausted(format!("{REFUSED}no evaluator was free for {}", seconds(limit))),
        }
    }
}

impl fmt::Debug for Cue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cue").field("settings", &self.settings).finish_non_exhaustive()
    }
}
