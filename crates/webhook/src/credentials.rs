//! The credentials of a workload: what its pull secrets say of registries.
//!
//! ```text
//! Puller (whose secrets) ──▶ WorkloadCredentials ──names──▶ PullSecrets ──get──▶ API server
//!                                                            keeps each for a minute
//! ```
//!
//! # Guarantees
//!
//! * Secrets and service accounts are read by `get`, one by one, in the namespace of the workload and in no other.
//! * What was read of one namespace serves no other, and nothing longer than a minute.
//! * Nothing is read before a registry is to be asked.

mod kept;
mod puller;
mod read;
#[cfg(test)]
pub(crate) mod tests;

use std::{fmt, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use kube::Client;
use tokio::{sync::OnceCell, time::Instant};
use trustwright_core::{Finding, Reason, Repository, Verdict};
use trustwright_engine::{CredentialError, Credentials};
use trustwright_registry::{Credential, Keychain};

use self::kept::Kept;
pub use self::puller::Puller;

/// How long a Secret or a service account is kept.
const LIFE: Duration = Duration::from_mins(1);
/// Pull secrets of one workload or policy, and how many of them are read at once.
const MAX_SECRETS: usize = 32;
const CONCURRENCY: usize = 4;

/// Reads pull secrets, and keeps them for a minute. Clones share what is kept.
#[derive(Clone)]
pub struct PullSecrets(Arc<Shared>);

struct Shared {
    client: Client,
    keychains: Kept<Arc<Keychain>>,
    /// The pull secrets that service accounts name.
    accounts: Kept<Arc<Vec<String>>>,
}

/// The credentials of one workload, for one request.
#[derive(Debug)]
pub struct WorkloadCredentials {
    secrets: PullSecrets,
    puller: Puller,
    deadline: Instant,
    /// The keychain of the workload's own secrets; a request sees it once and for all.
    own: OnceCell<Keychain>,
}

impl PullSecrets {
    /// Pull secrets as `client` may read them. Without the right to, workloads that name none are as if they had none,
    /// and the images of those that do are denied.
    pub fn new(client: Client) -> Self {
        Self(Arc::new(Shared { client, keychains: Kept::new(LIFE), accounts: Kept::new(LIFE) }))
    }

    /// The credentials of a workload. They are read when they are asked for, and not after `deadline`.
    pub fn of(&self, puller: Puller, deadline: Instant) -> WorkloadCredentials {
        WorkloadCredentials { secrets: self.clone(), puller, deadline, own: OnceCell::new() }
    }

    /// Forgets what was read of a namespace, for a registry has refused it: the next request reads it anew.
    pub fn forget(&self, namespace: &str) {
        self.0.keychains.forget(namespace);
        self.0.accounts.forget(namespace);
    }

    /// The keychain of the named secrets, in their order. Those that are not there are left out, as by the kubelet.
    async fn keychain(
        &self,
        namespace: &str,
        names: &[String],
        deadline: Instant,
    ) -> Result<Keychain, CredentialError> {
        if names.len() > MAX_SECRETS {
            return Err(CredentialError {
                reason: Reason::PullSecretUnusable,
                text: format!("expected at most {MAX_SECRETS} pull secrets, found {}", names.len()),
            });
        }
        let read: Vec<_> = names.iter().map(|name| self.secret(namespace, name, deadline)).collect();
        let read: Vec<_> = stream::iter(read).buffered(CONCURRENCY).try_collect().await?;
        Ok(Keychain::merge(read.iter().flatten().map(AsRef::as_ref)))
    }
}

impl WorkloadCredentials {
    /// Forgets what was read for this workload's namespace; for a registry that answered 401 or 403.
    pub fn forget(&self) {
        self.secrets.forget(&self.puller.namespace);
    }

    /// Forgets it where that is what stands against the workload.
    pub fn forget_if_refused(&self, verdict: &Verdict) {
        let (findings, warnings): (_, &[Finding]) = match verdict {
            Verdict::Allow => return,
            Verdict::Warn(findings) => (findings, &[]),
            Verdict::Deny { findings, warnings } => (findings, warnings),
        };
        let mut causes = findings.iter().chain(warnings).flat_map(|finding| finding.causes.iter());
        if causes.any(|cause| cause.reason == Reason::RegistryUnauthorized) {
            self.forget();
        }
    }

    async fn own(&self) -> Result<&Keychain, CredentialError> {
        let Puller { namespace, service_account, pull_secrets } = &self.puller;
        let read = async {
            let of_account = self.secrets.account(namespace, service_account, self.deadline).await?;
            let mut names = pull_secrets.clone();
            let more = of_account.iter().flat_map(|names| names.iter());
            more.for_each(|name| {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            });
            self.secrets.keychain(namespace, &names, self.deadline).await
        };
        self.own.get_or_try_init(|| read).await
    }
}

impl Credentials for WorkloadCredentials {
    fn credential<'a>(
        &'a self,
        repository: &'a Repository,
        pull_secrets: Option<&'a [String]>,
    ) -> BoxFuture<'a, Result<Credential, CredentialError>> {
        async move {
            Ok(match pull_secrets {
                None => self.own().await?.credential(repository),
                Some(names) => {
                    let namespace = &self.puller.namespace;
                    self.secrets.keychain(namespace, names, self.deadline).await?.credential(repository)
                }
            })
        }
        .boxed()
    }
}

impl fmt::Debug for PullSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullSecrets").finish_non_exhaustive()
    }
}
