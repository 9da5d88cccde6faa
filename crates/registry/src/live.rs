//! Values made of files, made anew when the files change.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{task::JoinSet, time::Instant};

/// Where a value comes from. Both steps may block.
pub(crate) trait Source: Send + Sync + 'static {
    /// What the files hold. As long as it stays equal, the value stays the same.
    type Raw: PartialEq + Send;
    type Value: Send + Sync;
    type Problem: Display;

    fn read(&self) -> Result<Self::Raw, Self::Problem>;

    fn build(&self, raw: &Self::Raw) -> Result<Self::Value, Self::Problem>;
}

/// A value that follows its files: they are read when the value is wanted, and not again before the interval is over.
/// Files that have become unreadable change nothing, and are reported once.
pub(crate) struct Live<S: Source> {
    shared: Arc<Shared<S>>,
    interval: Duration,
}

struct Shared<S: Source> {
    source: S,
    state: Mutex<State<S>>,
}

struct State<S: Source> {
    checked: Instant,
    raw: S::Raw,
    value: Arc<S::Value>,
    /// What was wrong with the files when they were read last.
    problem: Option<String>,
}

impl<S: Source> Live<S> {
    /// Reads the files for the first time; blocks meanwhile.
    pub(crate) fn new(source: S, interval: Duration) -> Result<Self, S::Problem> {
        let raw = source.read()?;
        let value = Arc::new(source.build(&raw)?);
        let state = Mutex::new(State { checked: Instant::now(), raw, value, problem: None });
        Ok(Self { shared: Arc::new(Shared { source, state }), interval })
    }

    /// The value, after another look at the files where it is time for one.
    pub(crate) async fn current(&self) -> Arc<S::Value> {
        {
            let (mut state, now) = (self.shared.state(), Instant::now());
            if now < state.checked + self.interval {
                return Arc::clone(&state.value);
            }
            // Whoever comes meanwhile takes the value as it is.
            state.checked = now;
        }
        let shared = Arc::clone(&self.shared);
        let mut look = JoinSet::new();
        look.spawn_blocking(move || shared.refresh());
        // A panic leaves the value as it was.
        let _ = look.join_next().await;
        self.latest()
    }

    /// The value as of the last look.
    pub(crate) fn latest(&self) -> Arc<S::Value> {
        Arc::clone(&self.shared.state().value)
    }
}

impl<S: Source> Shared<S> {
    fn refresh(&self) {
        let read = self.source.read();
        let read = match read {
            Ok(raw) if raw == self.state().raw => Ok(None),
            Ok(raw) => self.source.build(&raw).map(|value| Some((raw, value))),
            Err(problem) => Err(problem),
        };
        let mut state = self.state();
        match read {
            Ok(changed) => {
                if let Some((raw, value)) = changed {
                    (state.raw, state.value) = (raw, Arc::new(value));
                    tracing::info!("Configuration of registries read anew");
                } else if state.problem.is_some() {
                    tracing::info!("Configuration of registries is readable again, and unchanged");
                }
                state.problem = None;
            }
            Err(problem) => {
                let problem = problem.to_string();
                if state.problem.as_ref() != Some(&problem) {
                    tracing::warn!(problem, "Configuration of registries cannot be used; the last one stays");
                }
                state.problem = Some(problem);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        // Every state is whole at all times, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A file that holds a number, and how often it was read and used.
    #[derive(Clone, Default)]
    struct Numbers(Arc<(Mutex<String>, AtomicUsize, AtomicUsize)>);

    impl Source for Numbers {
        type Raw = String;
        type Value = u32;
        type Problem = std::num::ParseIntError;

        fn read(&self) -> Result<String, Self::Problem> {
            self.0.1.fetch_add(1, Ordering::SeqCst);
            Ok(self.0.0.lock().unwrap().clone())
        }

        fn build(&self, raw: &String) -> Result<u32, Self::Problem> {
            self.0.2.fetch_add(1, Ordering::SeqCst);
            raw.parse()
        }
    }

    fn number(text: &str) -> Numbers {
        let numbers = Numbers::default();
        numbers.write(text);
        numbers
    }

    impl Numbers {
        fn write(&self, text: &str) {
            text.clone_into(&mut self.0.0.lock().unwrap());
        }

        fn counts(&self) -> (usize, usize) {
            (self.0.1.load(Ordering::SeqCst), self.0.2.load(Ordering::SeqCst))
        }
    }

    #[tokio::test]
    async fn a_value_follows_its_file_and_is_made_once_for_each_content() {
        let file = number("1");
        let live = Live::new(file.clone(), Duration::ZERO).unwrap();
        assert_eq!((*live.current().await, *live.current().await, file.counts()), (1, 1, (3, 1)));
        file.write("2");
        assert_eq!((*live.latest(), *live.current().await, *live.latest()), (1, 2, 2));
        assert_eq!(file.counts(), (4, 2));
    }

    #[tokio::test]
    async fn a_file_is_not_read_again_before_its_time() {
        let file = number("1");
        let live = Live::new(file.clone(), Duration::from_hours(1)).unwrap();
        file.write("2");
        assert_eq!((*live.current().await, file.counts()), (1, (1, 1)));
    }

    #[tokio::test]
    async fn what_cannot_be_used_leaves_the_last_value_and_is_an_error_at_the_start() {
        assert!(Live::new(number("x"), Duration::ZERO).is_err());
        let file = number("1");
        let live = Live::new(file.clone(), Duration::ZERO).unwrap();
        file.write("x");
        assert_eq!(*live.current().await, 1);
        file.write("3");
        assert_eq!(*live.current().await, 3);
    }
}
