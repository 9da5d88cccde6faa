//! Evaluations on threads of their own: with a stack that is deep enough, a panic that reaches no further, and an end
//! to waiting for those that do not end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

/// The stack of a thread, in bytes. Only what is used of it is memory.
const STACK_BYTES: usize = 128 << 20;
/// How long an evaluation that ends itself may be late.
const GRACE: Duration = Duration::from_millis(50);
/// How long to wait before looking for a free thread again.
const PAUSE: Duration = Duration::from_millis(1);

/// Starts threads, so many at a time.
#[derive(Debug, Clone)]
pub(crate) struct Aside {
    most: usize,
    running: Arc<AtomicUsize>,
}

/// Why nothing came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Too many threads run, or none can be started.
    Busy,
    /// It did not end in time. It runs on, and counts, until it does.
    Late,
    /// It panicked.
    Broken,
}

/// A thread that counts.
struct Running(Arc<AtomicUsize>);

impl Aside {
    /// Runs at most `most` threads at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, running: Arc::default() }
    }

    /// Runs `work` on another thread, and waits for it no longer than `limit` and a little.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let start = Instant::now();
        let running = loop {
            match self.enter() {
                Some(running) => break running,
                None if start.elapsed() < limit => thread::sleep(PAUSE),
                None => return Err(Lost::Busy),
            }
        };
        let body = move || {
            let _running = running;
            work()
        };
        wait(limit.saturating_sub(start.elapsed()), body)
    }

    fn enter(&self) -> Option<Running> {
        let more = |running| (running < self.most).then_some(running + 1);
        self.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Running(Arc::clone(&self.running)))
    }
}

/// When the time of something that began at `start` is over. No limit is longer than a day.
pub(crate) fn deadline(start: Instant, limit: Duration) -> Instant {
    start + limit.min(Duration::from_hours(24))
}

/// Runs `work` on another thread, however many there are, and waits for it no longer than `limit` and a little.
pub(crate) fn wait<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Lost> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let body = move || {
        // Whoever waited has gone if this fails.
        let _ = sender.send(work());
    };
    let builder = thread::Builder::new().name("policy".into()).stack_size(STACK_BYTES);
    builder.spawn(body).map_err(|_| Lost::Busy)?;
    receiver.recv_timeout(limit.saturating_add(GRACE)).map_err(|error| match error {
        RecvTimeoutError::Timeout => Lost::Late,
        RecvTimeoutError::Disconnected => Lost::Broken,
    })
}

impl Lost {
    /// What to say of it.
    pub(crate) fn words(self, limit: Duration) -> String {
        let limit = crate::text::seconds(limit);
        match self {
            Self::Busy => format!("no evaluator was free for {limit}"),
            Self::Late => format!("it took longer than {limit}"),
            Self::Broken => "the evaluator broke off".to_owned(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_value_comes_back_and_a_panic_does_not_spread() {
        let aside = Aside::new(1);
        assert_eq!(aside.run(LONG, || 7), Ok(7));
        let broken: Result<(), _> = aside.run(LONG, || panic!("meant to"));
        assert_eq!(broken, Err(Lost::Broken));
        assert_eq!(aside.run(LONG, || 8), Ok(8));
    }

    #[test]
    fn one_that_does_not_end_is_left_and_counts_until_it_does() {
        let aside = Aside::new(1);
        let (end, wait) = mpsc::channel::<()>();
        let late = aside.run(Duration::ZERO, move || wait.recv());
        assert_eq!(late, Err(Lost::Late));
        assert_eq!(aside.run(Duration::ZERO, || ()), Err(Lost::Busy));
        end.send(()).unwrap();
        assert_eq!(aside.run(LONG, || 9), Ok(9));
    }

    #[test]
    fn the_stack_is_deeper_than_a_thread_usually_has() {
        fn descend(depth: usize) -> usize {
            let frame = std::hint::black_box([0_u8; 1024]);
            if depth == 0 { usize::from(frame[0]) } else { 1 + descend(depth - 1) }
        }
        assert_eq!(Aside::new(1).run(LONG, || descend(20_000)), Ok(20_000));
    }
}
