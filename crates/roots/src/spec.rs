//! What a spec asks for, checked as far as the spec alone allows.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use trustwright_api::decode_spec;
use trustwright_api::spec::Base64Data;
use trustwright_api::syntax::duration::parse_duration;
use trustwright_api::v1alpha1::{
    self as api, CertificateAuthority, EntryReference, LogInstance, SHORTEST_REFRESH_INTERVAL, SigstoreKeys,
    TextSource, TrustRootSpec,
};
use trustwright_trust::tuf::TRUSTED_ROOT_TARGET;
use trustwright_trust::{CertificateAuthoritySource, LogSource, SigstoreKeysSource};
use url::Url;

use crate::{OnExpiry, Refusal, Rule};

/// How often a mirror is asked unless told otherwise.
const REFRESH_INTERVAL: Duration = Duration::from_mins(10);

/// A spec that can be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Where keys come from.
    pub source: Source,
    /// What becomes of expired metadata.
    pub rule: Rule,
}

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A TUF repository behind a URL.
    Remote(Box<Remote>),
    /// A TUF repository in the spec.
    Repository(Repository),
    /// Keys in the spec, without TUF.
    SigstoreKeys(SigstoreKeysSource),
    /// A `trusted_root.json`, without TUF.
    TrustedRoot(Text),
}

/// Which part of a spec the keys come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// `spec.remote`
    Remote,
    /// `spec.repository`
    Repository,
    /// `spec.sigstoreKeys`
    SigstoreKeys,
    /// `spec.trustedRoot`
    TrustedRoot,
}

/// `spec.remote`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where trust starts.
    pub anchor: Anchor,
    /// The folder of `timestamp.json`.
    pub mirror: Url,
    /// How often the mirror is asked; at least 10 s.
    pub refresh_interval: Duration,
    /// Certificates that the mirror's must come from; those of the platform when absent.
    pub ca_bundle: Option<Text>,
    /// Name of the Secret that is shown to the mirror.
    pub credentials: Option<String>,
}

/// Where trust in a TUF repository starts, and what is looked for in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The `root.json`, trusted as it is.
    pub root: Vec<u8>,
    /// Name of the target with the trusted root.
    pub target: String,
}

impl Anchor {
    /// SHA-256 of the root, hexadecimal.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.root))
    }
}

/// `spec.repository`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Where trust starts.
    pub anchor: Anchor,
    /// The repository as tar.gz.
    pub packed: Vec<u8>,
}

/// A text, or where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// The text.
    Inline(String),
    /// An entry of an object in our namespace.
    Entry(Entry),
}

/// An entry of a `ConfigMap` or Secret in our namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What kind of object.
    pub kind: EntryKind,
    /// Its name.
    pub name: String,
    /// The key of the entry.
    pub key: String,
}

/// A kind of object with entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// `ConfigMap`.
    ConfigMap,
    /// `Secret`.
    Secret,
}

impl SourceKind {
    /// The field below `spec`, and the word in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Repository => "repository",
            Self::SigstoreKeys => "sigstoreKeys",
            Self::TrustedRoot => "trustedRoot",
        }
    }
}

impl std::fmt::Display for SourceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "spec.{}", self.as_str())
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            EntryKind::ConfigMap => "ConfigMap",
            EntryKind::Secret => "Secret",
        };
        write!(f, "key {:?} of {kind} {:?}", self.key, self.name)
    }
}

impl Spec {
    /// The source's name.
    pub const fn kind(&self) -> SourceKind {
        match self.source {
            Source::Remote(_) => SourceKind::Remote,
            Source::Repository(_) => SourceKind::Repository,
            Source::SigstoreKeys(_) => SourceKind::SigstoreKeys,
            Source::TrustedRoot(_) => SourceKind::TrustedRoot,
        }
    }

    /// The `ConfigMaps` and Secrets of our namespace that it names.
    pub fn references(&self) -> Vec<(EntryKind, &str)> {
        let mut named = Vec::new();
        match &self.source {
            Source::Remote(remote) => {
                named.extend(remote.ca_bundle.as_ref().and_then(Text::reference));
                named.extend(remote.credentials.as_deref().map(|name| (EntryKind::Secret, name)));
            }
            Source::TrustedRoot(text) => named.extend(text.reference()),
            Source::Repository(_) | Source::SigstoreKeys(_) => {}
        }
        named
    }
}

impl Text {
    fn reference(&self) -> Option<(EntryKind, &str)> {
        match self {
            Self::Inline(_) => None,
            Self::Entry(entry) => Some((entry.kind, &entry.name)),
        }
    }
}

/// Reads a spec as it is stored, which the schema and the webhook may never have seen.
///
/// # Errors
///
/// `InvalidSpec`, with the field and the cause.
pub fn read(spec: Option<&Value>) -> Result<Spec, Refusal> {
    let spec: TrustRootSpec =
        decode_spec(spec).map_err(|error| Refusal::spec(None, format!("spec cannot be decoded: {error}")))?;
    let one_of = |got: &str| {
        let fields = "spec.remote, spec.repository, spec.sigstoreKeys, spec.trustedRoot";
        Refusal::spec(None, format!("expected exactly one, got {got}: {fields}"))
    };
    let source = match (&spec.remote, &spec.repository, &spec.sigstore_keys, &spec.trusted_root) {
        (Some(remote), None, None, None) => Source::Remote(Box::new(read_remote(remote)?)),
        (None, Some(repository), None, None) => Source::Repository(read_repository(repository)?),
        (None, None, Some(keys), None) => Source::SigstoreKeys(sigstore_keys_source(keys)),
        (None, None, None, Some(text)) => {
            let text = read_text(text, "spec.trustedRoot", "trusted_root.json");
            Source::TrustedRoot(
                text.map_err(|message| Refusal::spec(Some(SourceKind::TrustedRoot), message))?,
            )
        }
        (None, None, None, None) => return Err(one_of("neither")),
        _ => return Err(one_of("both")),
    };
    let rule = read_rule(&spec)?;
    Ok(Spec { source, rule })
}

