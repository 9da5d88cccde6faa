//! `TrustRoot`: which of its keys can be used?

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::DynamicObject;
use serde_json::Value;
use trustwright_api::v1alpha1::{
    CertificateAuthority, LogInstance, SigstoreKeys, TrustRootReason, TrustRootSpec, TrustRootStatus,
    TrustedKey, TrustedKeyKind,
};
use trustwright_trust::{
    CertificateAuthoritySource, KeyKind, KeyReport, LogSource, SigstoreKeysSource, SourceError,
    from_sigstore_keys,
};

use crate::status::{Finding, conditions, difference};

/// The status to apply to `object`, or `None` where it has it.
pub(crate) fn decide(object: &DynamicObject, now: Timestamp) -> Option<Value> {
    let previous = object.data.get("status").cloned().unwrap_or_default();
    let known: TrustRootStatus = serde_json::from_value(previous.clone()).unwrap_or_default();
    let generation = object.metadata.generation;
    let loaded = load(object.data.get("spec").cloned().unwrap_or_default(), now);
    let status = TrustRootStatus {
        observed_generation: generation,
        conditions: conditions(&known.conditions, &loaded.finding, generation, now),
        source: loaded.source.map(str::to_owned),
        fingerprint: loaded.fingerprint,
        keys: loaded.reports.iter().map(line).collect(),
        ..TrustRootStatus::default()
    };
    difference(&previous, &status, &["observedGeneration", "source", "fingerprint", "keys"])
}

struct Loaded {
    finding: Finding,
    source: Option<&'static str>,
    fingerprint: Option<String>,
    reports: Vec<KeyReport>,
}

impl Loaded {
    fn refused(reason: TrustRootReason, source: Option<&'static str>, message: String) -> Self {
        let finding = Finding { ready: false, reason: reason.as_str(), message };
        Self { finding, source, fingerprint: None, reports: Vec::new() }
    }
}

fn load(spec: Value, now: Timestamp) -> Loaded {
    let spec = match serde_json::from_value::<Option<TrustRootSpec>>(spec) {
        Ok(spec) => spec.unwrap_or_default(),
        Err(error) => {
            return Loaded::refused(
                TrustRootReason::InvalidSpec,
                None,
                format!("spec cannot be decoded: {error}"),
            );
        }
    };
    let unsupported = |source| {
        let message = format!("spec.{source} is not loaded by this version, only spec.sigstoreKeys is");
        Loaded::refused(TrustRootReason::UnsupportedSource, Some(source), message)
    };
    match (&spec.sigstore_keys, &spec.remote, &spec.repository) {
        (Some(keys), None, None) => from_keys(keys, now),
        (None, Some(_), None) => unsupported("remote"),
        (None, None, Some(_)) => unsupported("repository"),
        (None, None, None) => Loaded::refused(
            TrustRootReason::InvalidSpec,
            None,
            "expected exactly one, got neither: spec.remote, spec.repository, spec.sigstoreKeys".into(),
        ),
        _ => Loaded::refused(
            TrustRootReason::InvalidSpec,
            None,
            "expected exactly one, got both: spec.remote, spec.repository, spec.sigstoreKeys".into(),
        ),
    }
}

fn from_keys(keys: &SigstoreKeys, now: Timestamp) -> Loaded {
    let source = Some("sigstoreKeys");
    match from_sigstore_keys(&source_of(keys), now) {
        Ok(loaded) => {
            let unusable: Vec<String> = loaded.reports.iter().filter_map(complaint).collect();
            let (all, usable) = (loaded.reports.len(), loaded.reports.len() - unusable.len());
            let message = if unusable.is_empty() {
                format!("all {all} keys can be used")
            } else {
                format!("{usable} of {all} keys can be used; {}", unusable.join("; "))
            };
            Loaded {
                finding: Finding { ready: true, reason: TrustRootReason::Loaded.as_str(), message },
                source,
                fingerprint: Some(loaded.material.fingerprint().to_string()),
                reports: loaded.reports,
            }
        }
        Err(error) => {
            let reports = match &error {
                SourceError::NothingUsable { reports } => reports.clone(),
                _ => Vec::new(),
            };
            let complaints: Vec<String> = reports.iter().filter_map(complaint).collect();
            let message = format!("spec.sigstoreKeys: {error}; {}", complaints.join("; "));
            Loaded { reports, ..Loaded::refused(TrustRootReason::NoUsableKeys, source, message) }
        }
    }
}

fn complaint(report: &KeyReport) -> Option<String> {
    let problem = report.problem()?;
    Some(format!("{} {:?}: {problem}", report.kind, report.name))
}

fn source_of(keys: &SigstoreKeys) -> SigstoreKeysSource {
    // What is no base64 is handed on as it is, so that the key is reported like any other that holds no PEM.
    let bytes = |data: &Option<trustwright_api::spec::Base64Data>| {
        data.as_ref()
            .map(|data| data.decode("").unwrap_or_else(|_| data.0.clone().into_bytes()))
            .unwrap_or_default()
    };
    let authority = |authority: &CertificateAuthority| CertificateAuthoritySource {
        organization: authority.subject.organization.clone(),
        common_name: authority.subject.common_name.clone(),
        uri: authority.uri.clone(),
        cert_chain_pem: bytes(&authority.cert_chain),
    };
    let log = |log: &LogInstance| LogSource {
        base_url: log.base_url.clone(),
        hash_algorithm: log.hash_algorithm.clone(),
        public_key_pem: bytes(&log.public_key),
    };
    SigstoreKeysSource {
        certificate_authorities: keys.certificate_authorities.iter().map(authority).collect(),
        timestamp_authorities: keys.timestamp_authorities.iter().map(authority).collect(),
        t_logs: keys.t_logs.iter().map(log).collect(),
        ct_logs: keys.ct_logs.iter().map(log).collect(),
    }
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
