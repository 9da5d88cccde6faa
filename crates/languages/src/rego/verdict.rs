//! What the value of `isCompliant` means.

use regorus::Value;
use trustwright_policy::Answer;

use crate::text::short;

/// The query as the Policy Controller's texts have it.
const QUERY: &str = "isCompliant = data.sigstore.isCompliant";

/// What a policy says of an image, in one element.
#[derive(Debug, Default, PartialEq, Eq)]
struct Finding {
    result: bool,
    warning: String,
    error: String,
}

/// Reads the value as the Policy Controller does: a boolean, or a list or set of findings, the first of which with a
/// result decides.
pub(super) fn answer(value: &Value) -> Answer {
    match value {
        Value::Bool(true) => Answer::Compliant,
        Value::Array(elements) => findings(elements.iter()),
        Value::Set(elements) => findings(elements.iter()),
        Value::Bool(false)
        | Value::Null
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)
        | Value::Undefined => Answer::Refused(refusal()),
    }
}

fn refusal() -> String {
    format!("policy is not compliant for query '{QUERY}'")
}

fn findings<'a>(elements: impl Iterator<Item = &'a Value>) -> Answer {
    // The quotes are Go's, as in the text that this one is.
    let mut last = format!("policy is not compliant for query \"{QUERY}\"");
    for element in elements {
        let finding = match Finding::of(element) {
            Ok(finding) => finding,
            Err(cause) => {
                return Answer::Refused(short(format!("{} due to parsing errors: {cause}", refusal())));
            }
        };
        if finding.result {
            return if finding.warning.is_empty() {
                Answer::Compliant
            } else {
                Answer::Warned(short(finding.warning))
            };
        }
        last = short(format!("{} with errors: {}", refusal(), finding.error));
    }
    Answer::Refused(last)
}

impl Finding {
    /// Reads an object as Go does: the case of a field's name does not count, a null leaves what is there, and others
    /// are ignored. What is no object, at which the Policy Controller's process ends, is an error here.
    fn of(value: &Value) -> Result<Self, String> {
        let Value::Object(fields) = value else {
            return Err(format!("an element is a {}, expected an object", kind(value)));
        };
        let mut finding = Self::default();
        let mut problem = None;
        for (name, value) in fields.iter() {
            let Value::String(name) = name else { continue };
            let (name, expected) = if name.eq_ignore_ascii_case("result") {
                ("result", "bool")
            } else if name.eq_ignore_ascii_case("warning") {
                ("warning", "string")
            } else if name.eq_ignore_ascii_case("error") {
                ("error", "string")
            } else {
                continue;
            };
            match (name, value) {
                (_, Value::Null) => {}
                ("result", Value::Bool(value)) => finding.result = *value,
                ("warning", Value::String(text)) => finding.warning = text.to_string(),
                ("error", Value::String(text)) => finding.error = text.to_string(),
                _ => {
                    let found = kind(value);
                    problem.get_or_insert_with(|| {
                        format!(
                            "json: cannot unmarshal {found} into Go struct field CosignRuleResult.{name} of type \
                             {expected}"
                        )
                    });
                }
            }
        }
        problem.map_or(Ok(finding), Err)
    }
}

/// The kind of a value in Go's words for JSON, in which a set is an array.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) | Value::Set(_) => "array",
        Value::Object(_) => "object",
        Value::Undefined => "undefined value",
    }
}
