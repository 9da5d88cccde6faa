//! Keys and policy texts, wherever they stand. The texts of refusals are the Policy Controller's.

use sha2::{Digest as _, Sha256};
use trustwright_api::v1alpha1::{self as api};

use crate::references::Reader;

/// Name of the `ConfigMap` that keeps the text of a remote policy, followed by its SHA-256.
pub const BODY_PREFIX: &str = "trustwright-policy-";
/// The key of the text in it.
pub const BODY_KEY: &str = "policy";

/// What cannot be resolved: the field below the one that was asked about (with its dot), and the problem.
pub(crate) type Unresolved = (&'static str, String);

/// Returns the PEM text of a key.
pub(crate) fn key(key: &api::KeyRef, reader: &Reader<'_>) -> Result<String, Unresolved> {
    if !key.kms.is_empty() {
        return Err((".kms", "keys of a KMS are not fetched by this version".into()));
    }
    let Some(reference) = &key.secret_ref else { return Ok(key.data.clone()) };
    let refused = |problem: String| Err((".secretRef", problem));
    let name = &reference.name;
    let Some(entries) = reader.secret(name) else { return refused(format!("secret {name:?} not found")) };
    let mut entries = entries.into_values();
    match (entries.next(), entries.next()) {
        (None, _) => refused(format!("secret {name:?} contains no data")),
        (Some(_), Some(_)) => {
            refused(format!("secret {name:?} contains multiple data entries, only one is supported"))
        }
        (Some(pem), None) => String::from_utf8(pem)
            .or_else(|_| refused(format!("secret {name:?} contains an invalid public key: it is not text"))),
    }
}

/// Returns the text of a policy.
pub(crate) fn body(policy: &api::Policy, reader: &Reader<'_>) -> Result<String, Unresolved> {
    if let Some(reference) = &policy.config_map_ref {
        let refused = |problem: String| Err((".configMapRef", problem));
        let (name, key) = (&reference.name, &reference.key);
        return match reader.config_map(name) {
            None => refused(format!("configmap {name:?} not found")),
            Some(entries) if entries.is_empty() => refused(format!("configmap {name:?} contains no data")),
            Some(mut entries) => match entries.remove(key).filter(|text| !text.is_empty()) {
                None => refused(format!("configmap {name:?} does not contain key {key:?}")),
                Some(text) => Ok(text),
            },
        };
    }
    if let Some(remote) = &policy.remote {
        return remote_body(remote, reader).map_err(|problem| (".remote", problem));
    }
    Ok(policy.data.clone())
}

fn remote_body(remote: &api::RemotePolicy, reader: &Reader<'_>) -> Result<String, String> {
    let wanted = remote.sha256sum.to_ascii_lowercase();
    let stored = reader.config_map(&body_name(&wanted)).and_then(|mut entries| entries.remove(BODY_KEY));
    let Some(text) = stored else { return Err(format!("{} has not been fetched", remote.url)) };
    // What is stored is as good as whoever may write in our namespace.
    let found = hex::encode(Sha256::digest(&text));
    if found != wanted {
        return Err(format!("failed to check sha256sum from policy remote: {wanted} got {found}"));
    }
    Ok(text)
}

/// Name of the `ConfigMap` that keeps the text with this SHA-256 (hexadecimal).
pub fn body_name(sha256: &str) -> String {
    format!("{BODY_PREFIX}{}", sha256.to_ascii_lowercase())
}
