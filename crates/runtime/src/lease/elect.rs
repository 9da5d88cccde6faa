//! The election loop.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Client, api::PostParams};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{LeaseRecord, LeaseTiming, Step, decide};
use crate::{
    clock,
    retry::{CallError, Health, call, jittered},
};

const FIELD_MANAGER: &str = "trustwright-lease";
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Elector {
    leases: Api<Lease>,
    name: String,
    identity: String,
    timing: LeaseTiming,
    leading: watch::Sender<bool>,
    observed: Option<Observed>,
}

/// A lease and since when it has been as it is, by our own clock.
struct Observed {
    resource_version: Option<String>,
    since: Instant,
}

impl Elector {
    pub(super) fn new(
        client: Client,
        (namespace, name): (&str, &str),
        identity: &str,
        timing: LeaseTiming,
        leading: watch::Sender<bool>,
    ) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            timing,
            leading,
            observed: None,
        }
    }

    pub(super) async fn run(mut self, cancel: CancellationToken) {
        cancel.run_until_cancelled(self.elect()).await;
        // First the word that nobody writes any more, then the release.
        self.publish(false);
        match timeout(RELEASE_TIMEOUT, self.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(
                lease = self.name,
                error = &error as &dyn std::error::Error,
                "Lease could not be released and has to run out"
            ),
            Err(_) => {
                tracing::warn!(lease = self.name, "Lease could not be released in time and has to run out");
            }
        }
    }

    async fn elect(&mut self) {
        let mut health = Health::default();
        // Until when the last renewal makes us leader.
        let mut deadline: Option<Instant> = None;
        loop {
            let started = Instant::now();
            // While we lead, no attempt may outlast the leadership.
            let bound = deadline.unwrap_or(started + self.timing.renew_deadline);
            match timeout_at(bound, self.attempt()).await {
                Ok(Ok(true)) => {
                    health.succeeded("lease", &self.name);
                    // Counted from before the request: the others count from when they see its effect.
                    deadline = Some(started + self.timing.renew_deadline);
                    self.publish(true);
                }
                Ok(Ok(false)) => {
                    health.succeeded("lease", &self.name);
                    deadline = None;
                    self.publish(false);
                }
                // Somebody else wrote it in between; whether he took it shows at the next look.
                Ok(Err(error)) if error.is_conflict() => {}
                Ok(Err(error)) => health.failed("lease", &self.name, &error),
                Err(_) => health.failed("lease", &self.name, &CallError::Timeout),
            }
            let wait = match deadline {
                Some(deadline) => {
                    self.timing.retry_period.min(deadline.saturating_duration_since(Instant::now()))
                }
                None => jittered(self.timing.retry_period),
            };
            sleep(wait).await;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                deadline = None;
                self.publish(false);
            }
        }
    }

    /// Looks at the lease and takes or renews it if it may be; returns whether it is ours now.
    async fn attempt(&mut self) -> Result<bool, CallError> {
        let lease = call(self.leases.get_opt(&self.name)).await?;
        let record = lease.as_ref().map(record);
        let unchanged_for = self.observe(lease.as_ref());
        let step = decide(record.as_ref(), unchanged_for, &self.identity);
        if step == Step::Wait {
            return Ok(false);
        }
        let lease = self.held(lease.unwrap_or_default(), step);
        self.write(&lease, step).await?;
        Ok(true)
    }

    /// Returns for how long the lease has been as it is.
    fn observe(&mut self, lease: Option<&Lease>) -> Duration {
        let resource_version = lease.and_then(|lease| lease.metadata.resource_version.clone());
        let now = Instant::now();
        match &self.observed {
            Some(observed) if observed.resource_version == resource_version => now - observed.since,
            _ => {
                self.observed = Some(Observed { resource_version, since: now });
                Duration::ZERO
            }
        }
    }

    /// Returns the lease as held by us, with everything else about it as it was.
    fn held(&self, mut lease: Lease, step: Step) -> Lease {
        let now = MicroTime(clock::now());
        let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
        if step != Step::Renew {
            spec.acquire_time = Some(now.clone());
            let transitions = spec.lease_transitions.unwrap_or(0);
            spec.lease_transitions =
                Some(if step == Step::Acquire { transitions.saturating_add(1) } else { 0 });
        }
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds =
            Some(i32::try_from(self.timing.duration.as_secs()).unwrap_or(i32::MAX).max(1));
        spec.renew_time = Some(now);
        lease.metadata.name = Some(self.name.clone());
        lease
    }

    async fn write(&self, lease: &Lease, step: Step) -> Result<(), CallError> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        if step == Step::Create {
            call(self.leases.create(&params, lease)).await?;
        } else {
            call(self.leases.replace(&self.name, &params, lease)).await?;
        }
        Ok(())
    }

    /// Leaves the lease without a holder if it is ours, so that a successor need not wait.
    async fn release(&self) -> Result<(), CallError> {
        let Some(mut lease) = call(self.leases.get_opt(&self.name)).await? else { return Ok(()) };
        if record(&lease).holder != self.identity {
            return Ok(());
        }
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.acquire_time = None;
            spec.renew_time = Some(MicroTime(clock::now()));
            spec.lease_duration_seconds = Some(1);
        }
        self.write(&lease, Step::Renew).await?;
        tracing::info!(lease = self.name, "Lease released");
        Ok(())
    }

    fn publish(&self, leads: bool) {
        self.leading.send_if_modified(|leading| {
            let changed = *leading != leads;
            if changed {
                tracing::info!(lease = self.name, identity = self.identity, leads, "Leadership changed");
                *leading = leads;
            }
            changed
        });
    }
}

fn record(lease: &Lease) -> LeaseRecord {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0);
    LeaseRecord {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: Duration::from_secs(seconds),
        transitions: spec.lease_transitions.unwrap_or(0),
    }
}
