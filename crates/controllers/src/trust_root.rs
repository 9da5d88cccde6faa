//! `TrustRoot`: which of its keys can be used?

mod keys;
mod repository;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::DynamicObject;
use serde_json::Value;
use trustwright_api::decode_spec;
use trustwright_api::v1alpha1::{
    RoleStatus, TrustRootReason, TrustRootSpec, TrustRootStatus, TrustedKey, TrustedKeyKind,
};
use trustwright_trust::{KeyKind, KeyReport, Loaded as Material, SourceError};

pub use keys::sigstore_keys_source;

use crate::status::{Decision, Finding, conditions, difference};

/// The fields of the status that are ours, besides conditions.
const OWNED: [&str; 6] = ["observedGeneration", "source", "fingerprint", "keys", "metadata", "expires"];

/// The status that `object` should have, and when time alone will change it.
pub(crate) fn decide(object: &DynamicObject, now: Timestamp) -> Decision {
    let previous = object.data.get("status").cloned().unwrap_or_default();
    let known: TrustRootStatus = serde_json::from_value(previous.clone()).unwrap_or_default();
    let generation = object.metadata.generation;
    let loaded = load(object.data.get("spec"), now);
    let expires = loaded.metadata.iter().map(|role| role.expires.0).min();
    let status = TrustRootStatus {
        observed_generation: generation,
        conditions: conditions(&known.conditions, &loaded.finding, generation, now),
        source: loaded.source.map(str::to_owned),
        fingerprint: loaded.fingerprint,
        keys: loaded.reports.iter().map(line).collect(),
        expires: expires.map(Time),
        metadata: loaded.metadata,
        ..TrustRootStatus::default()
    };
    let again = status.metadata.iter().map(|role| role.expires.0).filter(|expires| *expires > now).min();
    Decision { status: difference(&previous, &status, &OWNED), again }
}

/// What became of a spec.
struct Loaded {
    finding: Finding,
    source: Option<&'static str>,
    fingerprint: Option<String>,
    reports: Vec<KeyReport>,
    metadata: Vec<RoleStatus>,
}

impl Loaded {
    fn refused(reason: TrustRootReason, source: Option<&'static str>, message: String) -> Self {
        let finding = Finding::new(false, reason.as_str(), message);
        Self { finding, source, fingerprint: None, reports: Vec::new(), metadata: Vec::new() }
    }

    /// Keys that were read from `spec.<source>`, or why none of them can be used.
    fn of(source: &'static str, material: Result<Material, SourceError>) -> Self {
        let reports = match &material {
            Ok(material) => material.reports.clone(),
            Err(SourceError::NothingUsable { reports }) => reports.clone(),
            Err(_) => Vec::new(),
        };
        let unusable: Vec<String> = reports.iter().filter_map(complaint).collect();
        let material = match material {
            Ok(material) => material.material,
            Err(error) => {
                let message = format!("spec.{source}: {error}; {}", unusable.join("; "));
                return Self {
                    reports,
                    ..Self::refused(TrustRootReason::NoUsableKeys, Some(source), message)
                };
            }
        };
        let (all, usable) = (reports.len(), reports.len() - unusable.len());
        let message = if unusable.is_empty() {
            format!("all {all} keys can be used")
        } else {
            format!("{usable} of {all} keys can be used; {}", unusable.join("; "))
        };
        Self {
            finding: Finding::new(true, TrustRootReason::Loaded.as_str(), message),
            source: Some(source),
            fingerprint: Some(material.fingerprint().to_string()),
            reports,
            metadata: Vec::new(),
        }
    }
}

fn load(spec: Option<&Value>, now: Timestamp) -> Loaded {
    let spec: TrustRootSpec = match decode_spec(spec) {
        Ok(spec) => spec,
        Err(error) => {
            return Loaded::refused(
                TrustRootReason::InvalidSpec,
                None,
                format!("spec cannot be decoded: {error}"),
            );
        }
    };
    let one_of = |got: &str| {
        let message =
            format!("expected exactly one, got {got}: spec.remote, spec.repository, spec.sigstoreKeys");
        Loaded::refused(TrustRootReason::InvalidSpec, None, message)
    };
    match (&spec.sigstore_keys, &spec.remote, &spec.repository) {
        (Some(keys), None, None) => keys::load(keys, now),
        (None, None, Some(repository)) => repository::load(repository, &spec.on_expiry, now),
        (None, Some(_), None) => Loaded::refused(
            TrustRootReason::UnsupportedSource,
            Some("remote"),
            "spec.remote is not loaded by this version, only spec.repository and spec.sigstoreKeys are"
                .into(),
        ),
        (None, None, None) => one_of("neither"),
        _ => one_of("both"),
    }
}

fn complaint(report: &KeyReport) -> Option<String> {
    let problem = report.problem()?;
    Some(format!("{} {:?}: {problem}", report.kind, report.name))
}

fn kind(kind: KeyKind) -> TrustedKeyKind {
    match kind {
        KeyKind::CertificateAuthority => TrustedKeyKind::CertificateAuthority,
        KeyKind::CtLog => TrustedKeyKind::CtLog,
        KeyKind::TimestampAuthority => TrustedKeyKind::TimestampAuthority,
        KeyKind::TransparencyLog => TrustedKeyKind::TransparencyLog,
    }
}

fn line(report: &KeyReport) -> TrustedKey {
    TrustedKey {
        kind: kind(report.kind),
        name: report.name.clone(),
        id: report.id.clone().unwrap_or_default(),
        algorithm: report.algorithm.as_ref().map(ToString::to_string).unwrap_or_default(),
        not_before: report.not_before.map(Time),
        not_after: report.not_after.map(Time),
        usable: report.is_usable(),
        reason: report.problem().map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests;
