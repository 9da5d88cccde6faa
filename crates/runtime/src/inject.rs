//! Putting the bundle of authorities where the API server looks for it: `caBundle` of webhook configurations and
//! of CRDs whose conversion webhook is ours.
//!
//! For one replica at a time: the caller drives [`run`] only while it leads. The objects themselves come with the
//! manifest or the chart; an object that is missing, or that does not mention our Service, is told to the log and
//! left alone.

mod patch;

use std::{fmt, sync::Arc, time::Duration};

use futures::{StreamExt, future::join_all};
use k8s_openapi::{
    api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher::watch_object},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::patch::{Injectable, Need, ServiceRef, Slot, needs};
use crate::{
    certificates::ServingCertificate,
    retry::{CallError, Health, call, jittered},
};

const FIELD_MANAGER: &str = "trustwright-ca-injector";

/// How often an object is looked at without an event.
const INTERVAL: Duration = Duration::from_mins(1);

/// An object that gets the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A CRD with a conversion webhook, by name.
    CustomResourceDefinition(String),
    /// A `MutatingWebhookConfiguration`, by name.
    Mutating(String),
    /// A `ValidatingWebhookConfiguration`, by name.
    Validating(String),
}

/// Keeps `caBundle` of all `targets` equal to the bundle of the newest certificate: when the certificate changes,
/// when an object changes, and every minute.
///
/// Ends only when `cancel` is cancelled; faults of the API server are logged once a transition and retried. Nothing
/// is written that is there already.
///
/// Needs `get`, `list`, `watch` (by name) and `patch` on the objects.
pub async fn run(
    client: Client,
    targets: Vec<Target>,
    service: ServiceRef,
    certificates: watch::Receiver<Option<Arc<ServingCertificate>>>,
    cancel: CancellationToken,
) {
    let injectors = targets.into_iter().map(|target| {
        let (client, service, certificates) = (client.clone(), service.clone(), certificates.clone());
        async move {
            match target {
                Target::CustomResourceDefinition(name) => {
                    Injector::<CustomResourceDefinition>::new(client, name, service).keep(certificates).await;
                }
                Target::Mutating(name) => {
                    Injector::<MutatingWebhookConfiguration>::new(client, name, service)
                        .keep(certificates)
                        .await;
                }
                Target::Validating(name) => {
                    Injector::<ValidatingWebhookConfiguration>::new(client, name, service)
                        .keep(certificates)
                        .await;
                }
            }
        }
    });
    cancel.run_until_cancelled(join_all(injectors)).await;
}

/// What a look at an object came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// There is no such object.
    Missing,
    /// The object does not mention our Service.
    NotOurs,
    /// The bundle is there.
    UpToDate,
    /// There is no certificate yet.
    Waiting,
}

struct Injector<K> {
    objects: Api<K>,
    name: String,
    service: ServiceRef,
}

impl<K: Injectable> Injector<K> {
    fn new(client: Client, name: String, service: ServiceRef) -> Self {
        Self { objects: Api::all(client), name, service }
    }

    async fn keep(self, mut certificates: watch::Receiver<Option<Arc<ServingCertificate>>>) {
        let events = watch_object(self.objects.clone(), &self.name).default_backoff();
        let mut events = std::pin::pin!(events);
        let mut checks = Health::default();
        let mut watching = Health::default();
        let mut last = None;
        loop {
            let certificate = certificates.borrow_and_update().clone();
            match self.check(certificate.as_deref()).await {
                Ok(outcome) => {
                    checks.succeeded("caBundle", &self.name);
                    if last.replace(outcome) != Some(outcome) {
                        self.tell(outcome);
                    }
                }
                Err(error) => checks.failed("caBundle", &self.name, &error),
            }
            let wait = checks.retry_in().unwrap_or_else(|| jittered(INTERVAL));
            let timer = tokio::time::sleep(wait);
            let mut timer = std::pin::pin!(timer);
            loop {
                tokio::select! {
                    () = &mut timer => break,
                    Ok(()) = certificates.changed() => break,
                    Some(event) = events.next() => match event {
                        Ok(_) => {
                            watching.succeeded("caBundle watch", &self.name);
                            break;
                        }
                        Err(error) => watching.failed("caBundle watch", &self.name, &error),
                    },
                }
            }
        }
    }

    async fn check(&self, certificate: Option<&ServingCertificate>) -> Result<Outcome, CallError> {
        let Some(certificate) = certificate else { return Ok(Outcome::Waiting) };
        let Some(object) = call(self.objects.get_opt(&self.name)).await? else { return Ok(Outcome::Missing) };
        let patch = match needs(&certificate.ca_bundle_pem, &self.service, &object) {
            Need::NotOurs => return Ok(Outcome::NotOurs),
            Need::Nothing => return Ok(Outcome::UpToDate),
            Need::Write(patch) => patch,
        };
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        call(self.objects.patch(&self.name, &params, &Patch::Json::<()>(patch))).await?;
        tracing::info!(kind = K::kind(&()).as_ref(), object = self.name, "Wrote caBundle");
        Ok(Outcome::UpToDate)
    }

    fn tell(&self, outcome: Outcome) {
        let kind = K::kind(&());
        let (kind, object) = (kind.as_ref(), self.name.as_str());
        match outcome {
            Outcome::Missing => tracing::warn!(kind, object, "Object that needs caBundle does not exist"),
            // A CRD that converts without a webhook, as ours does, has nothing to inject.
            Outcome::NotOurs if kind == "CustomResourceDefinition" => {
                tracing::debug!(kind, object, "No webhook to inject a bundle into");
            }
            Outcome::NotOurs => {
                tracing::warn!(kind, object, service = %self.service, "Object has no webhook of our Service");
            }
            Outcome::UpToDate => tracing::debug!(kind, object, "caBundle is up to date"),
            Outcome::Waiting => tracing::debug!(kind, object, "No certificate yet"),
        }
    }
}

impl fmt::Display for ServiceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
