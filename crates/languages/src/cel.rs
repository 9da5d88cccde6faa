//! CEL, by `cel`. A policy is one expression that must be `true`.
//!
//! The document is the variable `input`, and each of its top-level keys that is a name is a variable too:
//! `predicate.builder.id == "…"`.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use cel::{Context, Env, ExecutionError, IdedExpr, ParseErrors, Value};
use trustwright_policy::{Answer, CompileError, Program};

use crate::{
    Settings,
    aside::{self, Aside, Lost},
    document,
    nesting::{Syntax, nesting},
    text::short,
};

mod meter;

/// The largest expression, in bytes.
const LONGEST: usize = 16 << 10;
/// How deep an expression may nest brackets; the parser's own limit is higher.
const DEPTH: usize = 64;
const SYNTAX: Syntax = Syntax { quotes: &['"', '\''], raw: None, comment: "//" };
/// The variable that holds the document.
const INPUT: &str = "input";

/// A policy in CEL.
pub(crate) struct Cel {
    expression: Arc<IdedExpr>,
    env: Arc<Env>,
    aside: Aside,
    document_bytes: usize,
}

impl Cel {
    /// Compiles an expression.
    pub(crate) fn compile(
        text: &str,
        aside: &Aside,
        settings: &Settings,
    ) -> Result<Arc<dyn Program>, CompileError> {
        let (expression, limit, found) = (text.to_owned(), settings.compile_time, text.len());
        if found > LONGEST {
            let text = format!("the expression has {found} bytes, and at most {LONGEST} are read");
            return Err(CompileError::Invalid(text));
        }
        let compiled = aside.run(limit, move || parse(&expression));
        let (expression, env) =
            compiled.unwrap_or_else(|lost| Err(lost.words(limit))).map_err(CompileError::Invalid)?;
        Ok(Arc::new(Self {
            expression: Arc::new(expression),
            env: Arc::new(env),
            aside: aside.clone(),
            document_bytes: settings.document_bytes,
        }))
    }
}

fn parse(text: &str) -> Result<(IdedExpr, Env), String> {
    if nesting(text, SYNTAX) > DEPTH {
        return Err(format!("the expression nests brackets more than {DEPTH} deep"));
    }
    let mut env = Env::stdlib();
    meter::declare(&mut env).map_err(|error| error.to_string())?;
    let mut expression = env.parser().parse(text).map_err(|errors| message(&errors))?;
    meter::install(&mut expression)?;
    Ok((expression, env))
}

/// The first thing that is wrong, and where. The library quotes the expression's lines as well.
fn message(errors: &ParseErrors) -> String {
    short(match errors.errors.as_slice() {
        [] => "the expression cannot be read".to_owned(),
        [first] => format!("{}:{}: {}", first.pos.0, first.pos.1, first.msg),
        [first, rest @ ..] => {
            format!("{}:{}: {} (and {} more errors)", first.pos.0, first.pos.1, first.msg, rest.len())
        }
    })
}

fn evaluate(
    expression: &IdedExpr,
    env: Arc<Env>,
    document: &str,
    limit: Duration,
    start: Instant,
) -> Result<Value, Problem> {
    let document: serde_json::Value = serde_json::from_str(document).map_err(|_| Problem::Document)?;
    let mut context = Context::with_env(env);
    if let serde_json::Value::Object(fields) = &document {
        for (name, field) in fields.iter().filter(|(name, _)| is_name(name)) {
            context.add_variable_from_value(name.as_str(), value(field));
        }
    }
    // After the others, so that this one holds where the document has such a key.
    context.add_variable_from_value(INPUT, value(&document));
    let (result, exhausted) =
        meter::metered(aside::deadline(start, limit), || Value::resolve(expression, &context));
    // Before what was found: an operator may have turned the end of the budget into a value.
    match exhausted {
        Some(meter::Exhausted::Time) => Err(Problem::Time),
        Some(meter::Exhausted::Steps) => Err(Problem::Steps),
        None => result.map_err(|error| Problem::Execution(Box::new(error))),
    }
}

/// Why an expression has no value.
enum Problem {
    Document,
    Time,
    Steps,
    Execution(Box<ExecutionError>),
}

/// Whether a key can be written as a variable.
fn is_name(key: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    key.starts_with(is_first) && key.chars().all(|c| is_first(c) || c.is_ascii_digit())
}

/// A JSON value in CEL's types: a number without a fraction is an `int`, or a `uint` where that is too small, and every
/// other a `double`.
fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), _, _) => Value::Int(value),
            (None, Some(value), _) => Value::UInt(value),
            (None, None, value) => Value::Float(value.unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::String(Arc::new(text.clone())),
        serde_json::Value::Array(elements) => Value::List(Arc::new(elements.iter().map(value).collect())),
        serde_json::Value::Object(fields) => Value::from(
            fields.iter().map(|(name, field)| (name.clone(), value(field))).collect::<HashMap<_, _>>(),
        ),
    }
}

impl fmt::Debug for Cel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cel").field("expression", &self.expression).finish_non_exhaustive()
    }
}

impl Program for Cel {
    fn evaluate(&self, input: &[u8], limit: Duration) -> Answer {
        let start = Instant::now();
        let document = match document::read(input, self.document_bytes) {
            Ok(document) => document.to_owned(),
            Err(problem) => return Answer::Refused(problem.to_string()),
        };
        let (expression, env) = (Arc::clone(&self.expression), Arc::clone(&self.env));
        let answer =
            self.aside.run(limit, move || match evaluate(&expression, env, &document, limit, start) {
                Ok(Value::Bool(true)) => Answer::Compliant,
                Ok(Value::Bool(false)) => Answer::Refused("the expression is false".to_owned()),
                Ok(other) => {
                    Answer::Refused(format!("the expression is a {}, expected a bool", other.type_of()))
                }
                Err(Problem::Execution(error)) => Answer::Refused(short(error.to_string())),
                Err(Problem::Document) => Answer::Refused("the document cannot be read".to_owned()),
                Err(Problem::Time) => Answer::Exhausted(Lost::Late.words(limit)),
                Err(Problem::Steps) => Answer::Exhausted(meter::words()),
            });
        answer.unwrap_or_else(|lost| Answer::Exhausted(lost.words(limit)))
    }
}
