//! A language of policies for tests: JSON that says what an evaluation comes to.
//!
//! `{"expect": {POINTER: VALUE}}` complies where the input has these values at these JSON pointers. Besides, `sleep`
//! (milliseconds), `complies` (so many times, and never again), `panic`, `exhausted`, `warning` and `deaf` (sleeps longer than it is allowed to).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use trustwright_policy::{Answer, CompileError, Language, Languages, Program};

/// Compiles the scripts, in every language.
#[derive(Debug)]
pub(crate) struct Scripts;

/// A script, with the counter of its evaluations.
#[derive(Debug)]
struct Script(Value, AtomicUsize);

/// How many evaluations there were of scripts with `"counted": true`.
pub(crate) static COUNTED: AtomicUsize = AtomicUsize::new(0);

impl Languages for Scripts {
    fn compile(&self, _: Language, text: &str) -> Result<Arc<dyn Program>, CompileError> {
        match serde_json::from_str(text) {
            Ok(script @ Value::Object(_)) => Ok(Arc::new(Script(script, AtomicUsize::new(0)))),
            Ok(_) | Err(_) => Err(CompileError::Invalid("not a script".into())),
        }
    }
}

impl Program for Script {
    fn evaluate(&self, input: &[u8], limit: Duration) -> Answer {
        let input: Value = serde_json::from_slice(input).unwrap();
        let Self(script, evaluations) = self;
        let evaluation = evaluations.fetch_add(1, Ordering::Relaxed);
        if script["complies"].as_u64().is_some_and(|times| evaluation as u64 >= times) {
            return Answer::Refused("no longer".into());
        }
        if script["counted"] == true {
            COUNTED.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(sleep) = script["sleep"].as_u64() {
            let sleep = Duration::from_millis(sleep);
            if sleep > limit && script["deaf"] != true {
                thread::sleep(limit);
                return Answer::Exhausted("out of time".into());
            }
            thread::sleep(sleep);
        }
        assert!(script["panic"] != true, "a script that panics");
        if script["exhausted"] == true {
            return Answer::Exhausted("out of memory".into());
        }
        if let Some(text) = script["warning"].as_str() {
            return Answer::Warned(text.to_owned());
        }
        for (pointer, expected) in script["expect"].as_object().into_iter().flatten() {
            let found = input.pointer(pointer).cloned().unwrap_or_default();
            if found != *expected {
                return Answer::Refused(format!("{pointer}: {found} is not {expected}"));
            }
        }
        Answer::Compliant
    }
}
