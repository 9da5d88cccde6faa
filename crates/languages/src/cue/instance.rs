//! One running evaluator.

use wasmtime::{Instance as Running, InstancePre, Memory, Result, Store, Trap, TypedFunc};

use super::wasi::Host;

/// After so many calls an instance is thrown away, whatever it holds.
const CALLS: u32 = 1_000;
/// The epochs that it may take to begin, which needs some milliseconds.
const START_EPOCHS: u64 = 1_000;

/// An instance of the evaluator, for one call at a time.
pub(super) struct Instance {
    store: Store<Host>,
    memory: Memory,
    buffer: TypedFunc<u32, u32>,
    check: TypedFunc<u32, u32>,
    evaluate: TypedFunc<u32, u32>,
    text: TypedFunc<(), u32>,
    text_length: TypedFunc<(), u32>,
    calls: u32,
}

/// What the evaluator says; `crates/languages/cue/main.go` has the same numbers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Accepted,
    InvalidPolicy(String),
    InvalidDocument(String),
    Refused(String),
}

/// Why the evaluator says nothing. The instance must not be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The time was over.
    Time,
    /// It wanted more memory than it may have.
    Memory,
    /// It called itself too deeply.
    Depth,
    /// It broke off for a reason of its own.
    Broken,
}

impl Instance {
    /// Starts one that may have `memory` bytes.
    pub(super) fn start(prepared: &InstancePre<Host>, memory: usize) -> Result<Self> {
        let mut store = Store::new(prepared.module().engine(), Host::new(memory));
        store.limiter(|host| host);
        store.set_epoch_deadline(START_EPOCHS);
        let running = prepared.instantiate(&mut store)?;
        let memory = running
            .get_memory(&mut store, "memory")
            .ok_or_else(|| wasmtime::Error::msg("the evaluator has no memory"))?;
        running.get_typed_func::<(), ()>(&mut store, "_initialize")?.call(&mut store, ())?;
        Ok(Self {
            buffer: running.get_typed_func(&mut store, "buffer")?,
            check: running.get_typed_func(&mut store, "check")?,
            evaluate: running.get_typed_func(&mut store, "evaluate")?,
            text: function(&running, &mut store, "text")?,
            text_length: function(&running, &mut store, "text_length")?,
            memory,
            store,
            calls: 0,
        })
    }

    /// Compiles `policy` within so many epochs.
    pub(super) fn check(&mut self, policy: &str, epochs: u64) -> Result<Reply, Failure> {
        self.call(policy, None, epochs)
    }

    /// Holds `document` against `policy` within so many epochs.
    pub(super) fn evaluate(&mut self, policy: &str, document: &str, epochs: u64) -> Result<Reply, Failure> {
        self.call(policy, Some(document), epochs)
    }

    /// Whether it can be used again: CUE keeps every name of a field that it ever saw, in memory that only grows.
    pub(super) fn is_fit(&self, memory: usize) -> bool {
        self.calls < CALLS && self.memory.data_size(&self.store) <= memory
    }

    fn call(&mut self, policy: &str, document: Option<&str>, epochs: u64) -> Result<Reply, Failure> {
        self.calls += 1;
        self.store.set_epoch_deadline(epochs);
        self.run(policy, document)
            .map_err(|error| self.failure(&error))
            .and_then(|reply| reply.ok_or(Failure::Broken))
    }

    fn run(&mut self, policy: &str, document: Option<&str>) -> Result<Option<Reply>> {
        let length = |text: &str| u32::try_from(text.len()).map_err(wasmtime::Error::new);
        let (length, rest) = (length(policy)?, length(document.unwrap_or_default())?);
        let size = length.checked_add(rest).ok_or_else(|| wasmtime::Error::msg("more than 4 GiB"))?;
        let at = self.buffer.call(&mut self.store, size)? as usize;
        self.memory.write(&mut self.store, at, policy.as_bytes())?;
        self.memory.write(&mut self.store, at + policy.len(), document.unwrap_or_default().as_bytes())?;
        let function = if document.is_some() { &self.evaluate } else { &self.check };
        let status = function.call(&mut self.store, length)?;
        let at = self.text.call(&mut self.store, ())? as usize;
        let length = self.text_length.call(&mut self.store, ())? as usize;
        let bytes = self.memory.data(&self.store).get(at..at.saturating_add(length)).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes).into_owned();
        Ok(match status {
            0 => Some(Reply::Accepted),
            1 => Some(Reply::InvalidPolicy(text)),
            2 => Some(Reply::InvalidDocument(text)),
            3 => Some(Reply::Refused(text)),
            _ => None,
        })
    }

    fn failure(&self, error: &wasmtime::Error) -> Failure {
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Failure::Time,
            Some(Trap::StackOverflow) => Failure::Depth,
            _ if self.store.data().is_exhausted => Failure::Memory,
            _ => Failure::Broken,
        }
    }
}

fn function(running: &Running, store: &mut Store<Host>, name: &str) -> Result<TypedFunc<(), u32>> {
    running.get_typed_func(store, name)
}
