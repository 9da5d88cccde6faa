//! What is filled in where the user left a field empty.
//!
//! The same rules as the Policy Controller's: hash algorithms, transparency logs and the name of the trusted
//! root are *not* written into the object. Both functions are idempotent.

use crate::names::{DEFAULT_FULCIO_URL, DEFAULT_TARGETS};
use crate::spec::authority::Authority;
use crate::spec::cluster_image_policy::ClusterImagePolicySpec;
use crate::spec::trust_root::TrustRootSpec;

/// Sets `mode` to `enforce`, names authorities `authority-<index>`, and points keyless authorities that name
/// neither an instance nor a key at the public Fulcio.
pub fn default_cluster_image_policy(spec: &mut ClusterImagePolicySpec) {
    if spec.mode.is_empty() {
        "enforce".clone_into(&mut spec.mode);
    }
    for (index, authority) in spec.authorities.iter_mut().enumerate() {
        if authority.name.is_empty() {
            authority.name = format!("authority-{index}");
        }
        default_fulcio(authority);
    }
}

/// Sets the sub-path of targets of a TUF repository to `targets`.
pub fn default_trust_root(spec: &mut TrustRootSpec) {
    let remote = spec.remote.iter_mut().map(|remote| &mut remote.targets);
    let repository = spec.repository.iter_mut().map(|repository| &mut repository.targets);
    for targets in remote.chain(repository).filter(|targets| targets.is_empty()) {
        DEFAULT_TARGETS.clone_into(targets);
    }
}

/// An authority with a key or a fixed outcome is left alone: with a keyless part besides it will be refused,
/// and the user should then read what they wrote.
fn default_fulcio(authority: &mut Authority) {
    if authority.key.is_some() || authority.static_.is_some() {
        return;
    }
    if let Some(keyless) = &mut authority.keyless
        && keyless.url.is_none()
        && keyless.ca_cert.is_none()
    {
        keyless.url = Some(DEFAULT_FULCIO_URL.to_owned());
    }
}

#[cfg(test)]
mod tests;
