//! What the API server says of Secrets and service accounts.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use tokio::time::{Instant, error::Elapsed};
use trustwright_core::Reason;
use trustwright_engine::CredentialError;
use trustwright_registry::{Keychain, KeychainFormat};

use super::PullSecrets;

/// Why something could not be read.
enum Failure {
    Forbidden,
    Late,
    /// In words for a person.
    Other(String),
}

impl From<Elapsed> for Failure {
    fn from(_: Elapsed) -> Self {
        Self::Late
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.is_forbidden() => Self::Forbidden,
            kube::Error::Api(status) => {
                Self::Other(format!("cannot be read: the API server says {} {}", status.code, status.reason))
            }
            _ => Self::Other("cannot be read: no answer of the API server".into()),
        }
    }
}

impl Failure {
    fn at(self, kind: &str, namespace: &str, name: &str) -> CredentialError {
        let (reason, text) = match self {
            Self::Forbidden => (
                Reason::PullSecretUnusable,
                "cannot be read: the right to get it is missing (ClusterRole trustwright-pull-secrets)"
                    .to_owned(),
            ),
            Self::Late => (Reason::DeadlineExceeded, "was not read in time".to_owned()),
            Self::Other(text) => (Reason::PullSecretUnusable, text),
        };
        CredentialError { reason, text: format!("{kind} {namespace}/{name} {text}") }
    }
}

impl PullSecrets {
    /// The keychain of a Secret; `None` where there is no such Secret, or one of another type.
    pub(super) async fn secret(
        &self,
        namespace: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<Option<Arc<Keychain>>, CredentialError> {
        if !is_name(namespace) || !is_name(name) {
            return Ok(None);
        }
        let read = async {
            let secrets = Api::<Secret>::namespaced(self.0.client.clone(), namespace);
            let Some(secret) = secrets.get_opt(name).await? else { return Ok(None) };
            let Some(format) = KeychainFormat::of_secret(secret.type_.as_deref().unwrap_or_default()) else {
                return Ok(None);
            };
            let key = format.secret_key();
            let data = secret.data.unwrap_or_default().remove(key);
            let data = data.ok_or_else(|| Failure::Other(format!("key {key:?}: missing")))?.0;
            let keychain = Keychain::parse(format, &data)
                .map_err(|error| Failure::Other(format!("key {key:?}: {error}")))?;
            Ok(Some((Arc::new(keychain), data.len())))
        };
        let kept = self.0.keychains.get(namespace, name, deadline, read).await;
        kept.map_err(|failure: Failure| failure.at("pull secret", namespace, name))
    }

    /// The pull secrets that a service account names; `None` where there is no such account.
    ///
    /// Nor where we may not read any: without our right to, workloads that name no pull secret go on without one.
    pub(super) async fn account(
        &self,
        namespace: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<Option<Arc<Vec<String>>>, CredentialError> {
        if !is_name(namespace) || !is_name(name) {
            return Ok(None);
        }
        let read = async {
            let accounts = Api::<ServiceAccount>::namespaced(self.0.client.clone(), namespace);
            let Some(account) = accounts.get_opt(name).await? else { return Ok(None) };
            let secrets = account.image_pull_secrets.unwrap_or_default();
            let names: Vec<_> =
                secrets.into_iter().map(|secret| secret.name).filter(|name| !name.is_empty()).collect();
            let bytes = names.iter().map(String::len).sum();
            Ok(Some((Arc::new(names), bytes)))
        };
        match self.0.accounts.get(namespace, name, deadline, read).await {
            Ok(names) => Ok(names),
            Err(Failure::Forbidden) => {
                tracing::debug!(namespace, name, "Service account may not be read");
                Ok(None)
            }
            Err(failure) => Err(failure.at("service account", namespace, name)),
        }
    }
}

/// Whether an object can have this name (RFC 1123, subdomain). Admission comes before the API server's own check, and
/// `../../other/secrets/name` in a path would lead to another namespace.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_an_object_can_have() {
        for (name, expected) in [
            ("regcred", true),
            ("a.b-c.1", true),
            ("", false),
            ("..", false),
            ("a/../b", false),
            ("a..b", false),
            ("a%2fb", false),
            ("A", false),
            ("-a", false),
            ("a-", false),
            ("a?b", false),
        ] {
            assert_eq!(is_name(name), expected, "{name}");
        }
        assert!(is_name(&"a".repeat(253)) && !is_name(&"a".repeat(254)));
    }
}
