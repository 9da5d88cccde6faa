//! `ClusterImagePolicy.spec`.

use super::authority::validate_authority;
use super::policy_body::{Place, validate_policy};
use super::{FieldError, FieldErrors, ValidationSettings};
use crate::spec::cluster_image_policy::{ClusterImagePolicySpec, ImagePattern, MatchResource};
use crate::syntax::glob::validate_glob;

/// The workloads that the image webhook sees.
const RESOURCES: [&str; 7] =
    ["cronjobs", "daemonsets", "deployments", "jobs", "pods", "replicasets", "statefulsets"];

/// Returns everything that is wrong with a policy, and warnings. The spec should be defaulted before.
///
/// # Guarantees
///
/// Never panics, whatever the fields hold, and collects all findings instead of stopping at the first; only an
/// authority that is not exactly one of key, keyless and static is not looked into further.
pub fn validate_cluster_image_policy(
    spec: &ClusterImagePolicySpec,
    settings: &ValidationSettings,
) -> FieldErrors {
    let mut errors = FieldErrors::new();
    if spec.images.is_empty() {
        errors.push(FieldError::missing(["spec.images"]));
    }
    for (index, image) in spec.images.iter().enumerate() {
        validate_image(&mut errors, image, &format!("spec.images[{index}].glob"));
    }
    if spec.authorities.is_empty() && settings.fail_on_empty_authorities {
        errors.push(FieldError::missing(["spec.authorities"]));
    }
    for (index, authority) in spec.authorities.iter().enumerate() {
        validate_authority(&mut errors, authority, &format!("spec.authorities[{index}]"), settings);
    }
    if !matches!(spec.mode.as_str(), "" | "enforce" | "warn") {
        errors.push(FieldError::invalid_value(&spec.mode, "spec.mode", "unsupported mode"));
    }
    for (index, entry) in spec.match_resources.iter().enumerate() {
        validate_match(&mut errors, entry, &format!("spec.match[{index}]"), settings);
    }
    if let Some(policy) = &spec.policy {
        validate_policy(&mut errors, policy, "spec", Place::Object);
    }
    errors
}

fn validate_image(errors: &mut FieldErrors, image: &ImagePattern, path: &str) {
    if image.glob.is_empty() {
        errors.push(FieldError::missing([path]));
    } else if let Err(details) = validate_glob(&image.glob) {
        errors.push(FieldError::invalid_value(&image.glob, path, details));
    }
}

fn validate_match(
    errors: &mut FieldErrors,
    entry: &MatchResource,
    path: &str,
    settings: &ValidationSettings,
) {
    let known = settings.accept_any_resource || RESOURCES.contains(&entry.resource.as_str());
    if !entry.resource.is_empty() && !known {
        let path = format!("{path}.resource");
        errors.push(FieldError::invalid_value(&entry.resource, path, "unsupported resource name"));
    }
    let no_kind = entry.group.is_empty() && entry.version.is_empty() && entry.resource.is_empty();
    if entry.selector.is_some() && no_kind {
        let details = "selector requires a resource type to match the labels";
        errors.push(FieldError::invalid_value("", format!("{path}.selector"), details));
    }
}
