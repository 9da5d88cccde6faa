//! `ClusterImagePolicy.spec.authorities[].attestations`.

use super::policy_body::{Place, validate_policy};
use super::{FieldError, FieldErrors};
use crate::spec::authority::Attestation;
use crate::syntax::url;

/// Names from the time before predicate types were URIs. Still understood, and warned about.
const ALIASES: [&str; 7] = ["custom", "cyclonedx", "link", "slsaprovenance", "spdx", "spdxjson", "vuln"];

pub(super) fn validate_attestation(errors: &mut FieldErrors, attestation: &Attestation, path: &str) {
    if attestation.name.is_empty() {
        errors.push(FieldError::missing([format!("{path}.name")]));
    }
    let predicate_type = attestation.predicate_type.as_str();
    let path_of_type = format!("{path}.predicateType");
    if predicate_type.is_empty() {
        errors.push(FieldError::missing([path_of_type]));
    } else if ALIASES.contains(&predicate_type) || url::parse_request_uri(predicate_type).is_err() {
        let details = "deprecated value, please use RFC 3986 conformant values";
        errors.push(FieldError::invalid_value(predicate_type, path_of_type, details).warning());
    }
    if let Some(policy) = &attestation.policy {
        validate_policy(errors, policy, &format!("{path}.policy"), Place::Attestation);
    }
}
