//! Texts that have been compiled before.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::{CompileError, Language, Languages, Program};

/// Texts that are kept: more than a cluster has policies.
const MAX_TEXTS: usize = 256;

/// Languages that compile each text once. A text that does not compile is not tried again either; a language that is
/// not available is.
#[derive(Debug, Clone)]
pub struct CompiledOnce {
    languages: Arc<dyn Languages>,
    known: Arc<Mutex<Known>>,
}

type Compiled = Result<Arc<dyn Program>, CompileError>;

#[derive(Debug, Default)]
struct Known {
    /// What came of each text, and when it was asked for last.
    texts: HashMap<(Language, [u8; 32]), (Compiled, u64)>,
    asked: u64,
}

impl CompiledOnce {
    /// Remembers what `languages` compile.
    pub fn new(languages: Arc<dyn Languages>) -> Self {
        Self { languages, known: Arc::default() }
    }

    fn recall(&self, key: &(Language, [u8; 32])) -> Option<Compiled> {
        // What another thread did before it panicked is whole: entries are put in at once.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.asked += 1;
        let asked = known.asked;
        let (compiled, last) = known.texts.get_mut(key)?;
        *last = asked;
        Some(compiled.clone())
    }
}

impl Default for CompiledOnce {
    fn default() -> Self {
        Self::new(Arc::new(super::NoLanguages))
    }
}

impl Languages for CompiledOnce {
    fn compile(&self, language: Language, text: &str) -> Compiled {
        let key = (language, Sha256::digest(text).into());
        if let Some(compiled) = self.recall(&key) {
            return compiled;
        }
        // Not under the lock: it takes its time, and may panic.
        let compiled = self.languages.compile(language, text);
        if matches!(compiled, Err(CompileError::Unavailable(_))) {
            return compiled;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.texts.len() >= MAX_TEXTS {
            let oldest = known.texts.iter().min_by_key(|(_, (_, last))| *last).map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                known.texts.remove(&oldest);
            }
        }
        let asked = known.asked;
        known.texts.insert(key, (compiled.clone(), asked));
        compiled
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;
    use crate::Answer;

    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    #[derive(Debug)]
    struct Nothing;

    impl Program for Nothing {
        fn evaluate(&self, _: &[u8], _: Duration) -> Answer {
            Answer::Compliant
        }
    }

    impl Languages for Counting {
        fn compile(&self, language: Language, text: &str) -> Compiled {
            self.0.fetch_add(1, Ordering::Relaxed);
            match (language, text) {
                (Language::Rego, _) => Err(CompileError::Unavailable("none".into())),
                (_, "bad") => Err(CompileError::Invalid("bad".into())),
                _ => Ok(Arc::new(Nothing)),
            }
        }
    }

    #[test]
    fn a_text_is_compiled_once_in_each_language_and_a_missing_language_asked_for_again() {
        let counting = Arc::new(Counting::default());
        let languages = CompiledOnce::new(counting.clone());
        let mut expected = 0;
        for (language, text, each) in [
            (Language::Cue, "a", 0),
            (Language::Cue, "b", 0),
            (Language::Cel, "a", 0),
            (Language::Cue, "bad", 0),
            (Language::Rego, "a", 1),
        ] {
            let first = languages.compile(language, text);
            let again = languages.compile(language, text);
            assert_eq!(first.is_ok(), again.is_ok());
            expected += 1 + each;
            assert_eq!(counting.0.load(Ordering::Relaxed), expected, "{language:?} {text}");
        }
    }

    #[test]
    fn what_was_asked_for_longest_ago_is_forgotten() {
        let counting = Arc::new(Counting::default());
        let languages = CompiledOnce::new(counting.clone());
        let compile = |n: usize| languages.compile(Language::Cue, &n.to_string()).map(|_| ());
        for n in 0..MAX_TEXTS {
            compile(n).unwrap();
        }
        compile(0).unwrap();
        assert_eq!(counting.0.load(Ordering::Relaxed), MAX_TEXTS);
        compile(MAX_TEXTS).unwrap();
        compile(0).unwrap();
        assert_eq!(counting.0.load(Ordering::Relaxed), MAX_TEXTS + 1, "0 is still known");
        compile(1).unwrap();
        assert_eq!(counting.0.load(Ordering::Relaxed), MAX_TEXTS + 2, "1 is not");
    }
}
