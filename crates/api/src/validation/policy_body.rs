//! Policy text, of the whole object or of an attestation.

use super::{FieldError, FieldErrors};
use crate::spec::policy_body::{ConfigMapReference, Policy, RemotePolicy};
use crate::syntax::url;

/// Where the policy stands, and so what it may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `spec.policy`.
    Object,
    /// The policy of an attestation, whose input is the statement alone.
    Attestation,
}

pub(super) fn validate_policy(errors: &mut FieldErrors, policy: &Policy, path: &str, place: Place) {
    if !matches!(policy.type_.as_str(), "cue" | "rego" | "cel") {
        let details = "only [cue,rego,cel] are supported at the moment";
        errors.push(FieldError::invalid_value(&policy.type_, format!("{path}.type"), details));
    }
    let given = [!policy.data.is_empty(), policy.config_map_ref.is_some(), policy.remote.is_some()];
    let paths = ["configMapRef", "data", "remote"].map(|field| format!("{path}.{field}"));
    match given.into_iter().filter(|&given| given).count() {
        0 => errors.push(FieldError::missing(paths)),
        1 => {}
        _ => errors.push(FieldError::multiple_one_of(paths)),
    }
    if let Some(remote) = &policy.remote {
        validate_remote(errors, remote, &format!("{path}.remote"));
    }
    if let Some(reference) = &policy.config_map_ref {
        validate_config_map_ref(errors, reference, &format!("{path}.configMapRef"));
    }
    if place == Place::Attestation {
        validate_no_workload_input(errors, policy, path);
    }
}

fn validate_remote(errors: &mut FieldErrors, remote: &RemotePolicy, path: &str) {
    let secure = url::parse(&remote.url).is_ok_and(|url| url.scheme == "https" && !url.host.is_empty());
    if !secure {
        let details = "url valid is invalid. host and https scheme are expected";
        errors.push(FieldError::invalid_value(&remote.url, format!("{path}.url"), details));
    }
    if remote.sha256sum.is_empty() {
        errors.push(FieldError::missing([format!("{path}.sha256sum")]));
    }
}

fn validate_config_map_ref(errors: &mut FieldErrors, reference: &ConfigMapReference, path: &str) {
    for (field, value) in [("name", &reference.name), ("key", &reference.key)] {
        if value.is_empty() {
            errors.push(FieldError::missing([format!("{path}.{field}")]));
        }
    }
}

/// Even `false` is refused: the field has no meaning there.
fn validate_no_workload_input(errors: &mut FieldErrors, policy: &Policy, path: &str) {
    let fields = [
        ("fetchConfigFile", policy.fetch_config_file),
        ("includeSpec", policy.include_spec),
        ("includeObjectMeta", policy.include_object_meta),
        ("includeTypeMeta", policy.include_type_meta),
    ];
    for (field, value) in fields {
        if value.is_some() {
            errors.push(FieldError::disallowed([format!("{path}.{field}")]));
        }
    }
}
