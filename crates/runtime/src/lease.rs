//! Leader election over a `coordination.k8s.io/v1` Lease, in the way of client-go.
//!
//! One replica holds the lease and renews it; the others watch it and take it once it was not renewed for its
//! whole duration. How long that is, is measured by the observer's own monotonic clock, never by comparing times
//! that different hosts wrote, so that skewed clocks elect nobody twice. Every write carries `resourceVersion`:
//! of two replicas that try at once, one is refused.
//!
//! This is our own because the crate at hand, `kube-lease-manager` 0.13, does not give what is needed here: it
//! detaches its task, reports no loss of leadership while the API server is away, takes over by patches without
//! `resourceVersion` (so that two can win), trusts the other host's clock, and panics over a Lease whose duration
//! is out of range.

mod decide;
mod elect;

use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::decide::{LeaseRecord, Step, decide};

/// How fast leadership changes hands. `renew_deadline` is to be shorter than `duration`, so that a leader stops
/// before another may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTiming {
    /// How long others wait after the last renewal that they saw. Whole seconds.
    pub duration: Duration,
    /// How long a leader stays one after the last renewal that succeeded.
    pub renew_deadline: Duration,
    /// How often to renew, or to look.
    pub retry_period: Duration,
}

impl Default for LeaseTiming {
    /// The defaults of controller-runtime: 15, 10 and 2 seconds.
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// Takes part in an election.
///
/// Returns whether we lead, and the future that does the work, which the caller drives to its end. `identity` has
/// to be unique among the replicas; a Pod's name is.
///
/// Guarantees: the value is `true` only while the lease was renewed less than [`LeaseTiming::renew_deadline`] ago;
/// it becomes `false` at that time whatever state the API server is in, and again `true` when the lease could be
/// renewed. Faults of the API server are logged once a transition and never end the future. When `cancel` is
/// cancelled, the value becomes `false`, a lease that we hold is released (one attempt, five seconds at most) and
/// the future ends; cancel it only after all writers have stopped.
///
/// Needs `get`, `create` and `update` on the Lease.
pub fn run(
    client: Client,
    namespace: &str,
    name: &str,
    identity: &str,
    timing: LeaseTiming,
    cancel: CancellationToken,
) -> (watch::Receiver<bool>, impl Future<Output = ()> + Send + use<>) {
    let (leading, is_leading) = watch::channel(false);
    let elector = elect::Elector::new(client, (namespace, name), identity, timing, leading);
    (is_leading, elector.run(cancel))
}
