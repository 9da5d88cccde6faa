//! The keys of Sigstore's public-good instance, as a `TrustRoot` that lists them one by one.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sigstore_verify::trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT;
use trustwright_trust::{
    CertificateAuthoritySource, LogSource, SigstoreKeysSource, from_trusted_root_json, sigstore_keys_manifest,
};

/// Returns a `TrustRoot` called `public-good` with the keys that the instance has today, among them those of its
/// Ed25519 log (Rekor version 2). They come with a crate, so no network is wanted.
pub fn trust_root_manifest() -> Result<Value> {
    Ok(json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1",
        "kind": "TrustRoot",
        "metadata": {"name": "public-good"},
        "spec": {"sigstoreKeys": sigstore_keys(SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes())?},
    }))
}

/// Returns a `trusted_root.json` as `spec.sigstoreKeys` of a `TrustRoot` lists it.
pub fn sigstore_keys(trusted_root: &[u8]) -> Result<Value> {
    let loaded = from_trusted_root_json(trusted_root, jiff::Timestamp::now())
        .context("failed to load the trusted root")?;
    Ok(written(&sigstore_keys_manifest(&loaded.material)))
}

fn written(keys: &SigstoreKeysSource) -> Value {
    json!({
        "certificateAuthorities": each(&keys.certificate_authorities, authority),
        "timestampAuthorities": each(&keys.timestamp_authorities, authority),
        "tLogs": each(&keys.t_logs, log),
        "ctLogs": each(&keys.ct_logs, log),
    })
}

fn each<T>(items: &[T], written: fn(&T) -> Value) -> Vec<Value> {
    items.iter().map(written).collect()
}

fn authority(authority: &CertificateAuthoritySource) -> Value {
    json!({
        "subject": {"organization": authority.organization, "commonName": authority.common_name},
        "uri": authority.uri,
        "certChain": STANDARD.encode(&authority.cert_chain_pem),
    })
}

fn log(log: &LogSource) -> Value {
    json!({
        "baseURL": log.base_url,
        "hashAlgorithm": log.hash_algorithm,
        "publicKey": STANDARD.encode(&log.public_key_pem),
    })
}
