//! What the Policy Controller can load of a trust root, as the inline keys of another one. Pure.
//!
//! It loads no signature log whose key is not ECDSA, computes every log's ID from the key, and knows no windows of
//! validity.

use jiff::Timestamp;
use serde_json::{Value, json};
use trustwright_api::spec::Base64Data;
use trustwright_trust::{
    Authority, CertificateAuthoritySource, KeyAlgorithm, KeyKind, Log, LogId, LogSource, TrustMaterial,
    Window, sigstore_keys_manifest,
};

/// What its validation wants to be there and nothing reads.
const UNNAMED: &str = "unnamed";
const NOWHERE: &str = "https://unnamed.invalid";

/// What can be loaded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Loadable {
    /// `spec` of the other trust root.
    pub(super) spec: Value,
    /// What is not in it, with the cause.
    pub(super) left_out: Vec<String>,
    /// When time alone changes that.
    pub(super) again: Option<Timestamp>,
}

/// A list of keys, of which what is left out is noted.
struct Section<'a> {
    kind: KeyKind,
    field: &'a str,
    kept: Vec<Value>,
    given: usize,
}

/// Returns what of `material` can be loaded.
///
/// # Errors
/// Where a list would be empty that is not: without keys to check by, the check would not be made.
pub(super) fn loadable(material: &TrustMaterial, now: Timestamp) -> Result<Loadable, String> {
    let manifest = sigstore_keys_manifest(material);
    let mut left_out = Vec::new();
    let authorities = |kind, field, all: &[Authority], sources: &[CertificateAuthoritySource]| {
        let entries = all.iter().zip(sources);
        let entries = entries
            .map(|(one, source)| (one.uri.as_str(), outside(one.valid_for.as_ref(), now), authority(source)));
        section(kind, field, entries)
    };
    let logs = |kind, field, all: &[Log], sources: &[LogSource]| {
        let entries = all.iter().zip(sources);
        let entries = entries.map(|(one, source)| {
            let why = outside(one.valid_for.as_ref(), now).or_else(|| strange(kind, one));
            (one.base_url.as_str(), why, log(source))
        });
        section(kind, field, entries)
    };
    let sections = [
        authorities(
            KeyKind::CertificateAuthority,
            "certificateAuthorities",
            material.certificate_authorities(),
            &manifest.certificate_authorities,
        ),
        authorities(
            KeyKind::TimestampAuthority,
            "timestampAuthorities",
            material.timestamp_authorities(),
            &manifest.timestamp_authorities,
        ),
        logs(KeyKind::TransparencyLog, "tLogs", material.transparency_logs(), &manifest.t_logs),
        logs(KeyKind::CtLog, "ctLogs", material.ct_logs(), &manifest.ct_logs),
    ];
    let mut keys = json!({});
    for (section, missing) in sections {
        if section.kept.is_empty() && section.given > 0 {
            return Err(format!(
                "{} would be empty, so that nothing would be checked by it: {}",
                section.field,
                missing.join("; ")
            ));
        }
        left_out.extend(missing);
        // Theirs wants the authorities spelled out, also when there is none.
        if !section.kept.is_empty() || section.kind == KeyKind::CertificateAuthority {
            keys[section.field] = json!(section.kept);
        }
    }
    let windows = material
        .certificate_authorities()
        .iter()
        .chain(material.timestamp_authorities())
        .map(|one| one.valid_for.as_ref())
        .chain(
            material.ct_logs().iter().chain(material.transparency_logs()).map(|one| one.valid_for.as_ref()),
        );
    let again = windows.flatten().flat_map(|window| [window.start, window.end]).flatten();
    let again = again.filter(|change| *change > now).min();
    Ok(Loadable { spec: json!({"sigstoreKeys": keys}), left_out, again })
}

fn section<'a, 'f>(
    kind: KeyKind,
    field: &'f str,
    entries: impl Iterator<Item = (&'a str, Option<&'static str>, Value)>,
) -> (Section<'f>, Vec<String>) {
    let (mut section, mut missing) = (Section { kind, field, kept: Vec::new(), given: 0 }, Vec::new());
    for (name, why, value) in entries {
        section.given += 1;
        match why {
            None => section.kept.push(value),
            Some(why) => missing.push(format!("{kind} {name:?}: {why}")),
        }
    }
    (section, missing)
}

/// Why a key is not trusted now. The last instant of a window belongs to it.
fn outside(window: Option<&Window>, now: Timestamp) -> Option<&'static str> {
    let window = window?;
    if window.end.is_some_and(|end| end < now) {
        Some("its window of validity has ended")
    } else if window.start.is_some_and(|start| now < start) {
        Some("its window of validity has not begun")
    } else {
        None
    }
}

/// Why a log cannot be loaded.
fn strange(kind: KeyKind, log: &Log) -> Option<&'static str> {
    let is_ecdsa = matches!(
        log.public_key.algorithm(),
        KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521
    );
    if kind == KeyKind::TransparencyLog && !is_ecdsa {
        Some("its key is not ECDSA")
    } else if log.log_id != LogId::of_key(&log.public_key) {
        Some("its log ID is not that of its key")
    } else {
        None
    }
}

fn given<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn authority(source: &CertificateAuthoritySource) -> Value {
    json!({
        "subject": {
            "organization": given(&source.organization, UNNAMED),
            "commonName": given(&source.common_name, UNNAMED),
        },
        "uri": given(&source.uri, NOWHERE),
        "certChain": Base64Data::encode(&source.cert_chain_pem),
    })
}

fn log(source: &LogSource) -> Value {
    json!({
        "baseURL": given(&source.base_url, NOWHERE),
        "hashAlgorithm": given(&source.hash_algorithm, "sha-256"),
        "publicKey": Base64Data::encode(&source.public_key_pem),
    })
}

/// Whether `found` says what `wanted` does: their defaulting adds empty values, and nothing else.
pub(super) fn says(found: &Value, wanted: &Value) -> bool {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            let kept =
                wanted.iter().all(|(name, value)| says(found.get(name).unwrap_or(&Value::Null), value));
            kept && found.iter().all(|(name, value)| wanted.contains_key(name) || is_empty(value))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| says(found, wanted))
        }
        (found, wanted) => found == wanted || (is_empty(found) && is_empty(wanted)),
    }
}

#[cfg(test)]
mod tests;
