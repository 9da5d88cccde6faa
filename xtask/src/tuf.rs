//! What the demo and the benchmarks need of TUF repositories: a `TrustRoot` for one, and a change that matters.

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};
use trustwright_testkit::tuf_repository::{Key, Repository};
use trustwright_trust::{from_trusted_root_json, tuf::TRUSTED_ROOT_TARGET};

/// How often mirrors are asked: the shortest interval that a spec may have.
pub(crate) const INTERVAL: &str = "10s";
/// An end that nobody lives to see.
pub(crate) const LASTING: &str = "2199-01-01T00:00:00Z";

/// A `TrustRoot` that starts from the first root of `repository` and asks `mirror` every `interval`.
pub(crate) fn trust_root(name: &str, repository: &Repository, mirror: &str, interval: &str) -> Value {
    let root = STANDARD.encode(repository.first_root());
    json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot", "metadata": {"name": name},
        "spec": {"remote": {"mirror": mirror, "root": root, "refreshInterval": interval}},
    })
}

/// Replaces every root key, signed by the old ones and the new ones.
pub(crate) fn rotate(repository: &mut Repository) {
    repository.rotate(|next| {
        for key in &mut next.root.keys {
            *key = Key::new();
        }
    });
}

/// Rotates the root and takes the first CT log out of what is trusted. Returns the fingerprint of what is left.
pub(crate) fn change(repository: &mut Repository) -> Result<String> {
    rotate(repository);
    repository.advance();
    let file = repository.files.get_mut(TRUSTED_ROOT_TARGET).context("no trusted root")?;
    let mut trusted_root: Value = serde_json::from_slice(file)?;
    let logs = trusted_root["ctlogs"].as_array_mut().filter(|logs| logs.len() > 1);
    logs.context("the trusted root has no CT log to spare")?.remove(0);
    *file = trusted_root.to_string().into_bytes();
    let loaded = from_trusted_root_json(file, Timestamp::now()).context("the changed trusted root")?;
    Ok(loaded.material.fingerprint().to_string())
}
