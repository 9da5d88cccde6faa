//! Where the signatures of a repository were found last.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use trustwright_core::Repository;

/// Repositories that are remembered. Who may push can bring new ones: then all are forgotten, which costs time only.
const MOST: usize = 4096;

/// Repositories whose evidence stood under legacy tags, and not among the referrers. Most are signed by one tool, in one
/// way: there, the tags are read first. What counts is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Habits(Arc<Mutex<HashSet<Repository>>>);

impl Habits {
    /// Whether evidence was found under legacy tags alone.
    pub(crate) fn is_legacy(&self, repository: &Repository) -> bool {
        self.with(|legacy| legacy.contains(repository))
    }

    /// Takes note of where evidence was found; where none was, of nothing.
    pub(crate) fn found(&self, repository: &Repository, among_referrers: bool, under_tags: bool) {
        self.with(|legacy| match (among_referrers, under_tags) {
            (true, _) => {
                legacy.remove(repository);
            }
            (false, true) if !legacy.contains(repository) => {
                if legacy.len() >= MOST {
                    legacy.clear();
                }
                legacy.insert(repository.clone());
            }
            (false, _) => {}
        });
    }

    fn with<R>(&self, then: impl FnOnce(&mut HashSet<Repository>) -> R) -> R {
        // What another thread did before it panicked is whole.
        then(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_where_something_was_found_counts_and_memory_is_bounded() {
        let (habits, repository): (_, Repository) = (Habits::default(), "ghcr.io/a/b".parse().unwrap());
        let after = |among_referrers, under_tags| {
            habits.found(&repository, among_referrers, under_tags);
            habits.is_legacy(&repository)
        };
        assert!(!after(false, false));
        assert!(after(false, true));
        assert!(after(false, false), "nothing found is no news");
        assert!(!after(true, true));
        assert!(after(false, true));
        for number in 1..MOST {
            habits.found(&format!("ghcr.io/a/{number}").parse().unwrap(), false, true);
        }
        assert!(habits.is_legacy(&repository));
        habits.found(&"ghcr.io/a/more".parse().unwrap(), false, true);
        assert!(!habits.is_legacy(&repository), "all are forgotten");
    }
}
