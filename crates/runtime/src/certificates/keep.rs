//! Reading, writing and watching the Secret.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
    runtime::{WatchStreamExt, watcher::watch_object},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{CertificatePolicy, CertificateSecret, IssueError, Plan, ServingCertificate, decide};
use crate::{
    clock,
    retry::{CallError, Health, call, jittered},
};

const FIELD_MANAGER: &str = "trustwright-certificates";

/// How often a write is tried again because another replica was faster.
const ATTEMPTS: u32 = 5;

/// Which Secret, and what is to be in it.
#[derive(Clone, Debug)]
pub struct CertificateConfig {
    /// The Secret's namespace, our own.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
    /// The names that the certificate is for; see [`super::service_dns_names`].
    pub dns_names: Vec<String>,
    /// Lifetimes.
    pub policy: CertificatePolicy,
    /// How often it is checked without an event; up to a fifth longer.
    pub interval: Duration,
}

/// Keeps the Secret in order and publishes the certificate to serve.
///
/// Returns the certificate (`None` until there is one) and the future that does the work, which the caller
/// drives. It ends only when `cancel` is cancelled or the runtime ends; a fault of the API server or a missing
/// permission is logged once, retried with a backoff, and leaves the last good certificate published.
///
/// Needs `get`, `create` (a Secret that is missing), `update`, `list` and `watch` (by name) on the Secret.
pub fn run(
    client: Client,
    config: CertificateConfig,
    cancel: CancellationToken,
) -> (watch::Receiver<Option<Arc<ServingCertificate>>>, impl Future<Output = ()> + Send) {
    let (publish, published) = watch::channel(None);
    let work = async move {
        let secrets = Api::namespaced(client, &config.namespace);
        let keeper = Keeper { secrets, config, publish };
        cancel.run_until_cancelled(Box::pin(keeper.keep())).await;
    };
    (published, work)
}

/// Why the Secret could not be brought in order.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("failed to read the Secret")]
    Read(#[source] CallError),
    #[error("failed to write the Secret")]
    Write(#[source] CallError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error("other replicas changed the Secret {ATTEMPTS} times in a row")]
    Contended,
}

struct Keeper {
    secrets: Api<Secret>,
    config: CertificateConfig,
    publish: watch::Sender<Option<Arc<ServingCertificate>>>,
}

impl Keeper {
    async fn keep(&self) {
        let name = &self.config.secret;
        let events = watch_object(self.secrets.clone(), name).default_backoff();
        let mut events = std::pin::pin!(events);
        let mut checks = Health::default();
        let mut watching = Health::default();
        loop {
            match self.check().await {
                Ok(()) => checks.succeeded("certificate", name),
                Err(error) => checks.failed("certificate", name, &error),
            }
            let wait = checks.retry_in().unwrap_or_else(|| jittered(self.config.interval));
            let timer = tokio::time::sleep(wait);
            let mut timer = std::pin::pin!(timer);
            loop {
                tokio::select! {
                    () = &mut timer => break,
                    Some(event) = events.next() => match event {
                        Ok(_) => {
                            watching.succeeded("certificate watch", name);
                            break;
                        }
                        Err(error) => watching.failed("certificate watch", name, &error),
                    },
                }
            }
        }
    }

    /// Reads the Secret, publishes what it holds, and writes it if something is due.
    async fn check(&self) -> Result<(), KeepError> {
        for attempt in 1..=ATTEMPTS {
            let secret = call(self.secrets.get_opt(&self.config.secret)).await.map_err(KeepError::Read)?;
            let contents = secret
                .as_ref()
                .map(|s| s.data.as_ref().map(CertificateSecret::from_data).unwrap_or_default());
            let now = clock::now();
            // Before anything is written, so that a lack of permission to write does not keep us from serving.
            if let Some(contents) = &contents {
                self.offer(contents, now);
            }
            let plan = decide(contents.as_ref(), now, &self.config.dns_names, &self.config.policy)?;
            let Plan::Write { contents, change } = plan else { return Ok(()) };
            match self.write(secret, &contents).await {
                Ok(()) => {
                    tracing::info!(secret = self.config.secret, ?change, "Wrote the webhook certificate");
                    self.offer(&contents, now);
                    return Ok(());
                }
                Err(error) if error.is_conflict() => {
                    tracing::debug!(attempt, "Another replica wrote the webhook certificate");
                    tokio::time::sleep(jittered(Duration::from_millis(50)) * attempt).await;
                }
                Err(error) => return Err(KeepError::Write(error)),
            }
        }
        Err(KeepError::Contended)
    }

    /// Creates the Secret, or replaces it if nobody changed it since it was read.
    async fn write(&self, secret: Option<Secret>, contents: &CertificateSecret) -> Result<(), CallError> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let name = &self.config.secret;
        let exists = secret.is_some();
        // The object as read carries its resourceVersion, and other people's labels and keys.
        let mut secret = secret.unwrap_or_else(|| Secret {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        });
        contents.write_to(secret.data.get_or_insert_default());
        if exists {
            call(self.secrets.replace(name, &params, &secret)).await?;
        } else {
            call(self.secrets.create(&params, &secret)).await?;
        }
        Ok(())
    }

    fn offer(&self, contents: &CertificateSecret, now: Timestamp) {
        let Some(certificate) = ServingCertificate::load(contents, now, &self.config.dns_names) else {
            return;
        };
        self.publish.send_if_modified(|published| {
            if published.as_ref().is_some_and(|known| known.is_same(&certificate)) {
                return false;
            }
            let not_after = certificate.not_after;
            tracing::info!(%not_after, "Serving certificate loaded");
            *published = Some(Arc::new(certificate));
            true
        });
    }
}
