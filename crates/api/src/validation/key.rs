//! References of public keys.

use super::{FieldError, FieldErrors, ValidationSettings};
use crate::spec::authority::{HashAlgorithm, KeyRef};
use crate::syntax::kms::validate_kms;
use crate::syntax::public_key::parse_public_key;

const FOREIGN_NAMESPACE: &str = "secretref.namespace is invalid. If set, it should use the same namespace where the policy-controller was deployed";

pub(super) fn validate_key(
    errors: &mut FieldErrors,
    key: &KeyRef,
    path: &str,
    settings: &ValidationSettings,
) {
    let given = [!key.data.is_empty(), !key.kms.is_empty(), key.secret_ref.is_some()];
    let paths = ["data", "kms", "secretref"].map(|field| format!("{path}.{field}"));
    match given.into_iter().filter(|&given| given).count() {
        0 => errors.push(FieldError::missing_one_of(paths)),
        1 => {}
        _ => errors.push(FieldError::multiple_one_of(paths)),
    }
    if !key.hash_algorithm.is_empty() && HashAlgorithm::parse(&key.hash_algorithm).is_none() {
        errors.push(FieldError::invalid_value(&key.hash_algorithm, format!("{path}.hashAlgorithm"), ""));
    }
    if !key.data.is_empty() && parse_public_key(&key.data).is_err() {
        errors.push(FieldError::invalid_value(&key.data, format!("{path}.data"), ""));
    }
    if !key.kms.is_empty()
        && let Err(details) = validate_kms(&key.kms)
    {
        errors.push(FieldError::invalid_value(&key.kms, format!("{path}.kms"), details));
    }
    let namespace = key.secret_ref.as_ref().map(|secret| secret.namespace.as_str()).unwrap_or_default();
    let foreign = settings.system_namespace.as_deref().is_some_and(|own| own != namespace);
    if !namespace.is_empty() && foreign {
        let path = format!("{path}.secretref.namespace");
        errors.push(FieldError::invalid_value(namespace, path, FOREIGN_NAMESPACE));
    }
}
