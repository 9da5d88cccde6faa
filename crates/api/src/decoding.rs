//! From a stored `spec` to its type.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a `spec` is none.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// A field is of another type.
    #[error("{0}")]
    Field(#[source] serde_json::Error),
    /// It is a text, a number or a list.
    #[error("expected an object")]
    NotAnObject,
}

/// Decodes the `spec` of an object that the schema may never have seen; none, or null, is an empty one.
///
/// A list is refused: serde would read it as the fields in their order.
pub fn decode_spec<T: DeserializeOwned + Default>(spec: Option<&Value>) -> Result<T, SpecError> {
    match spec {
        None | Some(Value::Null) => Ok(T::default()),
        Some(spec) if spec.is_object() => T::deserialize(spec).map_err(SpecError::Field),
        Some(_) => Err(SpecError::NotAnObject),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::v1alpha1::{ClusterImagePolicySpec, TrustRootSpec};

    #[test]
    fn an_object_is_a_spec_nothing_is_an_empty_one_and_a_list_is_none() {
        let spec: ClusterImagePolicySpec = decode_spec(Some(&json!({"mode": "warn"}))).unwrap();
        assert_eq!(spec.mode, "warn");
        for nothing in [None, Some(&Value::Null)] {
            assert_eq!(decode_spec::<TrustRootSpec>(nothing).unwrap(), TrustRootSpec::default());
        }
        for (spec, text) in [
            (json!([]), "expected an object"),
            (json!("x"), "expected an object"),
            (json!({"images": 3}), "invalid type: integer `3`"),
        ] {
            let error = decode_spec::<ClusterImagePolicySpec>(Some(&spec)).unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}");
        }
    }
}
