//! Rego, by `regorus`: of OPA v0, as the Policy Controller reads it, and of v1 where the module says `import rego.v1`.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use regorus::{Engine, LimitError, Value, utils::limits::ExecutionTimerConfig};
use trustwright_policy::{Answer, CompileError, Program};

use crate::{
    Settings,
    aside::{Aside, Lost},
    document,
    nesting::{Syntax, nesting},
    text::short,
};

mod builtins;
mod verdict;

/// What is asked of a module. The package must be `sigstore`.
const RULE: &str = "data.sigstore.isCompliant";
/// What the module is called in texts.
const MODULE: &str = "sigstore.rego";
/// How deep a module may nest brackets.
const DEPTH: usize = 24;
const SYNTAX: Syntax = Syntax { quotes: &['"'], raw: Some('`'), comment: "#" };
/// How many steps the interpreter does before it looks at the clock.
const STEPS: NonZeroU32 = NonZeroU32::new(64).expect("not zero");

/// A policy in Rego.
#[derive(Debug)]
pub(crate) struct Rego {
    /// Cloned for each evaluation. Dropped aside: a long expression is a deep one.
    engine: Option<Box<Engine>>,
    aside: Aside,
    document_bytes: usize,
    compile_time: Duration,
}

/// What an evaluation came to, but for the threads.
enum Outcome {
    Value(Value),
    Invalid(String),
    Late,
}

impl Rego {
    /// Compiles the text of a module.
    pub(crate) fn compile(
        text: &str,
        aside: &Aside,
        settings: &Settings,
    ) -> Result<Arc<dyn Program>, CompileError> {
        let (module, limit) = (text.to_owned(), settings.compile_time);
        let engine = aside.run(limit, move || parse(module));
        let engine = engine.unwrap_or_else(|lost| Err(lost.words(limit))).map_err(CompileError::Invalid)?;
        Ok(Arc::new(Self {
            engine: Some(Box::new(engine)),
            aside: aside.clone(),
            document_bytes: settings.document_bytes,
            compile_time: limit,
        }))
    }
}

fn parse(module: String) -> Result<Engine, String> {
    if nesting(&module, SYNTAX) > DEPTH {
        return Err(format!("the module nests brackets more than {DEPTH} deep"));
    }
    builtins::check(&module)?;
    let mut engine = Engine::new();
    engine.set_rego_v0(true);
    engine.set_strict_builtin_errors(false);
    builtins::bound(&mut engine)?;
    engine.add_policy(MODULE.to_owned(), module).map_err(|error| message(&error))?;
    // Prepares what every clone has then: with no input, what is asked for is undefined at once, or has no need of any.
    engine.set_execution_timer_config(timer(Duration::from_millis(100)));
    engine.set_input(Value::new_object());
    let _ = engine.eval_query(RULE.to_owned(), false);
    Ok(engine)
}

fn timer(limit: Duration) -> ExecutionTimerConfig {
    ExecutionTimerConfig { limit, check_interval: STEPS }
}

/// The library's text on one line: the place, and what is wrong there. The library quotes the module's lines as well.
fn message(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let place = text.lines().find_map(|line| line.strip_prefix("--> "));
    let problem = text.lines().find_map(|line| line.strip_prefix("error: "));
    short(match (place, problem) {
        (Some(place), Some(problem)) => format!("{place}: {problem}"),
        (Some(_) | None, _) => text.trim().to_owned(),
    })
}

fn evaluate(engine: &mut Engine, input: &str, limit: Duration) -> Outcome {
    let start = Instant::now();
    engine.set_execution_timer_config(timer(limit));
    let value = Value::from_json_str(input).and_then(|input| {
        engine.set_input(input);
        engine.eval_query(RULE.to_owned(), false)
    });
    match value {
        // Whatever was found after the time is no answer.
        _ if start.elapsed() >= limit => Outcome::Late,
        Ok(results) => Outcome::Value(
            results
                .result
                .into_iter()
                .next()
                .and_then(|result| Some(result.expressions.into_iter().next()?.value))
                .unwrap_or(Value::Undefined),
        ),
        Err(error) if matches!(error.downcast_ref(), Some(LimitError::TimeLimitExceeded { .. })) => {
            Outcome::Late
        }
        Err(error) => Outcome::Invalid(message(&error)),
    }
}

impl Program for Rego {
    fn evaluate(&self, input: &[u8], limit: Duration) -> Answer {
        let document = match document::read(input, self.document_bytes) {
            Ok(document) => document.to_owned(),
            Err(problem) => return Answer::Refused(problem.to_string()),
        };
        let Some(engine) = self.engine.clone() else { return Answer::Exhausted(Lost::Broken.words(limit)) };
        let answer = self.aside.run(limit, move || {
            let mut engine = engine;
            match evaluate(&mut engine, &document, limit) {
                Outcome::Value(value) => verdict::answer(&value),
                Outcome::Invalid(text) => Answer::Refused(text),
                Outcome::Late => Answer::Exhausted(Lost::Late.words(limit)),
            }
        });
        answer.unwrap_or_else(|lost| Answer::Exhausted(lost.words(limit)))
    }
}

impl Drop for Rego {
    fn drop(&mut self) {
        let engine = self.engine.take();
        // If no thread is free, that one drops it which is never started.
        let _ = self.aside.run(self.compile_time, move || drop(engine));
    }
}
