//! From a spec to how its mirror is asked: the Secrets and `ConfigMaps` that it names are read here.

use k8s_openapi::api::core::v1::Secret;
use trustwright_api::v1alpha1::TrustRootReason;
use trustwright_mirror::{BuildError, Credential, HostCredential, Mirror, MirrorConfig};
use trustwright_roots::{Entry, EntryKind, Remote, Text};
use trustwright_runtime::objects::Objects;

use super::RefreshFailure;

/// The annotation of a Secret that names the host which it is for.
const MIRROR_HOST: &str = "trustwright.dev/mirror";

/// How a mirror is asked: everything that a running poll must be started anew for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) remote: Remote,
    pub(super) ca_bundle: Option<String>,
    pub(super) credential: Option<HostCredential>,
}

impl Access {
    /// Reads what the spec names.
    pub(super) fn gather(remote: &Remote, objects: &Objects) -> Result<Self, RefreshFailure> {
        let ca_bundle = remote
            .ca_bundle
            .as_ref()
            .map(|bundle| text(bundle, objects))
            .transpose()
            .map_err(|problem| invalid(format!("spec.remote.caBundle: {problem}")))?;
        let credential = remote
            .credentials
            .as_deref()
            .map(|name| credential(name, objects.secret(name).as_deref()))
            .transpose()
            .map_err(|problem| invalid(format!("spec.remote.credentials: {problem}")))?;
        Ok(Self { remote: remote.clone(), ca_bundle, credential })
    }

    /// Builds the client of the mirror, out of `plain` where it needs no certificates of its own.
    pub(super) fn mirror(&self, plain: &Mirror) -> Result<Mirror, RefreshFailure> {
        let base = self.remote.mirror.clone();
        let built = match &self.ca_bundle {
            None => plain.beside(base, self.credential.as_ref()),
            Some(bundle) => Mirror::new(&MirrorConfig {
                ca_bundle_pem: Some(bundle.clone()),
                credential: self.credential.clone(),
                ..MirrorConfig::new(base)
            }),
        };
        built.map_err(|error| {
            let (reason, field) = match &error {
                BuildError::Base(_) | BuildError::CredentialOverHttp | BuildError::Http(_) => {
                    (TrustRootReason::InvalidSpec, "spec.remote.mirror")
                }
                BuildError::CaBundle => (TrustRootReason::InvalidReference, "spec.remote.caBundle"),
                BuildError::Credential(_) | BuildError::CredentialHost { .. } => {
                    (TrustRootReason::InvalidReference, "spec.remote.credentials")
                }
            };
            RefreshFailure { reason, message: format!("{field}: {error}") }
        })
    }
}

fn invalid(message: String) -> RefreshFailure {
    RefreshFailure { reason: TrustRootReason::InvalidReference, message }
}

/// Returns a text, wherever it stands.
pub(super) fn text(text: &Text, objects: &Objects) -> Result<String, String> {
    let entry = match text {
        Text::Inline(text) => return Ok(text.clone()),
        Text::Entry(entry) => entry,
    };
    let found = match entry.kind {
        EntryKind::ConfigMap => objects.config_map_entry(&entry.name, &entry.key),
        EntryKind::Secret => objects.secret_entry(&entry.name, &entry.key),
    };
    let bytes = found.ok_or_else(|| missing(entry))?;
    String::from_utf8(bytes).map_err(|_| format!("{entry} is not text"))
}

fn missing(entry: &Entry) -> String {
    format!("{entry}, in the namespace that Trustwright runs in, does not exist")
}

fn credential(name: &str, secret: Option<&Secret>) -> Result<HostCredential, String> {
    let secret = secret.ok_or_else(|| {
        format!("Secret {name:?}, in the namespace that Trustwright runs in, does not exist")
    })?;
    let host = secret.metadata.annotations.as_ref().and_then(|annotations| annotations.get(MIRROR_HOST));
    let host = host.ok_or_else(|| {
        format!("Secret {name:?} has no annotation {MIRROR_HOST} with the host that it is for")
    })?;
    let entry = |key: &str| {
        let bytes = secret.data.as_ref()?.get(key)?;
        let text = String::from_utf8(bytes.0.clone());
        Some(text.map_err(|_| format!("Secret {name:?}: {key} is not text")))
    };
    let credential = match (entry("token"), entry("username"), entry("password")) {
        (Some(token), None, None) => Credential::Bearer(token?),
        (None, Some(username), Some(password)) => {
            Credential::Basic { username: username?, password: password? }
        }
        _ => return Err(format!("Secret {name:?} must have either token, or username and password")),
    };
    Ok(HostCredential { host: host.clone(), credential })
}
