//! How long a watch pauses before it is tried again.

use std::time::Duration;

use kube::runtime::{utils::Backoff, watcher::DefaultBackoff};

/// Longest pause. What the API server has accepted meanwhile is in force that much later.
const LONGEST: Duration = Duration::from_secs(5);

/// The pauses of a watch on which it depends what is in force: those of `kube`, which grow from 0.8 s to 30 s, up to
/// five seconds.
#[derive(Default)]
pub struct Pauses(DefaultBackoff);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|pause| pause.min(LONGEST))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_moment_to_five_seconds_and_start_again_after_a_reset() {
        let mut pauses = Pauses::default();
        let long: Vec<_> = pauses.by_ref().take(20).collect();
        assert!(long[0] < Duration::from_secs(2), "{long:?}");
        assert!(long[10..].iter().all(|pause| *pause == LONGEST), "{long:?}");
        pauses.reset();
        assert!(pauses.next().is_some_and(|pause| pause < Duration::from_secs(2)));
    }
}
