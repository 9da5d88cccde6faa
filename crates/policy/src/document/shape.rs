//! The Go types that predicates are read into, as far as they show: fields, zero values, and what is left out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::DocumentError;

/// A type.
pub(super) enum Shape {
    /// Anything, as it is.
    Any,
    /// A string.
    Text,
    /// `true` or `false`.
    Flag,
    /// An instant; the year 1 where there is none.
    Time,
    /// A list, or null.
    List(&'static Shape),
    /// An object with fields of any name, or null.
    Map(&'static Shape),
    /// An object with these fields and no others.
    Fields(&'static [Field]),
    /// The same, or null.
    Pointer(&'static Shape),
}

/// A field: its name, its type, and whether it is left out where it is empty.
type Field = (&'static str, Shape, Empty);

/// What becomes of a field that is empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    Stays,
    Goes,
}

use Empty::{Goes, Stays};
use Shape::{Any, Fields, Flag, List, Map as Names, Pointer, Text, Time};

const DIGESTS: Shape = Names(&Text);

pub(super) const SUBJECTS: Shape = List(&Fields(&[("name", Text, Stays), ("digest", DIGESTS, Stays)]));

/// `in_toto.Link` of in-toto-golang.
pub(super) const LINK: Shape = Fields(&[
    ("_type", Text, Stays),
    ("name", Text, Stays),
    ("materials", Names(&Any), Stays),
    ("products", Names(&Any), Stays),
    ("byproducts", Names(&Any), Stays),
    ("command", List(&Text), Stays),
    ("environment", Names(&Any), Stays),
]);

/// `ProvenancePredicate` of in-toto-golang's `slsa_provenance/v0.2`.
pub(super) const SLSA: Shape = Fields(&[
    ("builder", Fields(&[("id", Text, Stays)]), Stays),
    ("buildType", Text, Stays),
    (
        "invocation",
        Fields(&[
            (
                "configSource",
                Fields(&[("uri", Text, Goes), ("digest", DIGESTS, Goes), ("entryPoint", Text, Goes)]),
                Stays,
            ),
            ("parameters", Any, Goes),
            ("environment", Any, Goes),
        ]),
        Stays,
    ),
    ("buildConfig", Any, Goes),
    (
        "metadata",
        Pointer(&Fields(&[
            ("buildInvocationID", Text, Goes),
            ("buildStartedOn", Pointer(&Time), Goes),
            ("buildFinishedOn", Pointer(&Time), Goes),
            (
                "completeness",
                Fields(&[
                    ("parameters", Flag, Stays),
                    ("environment", Flag, Stays),
                    ("materials", Flag, Stays),
                ]),
                Stays,
            ),
            ("reproducible", Flag, Stays),
        ])),
        Goes,
    ),
    ("materials", List(&Fields(&[("uri", Text, Goes), ("digest", DIGESTS, Goes)])), Goes),
]);

/// `CosignVulnPredicate` of cosign.
pub(super) const VULN: Shape = Fields(&[
    (
        "invocation",
        Fields(&[
            ("parameters", Any, Stays),
            ("uri", Text, Stays),
            ("event_id", Text, Stays),
            ("builder.id", Text, Stays),
        ]),
        Stays,
    ),
    (
        "scanner",
        Fields(&[
            ("uri", Text, Stays),
            ("version", Text, Stays),
            ("db", Fields(&[("uri", Text, Stays), ("version", Text, Stays)]), Stays),
            ("result", Names(&Any), Stays),
        ]),
        Stays,
    ),
    ("metadata", Fields(&[("scanStartedOn", Time, Stays), ("scanFinishedOn", Time, Stays)]), Stays),
]);

/// Reads `value` as `shape` and writes it again. As in Go, null stands for the zero value of every type. `field` is
/// where it stands, for people.
pub(super) fn fit(value: Value, shape: &Shape, field: &str) -> Result<Value, DocumentError> {
    let misfit = |value: &Value, expected| {
        Err(DocumentError::Field { field: field.to_owned(), actual: kind(value), expected })
    };
    Ok(match (shape, value) {
        (Shape::Any, value) => sorted(value),
        (Shape::Pointer(_) | Shape::List(_) | Shape::Map(_), Value::Null) => Value::Null,
        (Shape::Pointer(shape), value) => fit(value, shape, field)?,
        (Shape::Text, Value::Null) => Value::from(""),
        (Shape::Flag, Value::Null) => Value::Bool(false),
        (Shape::Time, Value::Null) => Value::from("0001-01-01T00:00:00Z"),
        (Shape::Text, value @ Value::String(_)) | (Shape::Flag, value @ Value::Bool(_)) => value,
        (Shape::Time, Value::String(text)) if is_time(&text) => Value::String(text),
        (Shape::List(shape), Value::Array(items)) => {
            let each = |(index, item)| fit(item, shape, &format!("{field}[{index}]"));
            Value::Array(items.into_iter().enumerate().map(each).collect::<Result<_, _>>()?)
        }
        (Shape::Map(shape), Value::Object(fields)) => {
            let each = |(name, value)| {
                let value = fit(value, shape, &format!("{field}.{name}"))?;
                Ok((name, value))
            };
            let fields: BTreeMap<_, _> =
                fields.into_iter().map(each).collect::<Result<_, DocumentError>>()?;
            Value::Object(fields.into_iter().collect())
        }
        (Shape::Fields(known), Value::Null) => fields(Map::new(), known, field)?,
        (Shape::Fields(known), Value::Object(given)) => fields(given, known, field)?,
        (Shape::Text, value) => return misfit(&value, "a string"),
        (Shape::Flag, value) => return misfit(&value, "true or false"),
        (Shape::Time, value) => return misfit(&value, "a time"),
        (Shape::List(_), value) => return misfit(&value, "a list"),
        (Shape::Map(_) | Shape::Fields(_), value) => return misfit(&value, "an object"),
    })
}

/// The same with the fields of every object in the order of their names, as Go writes a map.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.into_iter().collect();
            Value::Object(fields.into_iter().map(|(name, field)| (name, sorted(field))).collect())
        }
        value => value,
    }
}

/// The fields of `given` that are known, by their names or, as in Go, by names that differ in case only.
fn fields(mut given: Map<String, Value>, known: &[Field], path: &str) -> Result<Value, DocumentError> {
    let mut found = Map::new();
    for (name, shape, empty) in known {
        let other = || given.keys().find(|given| given.eq_ignore_ascii_case(name)).cloned();
        let key = if given.contains_key(*name) { Some((*name).to_owned()) } else { other() };
        let value = key.and_then(|key| given.remove(&key)).unwrap_or_default();
        let value = fit(value, shape, &format!("{path}.{name}"))?;
        if *empty == Empty::Stays || !is_empty(&value, shape) {
            found.insert((*name).to_owned(), value);
        }
    }
    Ok(Value::Object(found))
}

/// Whether Go leaves it out as empty; a struct never is.
fn is_empty(value: &Value, shape: &Shape) -> bool {
    match (shape, value) {
        (Shape::Fields(_) | Shape::Time, _) => false,
        (Shape::Any | Shape::Pointer(_), value) => value.is_null(),
        (_, Value::Null | Value::Bool(false)) => true,
        (_, Value::String(text)) => text.is_empty(),
        (_, Value::Array(items)) => items.is_empty(),
        (_, Value::Object(fields)) => fields.is_empty(),
        (_, Value::Bool(true) | Value::Number(_)) => false,
    }
}

/// Whether it is an instant of RFC 3339.
fn is_time(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok()
}

/// What a value is, for people.
pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
