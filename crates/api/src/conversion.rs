//! Conversion between the served versions, on JSON.
//!
//! Both versions of `ClusterImagePolicy` have the same structure, so that converting means to relabel. Nothing
//! else is touched: no field is dropped or defaulted, unknown ones included, and the way there and back is the
//! identity. An object whose content cannot be decoded still converts, so that it can be read and deleted.

use serde_json::Value;

use crate::names::{GROUP, V1ALPHA1, V1BETA1};

/// Why an object cannot be converted. The texts are those that API servers got from the Policy Controller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// The input is not an object.
    #[error("unable to unmarshal input: expected a JSON object")]
    NotAnObject,
    /// The input names no group, version or kind.
    #[error("invalid GroupVersionKind {group}/{version}, Kind={kind}")]
    InvalidGroupVersionKind {
        /// Group of the input.
        group: String,
        /// Version of the input.
        version: String,
        /// Kind of the input.
        kind: String,
    },
    /// The kind has only one version, or is not ours.
    #[error("no conversion support for type [kind={kind} group={group}]")]
    UnknownKind {
        /// Kind of the input.
        kind: String,
        /// Group of the input.
        group: String,
    },
    /// The kind does not have this version.
    #[error("conversion not supported for type [kind={kind} group={group} version={version}]")]
    UnknownVersion {
        /// Kind of the input.
        kind: String,
        /// Group of the input or of the target.
        group: String,
        /// The version in question.
        version: String,
    },
    /// The target is not `<group>/<version>` of this group.
    #[error("desired API version {0:?} is not valid")]
    InvalidTarget(String),
}

/// Returns the object in the version `desired_api_version`, for example `policy.sigstore.dev/v1beta1`.
///
/// # Errors
///
/// See [`ConversionError`]. The checks run in the order of the input's type, the target's form, the versions.
pub fn convert(mut object: Value, desired_api_version: &str) -> Result<Value, ConversionError> {
    let Some(fields) = object.as_object_mut() else { return Err(ConversionError::NotAnObject) };
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
    let kind = text("kind").to_owned();
    let (group, version) = group_version(text("apiVersion")).unwrap_or_default();
    if group.is_empty() || version.is_empty() || kind.is_empty() {
        let (group, version) = (group.to_owned(), version.to_owned());
        return Err(ConversionError::InvalidGroupVersionKind { group, version, kind });
    }
    if group != GROUP || kind != "ClusterImagePolicy" {
        return Err(ConversionError::UnknownKind { kind, group: group.to_owned() });
    }
    let target =
        group_version(desired_api_version).filter(|(group, version)| *group == GROUP && !version.is_empty());
    let Some((_, target_version)) = target else {
        return Err(ConversionError::InvalidTarget(desired_api_version.to_owned()));
    };
    for version in [version, target_version] {
        if version != V1ALPHA1 && version != V1BETA1 {
            let (group, version) = (group.to_owned(), version.to_owned());
            return Err(ConversionError::UnknownVersion { kind, group, version });
        }
    }
    fields.insert("apiVersion".to_owned(), Value::from(desired_api_version));
    Ok(object)
}

/// Splits `<group>/<version>`; a text without `/` is a version of the core group. More than one `/` is `None`.
fn group_version(api_version: &str) -> Option<(&str, &str)> {
    match api_version.split_once('/') {
        None => Some(("", api_version)),
        Some((_, version)) if version.contains('/') => None,
        Some(parts) => Some(parts),
    }
}

#[cfg(test)]
mod tests;