fn read_rule(spec: &TrustRootSpec) -> Result<Rule, Refusal> {
    let on_expiry = match spec.on_expiry.as_str() {
        "" | "Keep" => OnExpiry::Keep,
        "Reject" => OnExpiry::Reject,
        other => {
            let message = format!("spec.onExpiry: unsupported value {other:?}, expected Keep or Reject");
            return Err(Refusal::spec(None, message));
        }
    };
    let max_staleness =
        duration(&spec.max_staleness, "spec.maxStaleness").map_err(|message| Refusal::spec(None, message))?;
    Ok(Rule { on_expiry, max_staleness })
}

fn duration(text: &str, path: &str) -> Result<Option<SignedDuration>, String> {
    parse_duration(text).map_err(|error| format!("{path}: {text:?}: {error}"))
}

fn read_remote(remote: &api::Remote) -> Result<Remote, Refusal> {
    let refused = |message: String| Refusal::spec(Some(SourceKind::Remote), message);
    let root = bytes(remote.root.as_ref(), "spec.remote.root").map_err(refused)?;
    if remote.mirror.is_empty() {
        return Err(refused("missing field(s): spec.remote.mirror".to_owned()));
    }
    let mirror: Url =
        remote.mirror.parse().map_err(|error| refused(format!("spec.remote.mirror: not a URL: {error}")))?;
    let path = "spec.remote.refreshInterval";
    let refresh_interval = match duration(&remote.refresh_interval, path).map_err(refused)? {
        None => REFRESH_INTERVAL,
        Some(interval) if interval < SHORTEST_REFRESH_INTERVAL => {
            let shortest = SHORTEST_REFRESH_INTERVAL.as_secs();
            return Err(refused(format!("{path}: expected at least {shortest}s, got {interval:#}")));
        }
        Some(interval) => interval.unsigned_abs(),
    };
    let ca_bundle = remote
        .ca_bundle
        .as_ref()
        .map(|text| read_text(text, "spec.remote.caBundle", "ca.crt"))
        .transpose()
        .map_err(refused)?;
    let secret = remote.credentials.as_ref().map(|credentials| {
        let named = credentials.secret_ref.as_ref().map(|secret| secret.name.clone());
        named
            .filter(|name| !name.is_empty())
            .ok_or_else(|| refused("missing field(s): spec.remote.credentials.secretRef.name".to_owned()))
    });
    Ok(Remote {
        anchor: Anchor { root, target: target(&remote.trusted_root_target) },
        mirror,
        refresh_interval,
        ca_bundle,
        credentials: secret.transpose()?,
    })
}

fn read_repository(repository: &api::Repository) -> Result<Repository, Refusal> {
    let refused = |message: String| Refusal::spec(Some(SourceKind::Repository), message);
    let root = bytes(repository.root.as_ref(), "spec.repository.root").map_err(refused)?;
    let packed = bytes(repository.mirror_fs.as_ref(), "spec.repository.mirrorFS").map_err(refused)?;
    Ok(Repository { anchor: Anchor { root, target: target(&repository.trusted_root_target) }, packed })
}

fn read_text(text: &TextSource, path: &str, key: &str) -> Result<Text, String> {
    let entry = |kind, reference: &EntryReference, field: &str| {
        if reference.name.is_empty() {
            return Err(format!("missing field(s): {path}.{field}.name"));
        }
        let key = if reference.key.is_empty() { key } else { &reference.key };
        Ok(Text::Entry(Entry { kind, name: reference.name.clone(), key: key.to_owned() }))
    };
    match (text.data.is_empty(), &text.config_map_ref, &text.secret_ref) {
        (false, None, None) => Ok(Text::Inline(text.data.clone())),
        (true, Some(reference), None) => entry(EntryKind::ConfigMap, reference, "configMapRef"),
        (true, None, Some(reference)) => entry(EntryKind::Secret, reference, "secretRef"),
        (nothing, config_map, secret) => {
            let got = if nothing && config_map.is_none() && secret.is_none() { "neither" } else { "both" };
            Err(format!(
                "expected exactly one, got {got}: {path}.configMapRef, {path}.data, {path}.secretRef"
            ))
        }
    }
}

fn target(name: &str) -> String {
    if name.is_empty() { TRUSTED_ROOT_TARGET.to_owned() } else { name.to_owned() }
}

fn bytes(data: Option<&Base64Data>, path: &str) -> Result<Vec<u8>, String> {
    let data = data.filter(|data| !data.is_empty());
    let data = data.ok_or_else(|| format!("missing field(s): {path}"))?;
    data.decode(path).map_err(|error| error.to_string())
}

/// Takes the keys of `spec.sigstoreKeys` out of their Kubernetes form.
pub fn sigstore_keys_source(keys: &SigstoreKeys) -> SigstoreKeysSource {
    // What is no base64 is handed on as it is, so that the key is reported like any other that holds no PEM.
    let bytes = |data: &Option<Base64Data>| {
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
