//! JSON as Go's `encoding/json` writes it, where that tells values apart.

use serde_json::{Number, Value};

/// Appends `value`.
pub(super) fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(found) => number(found, out),
        Value::String(string) => text(string, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (index, (name, field)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                text(name, out);
                out.push(':');
                write(field, out);
            }
            out.push('}');
        }
    }
}

/// Appends a string.
pub(super) fn text(string: &str, out: &mut String) {
    out.push_str(&Value::from(string).to_string());
}

/// Appends a number as the float that it is in Go: the shortest digits, with an exponent where it is below -6 or above
/// 20. CUE takes `1` for an integer and `1.0` for none.
fn number(number: &Number, out: &mut String) {
    // Without the feature `arbitrary_precision` every number is one of these.
    let float = number.as_f64().unwrap_or_default();
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let written = format!("{float:e}");
        let (digits, exponent) = written.split_once('e').unwrap_or((written.as_str(), "0"));
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        out.extend([digits, "e", sign, exponent]);
    } else {
        out.push_str(&float.to_string());
    }
}
