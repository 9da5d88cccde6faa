//! What a user may write, beyond the types that the schema checks.
//!
//! Conditions and texts are the Policy Controller's, odd paths included: the fields of `spec.policy` are reported
//! without `policy`, those of attestations without an index. Nothing here looks outside the object: whether a
//! trust root, secret or image exists is not asked.
//!
//! Updates of the status subresource are not to be validated; that is the caller's to know.

mod attestation;
mod authority;
mod cluster_image_policy;
mod key;
mod policy_body;
mod trust_root;

pub use cluster_image_policy::validate_cluster_image_policy;
pub use trust_root::validate_trust_root;

use crate::field_error::{FieldError, FieldErrors};
use crate::syntax::url;

/// What validation must know besides the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationSettings {
    /// Whether a policy without authorities is refused (`fail-on-empty-authorities` of the settings).
    pub fail_on_empty_authorities: bool,
    /// The controller's own namespace, in which keys are looked up; without it, the namespace of a key's secret
    /// is not checked.
    pub system_namespace: Option<String>,
    /// Accepts any resource name in `match`. The command line does, the webhook does not.
    pub accept_any_resource: bool,
}

impl Default for ValidationSettings {
    /// Returns what the webhook uses unless told otherwise: policies without authorities are refused.
    fn default() -> Self {
        Self { fail_on_empty_authorities: true, system_namespace: None, accept_any_resource: false }
    }
}

/// Adds a finding when a URL is not one. Go's decoder refuses such text; schemes and hosts are not looked at.
fn check_url(errors: &mut FieldErrors, text: &str, path: String) {
    if let Err(details) = url::parse(text) {
        errors.push(FieldError::invalid_value(text, path, details));
    }
}

#[cfg(test)]
mod tests;
