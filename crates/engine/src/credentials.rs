//! What is shown to registries on behalf of a workload. Where it comes from is a port: see [`Credentials`].

use futures::{FutureExt as _, future::BoxFuture};
use trustwright_core::{Reason, Repository};
use trustwright_registry::Credential;

/// The credentials of one workload. Nothing is read before it is asked for, so that an image that needs no registry
/// needs no Secret either.
pub trait Credentials: Send + Sync {
    /// Returns what to show to the registry of `repository`: by the workload's own pull secrets, or, where a policy
    /// names some (`source[].signaturePullSecrets`), by those of the workload's namespace.
    fn credential<'a>(
        &'a self,
        repository: &'a Repository,
        pull_secrets: Option<&'a [String]>,
    ) -> BoxFuture<'a, Result<Credential, CredentialError>>;
}

/// Credentials could not be read; whether there are any is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct CredentialError {
    /// The kind of cause.
    pub reason: Reason,
    /// The cause, in words for a person.
    pub text: String,
}

/// No credentials.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anonymous;

impl Credentials for Anonymous {
    fn credential<'a>(
        &'a self,
        _: &'a Repository,
        _: Option<&'a [String]>,
    ) -> BoxFuture<'a, Result<Credential, CredentialError>> {
        async { Ok(Credential::Anonymous) }.boxed()
    }
}
