//! Whether what the other system has loaded is what a trust root says. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use trustwright_api::spec::Base64Data;
use trustwright_trust::{Authority, KeyKind, Log, TrustMaterial};

/// Each certificate and key, with what it proves, and where its owner is.
type Parts = BTreeMap<(KeyKind, Vec<u8>), String>;

/// How many differences a message names.
const NAMED: usize = 5;

/// How what is loaded compares with what should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nobody can tell: what is loaded is not known, or nothing is in force that it could be compared with.
    Unknown,
    /// It is the same.
    Same,
    /// Nothing is loaded.
    NotLoaded,
    /// It is something else; the text says what.
    Differs(String),
}

/// Compares `entry`, a trusted root as the other system keeps it, with `material`.
///
/// Certificates and public keys are compared, each for what it proves. Log IDs are not, since theirs are the digits of
/// what ours are the bytes of; nor are windows of validity, which they do not keep to. With `complaints` there are keys
/// that we cannot use and they may: then only what they lack counts.
pub(super) fn step(entry: &str, material: &TrustMaterial, complaints: bool) -> Step {
    let Some(loaded) = serde_json::from_str(entry).ok().as_ref().and_then(of_entry) else {
        return Step::Differs("what it has loaded cannot be read".to_owned());
    };
    let wanted = of_material(material);
    let missing = names(&wanted, &loaded);
    let extra = if complaints { Vec::new() } else { names(&loaded, &wanted) };
    let mut parts = Vec::new();
    if !extra.is_empty() {
        parts.push(format!("it still trusts {}", listed(&extra)));
    }
    if !missing.is_empty() {
        parts.push(format!("it does not trust {}", listed(&missing)));
    }
    if parts.is_empty() { Step::Same } else { Step::Differs(parts.join("; ")) }
}

/// What is in `parts` and not in `less`, named.
fn names(parts: &Parts, less: &Parts) -> Vec<String> {
    let mut names: Vec<String> = parts
        .iter()
        .filter(|(part, _)| !less.contains_key(*part))
        .map(|((kind, _), owner)| format!("{} {owner:?}", kind.as_str()))
        .collect();
    names.dedup();
    names
}

/// The first names, and how many more there are.
pub(super) fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let first = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

fn of_material(material: &TrustMaterial) -> Parts {
    let authorities = |kind: KeyKind, all: &[Authority]| -> Vec<_> {
        let parts = |one: &Authority| -> Vec<_> {
            one.chain.iter().map(|der| ((kind, der.clone()), one.uri.clone())).collect()
        };
        all.iter().flat_map(parts).collect()
    };
    let logs = |kind: KeyKind, all: &[Log]| -> Vec<_> {
        all.iter().map(|log| ((kind, log.public_key.spki_der().to_vec()), log.base_url.clone())).collect()
    };
    [
        authorities(KeyKind::CertificateAuthority, material.certificate_authorities()),
        authorities(KeyKind::TimestampAuthority, material.timestamp_authorities()),
        logs(KeyKind::CtLog, material.ct_logs()),
        logs(KeyKind::TransparencyLog, material.transparency_logs()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Reads the JSON of a trusted root (protobuf-specs), of which nothing has to be there.
fn of_entry(entry: &Value) -> Option<Parts> {
    let entry = entry.as_object()?;
    let all = |field: &str| entry.get(field).and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let bytes = |value: &Value| -> Option<Vec<u8>> {
        Base64Data(value["rawBytes"].as_str()?.to_owned()).decode("").ok()
    };
    let mut parts = Parts::new();
    for (kind, field) in [
        (KeyKind::CertificateAuthority, "certificateAuthorities"),
        (KeyKind::TimestampAuthority, "timestampAuthorities"),
    ] {
        for authority in all(field) {
            for certificate in authority["certChain"]["certificates"].as_array().into_iter().flatten() {
                parts.insert((kind, bytes(certificate)?), text(authority, "uri"));
            }
        }
    }
    for (kind, field) in [(KeyKind::CtLog, "ctlogs"), (KeyKind::TransparencyLog, "tlogs")] {
        for log in all(field) {
            parts.insert((kind, bytes(&log["publicKey"])?), text(log, "baseUrl"));
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests;
