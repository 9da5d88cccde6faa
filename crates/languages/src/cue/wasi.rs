//! What the evaluator is given of a system (WASI preview 1): a clock, numbers to seed its hash tables with, and nothing
//! else. It has no files, no arguments, no environment, and what it prints is dropped.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::{Instant, SystemTime},
};

use wasmtime::{Caller, Extern, Linker, Module, ResourceLimiter, Result, Val};

/// The module that the functions are imported from.
const MODULE: &str = "wasi_snapshot_preview1";

/// `errno`: success.
const SUCCESS: i32 = 0;
/// `errno`: no such file descriptor. Ends Go's search for folders that it was given, too.
const BAD_DESCRIPTOR: i32 = 8;
/// `errno`: an address outside of the memory.
const FAULT: i32 = 21;

/// `clockid`: the time of day. Every other clock counts from the start of the instance.
const REALTIME: i32 = 0;
/// Bytes of a `subscription`, of an `event`, and where an event says which kind it is of.
const SUBSCRIPTION_TYPE: usize = 8;
const EVENT_BYTES: usize = 32;
const EVENT_TYPE: usize = 10;

/// The state of an instance outside of it.
#[derive(Debug)]
pub(super) struct Host {
    started: Instant,
    /// The most memory, in bytes.
    limit: usize,
    /// More was asked for.
    pub(super) is_exhausted: bool,
}

/// The evaluator ended itself, as Go does when it has no memory.
#[derive(Debug, thiserror::Error)]
#[error("exit with status {0}")]
struct Exit(i32);

impl Host {
    pub(super) fn new(limit: usize) -> Self {
        Self { started: Instant::now(), limit, is_exhausted: false }
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let fits = desired <= self.limit;
        self.is_exhausted |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, _: usize, maximum: Option<usize>) -> Result<bool> {
        // Tables have the size that the compiler gave them.
        Ok(maximum.is_some())
    }
}

/// Gives every function that `module` imports.
pub(super) fn link(linker: &mut Linker<Host>, module: &Module) -> Result<()> {
    // Go imports some functions twice.
    linker.allow_shadowing(true);
    for import in module.imports().filter(|import| import.module() == MODULE) {
        let Some(ty) = import.ty().func().cloned() else { continue };
        linker.func_new(MODULE, import.name(), ty, |_, _, results| {
            results.fill(Val::I32(BAD_DESCRIPTOR));
            Ok(())
        })?;
    }
    linker.func_wrap(MODULE, "args_sizes_get", no_strings)?;
    linker.func_wrap(MODULE, "environ_sizes_get", no_strings)?;
    linker.func_wrap(MODULE, "args_get", |_: i32, _: i32| SUCCESS)?;
    linker.func_wrap(MODULE, "environ_get", |_: i32, _: i32| SUCCESS)?;
    linker.func_wrap(MODULE, "sched_yield", || SUCCESS)?;
    linker.func_wrap(
        MODULE,
        "clock_time_get",
        |mut caller: Caller<'_, Host>, clock: i32, _: i64, to: i32| {
            let time = if clock == REALTIME {
                SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
            } else {
                caller.data().started.elapsed()
            };
            let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            write(&mut caller, to, &nanoseconds.to_le_bytes())
        },
    )?;
    linker.func_wrap(MODULE, "random_get", |mut caller: Caller<'_, Host>, to: i32, length: i32| {
        let random = RandomState::new();
        let bytes: Vec<u8> = (0..u64::from(length.cast_unsigned()).div_ceil(8))
            .flat_map(|index| {
                let mut hasher = random.build_hasher();
                hasher.write_u64(index);
                hasher.finish().to_le_bytes()
            })
            .take(length.cast_unsigned() as usize)
            .collect();
        write(&mut caller, to, &bytes)
    })?;
    linker.func_wrap(MODULE, "fd_write", drop_output)?;
    linker.func_wrap(MODULE, "poll_oneoff", poll)?;
    linker.func_wrap(MODULE, "proc_exit", |status: i32| -> Result<()> { Err(Exit(status).into()) })?;
    Ok(())
}

/// Says that there are no strings, of no length.
fn no_strings(mut caller: Caller<'_, Host>, count: i32, length: i32) -> i32 {
    let zero = 0_u32.to_le_bytes();
    match write(&mut caller, count, &zero) {
        SUCCESS => write(&mut caller, length, &zero),
        error => error,
    }
}

/// Takes what is printed and forgets it: the last words of Go's runtime quote what nobody has verified.
fn drop_output(mut caller: Caller<'_, Host>, _: i32, vectors: i32, count: i32, to: i32) -> i32 {
    let mut written = 0_u32;
    for index in 0..count {
        // A vector is an address and a length.
        let Some(length) = read::<4>(&mut caller, vectors.wrapping_add(index * 8 + 4)) else { return FAULT };
        written = written.saturating_add(u32::from_le_bytes(length));
    }
    write(&mut caller, to, &written.to_le_bytes())
}

/// Says at once that what is waited for has come: Go looks at the clock itself, and waits again.
fn poll(mut caller: Caller<'_, Host>, subscriptions: i32, events: i32, count: i32, to: i32) -> i32 {
    if count == 0 {
        return write(&mut caller, to, &0_u32.to_le_bytes());
    }
    let Some(subscription) = read::<{ SUBSCRIPTION_TYPE + 1 }>(&mut caller, subscriptions) else {
        return FAULT;
    };
    let mut event = [0; EVENT_BYTES];
    event[..SUBSCRIPTION_TYPE].copy_from_slice(&subscription[..SUBSCRIPTION_TYPE]);
    event[EVENT_TYPE] = subscription[SUBSCRIPTION_TYPE];
    match write(&mut caller, events, &event) {
        SUCCESS => write(&mut caller, to, &1_u32.to_le_bytes()),
        error => error,
    }
}

fn read<const N: usize>(caller: &mut Caller<'_, Host>, from: i32) -> Option<[u8; N]> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else { return None };
    let mut bytes = [0; N];
    memory.read(caller, from.cast_unsigned() as usize, &mut bytes).ok()?;
    Some(bytes)
}

fn write(caller: &mut Caller<'_, Host>, to: i32, bytes: &[u8]) -> i32 {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else { return FAULT };
    memory.write(caller, to.cast_unsigned() as usize, bytes).map_or(FAULT, |()| SUCCESS)
}
