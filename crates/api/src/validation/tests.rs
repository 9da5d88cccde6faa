//! Every refusal with a neighbour that differs in one field and is accepted.

mod cluster_image_policy;
mod manifests;
mod trust_root;

use serde_json::Value;

/// Returns `base` with the value at `pointer` replaced; a missing last key is added, `null` removes it.
fn with(base: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = base.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match changed.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}")) {
        Value::Object(fields) if value.is_null() => {
            fields.remove(key);
        }
        Value::Object(fields) => {
            fields.insert(key.to_owned(), value);
        }
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        other => panic!("no container: {other}"),
    }
    changed
}
