//! Workloads that depend on trust roots, and are told when what is trusted changes.
//!
//! ```text
//! gather   TrustRoots ── judged ──> View          Deployments, StatefulSets, DaemonSets ──> Workload
//! decide   Workload, Roots, time ──> decide ──> Action
//! apply    apply ──> annotations (server-side apply)      View ──> TrustRoot status
//! ```
//!
//! # Guarantees
//!
//! * Told are only fingerprints that this leader has verified and whose status it has written.
//! * Losing material, or new metadata of the same material, tells nobody anything.
//! * What a workload was told of stands on the workload itself, in the same write as the restart, and each write
//!   carries the resourceVersion that was decided upon: a leader that dies, or is late, restarts nothing twice.
//! * Only annotations are written, and those of [`names`] alone.

mod apply;
mod backoff;
mod decide;
mod drive;
mod known;
pub(crate) mod names;
mod rollout;
mod roots;
mod show;
mod table;
mod trust_roots;
mod view;
mod watch;
mod wish;
mod workload;

use jiff::SignedDuration;

pub(crate) use drive::{Parts, run};
pub(crate) use roots::Judgement;
pub(crate) use show::DependentReason;
pub(crate) use view::{Listed, View};
pub use wish::{Declared, DeclaredError, SelectionError};
pub use workload::{Id, Kind};

/// What the command line says about dependents.
#[derive(Debug, Clone)]
pub struct DependentSettings {
    /// The namespaces whose workloads may depend on trust roots; none turns the feature off.
    pub namespaces: Vec<String>,
    /// Workloads that depend on trust roots without saying so themselves; each in one of `namespaces`.
    pub declared: Vec<Declared>,
    /// The shortest time between two restarts of one workload.
    pub restart_interval: SignedDuration,
    /// Whether trust roots get their fingerprint as an annotation.
    pub annotate_trust_roots: bool,
}

impl Default for DependentSettings {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            declared: Vec::new(),
            restart_interval: SignedDuration::from_mins(5),
            annotate_trust_roots: false,
        }
    }
}

#[cfg(test)]
mod tests;
