//! The reconcilers. Each is `gather` (watches, mirrors) → `decide` (a pure function from what was gathered and the
//! time to the status that the object should have) → `apply` (server-side apply, by the leader alone).
//!
//! # Guarantees
//!
//! * One writer per kind: only the elected leader writes, and of the two kinds only `status`; of workloads that depend
//!   on trust roots only annotations.
//! * A status that would not change is not written.
//! * An object that does not decode gets a status that says so; it does not stop the others.
//! * A mirror that is slow, dead or lying delays no other.

mod cluster_image_policy;
mod companion;
mod dependents;
mod enforcement;
#[cfg(test)]
mod judges;
mod metrics;
mod packed;
mod policy_bodies;
mod run;
mod settings;
mod status;
mod trust_root;

pub use companion::{
    CompanionSettings,
    schema::{Schema, follow as follow_schema},
};
pub use dependents::{
    Declared, DeclaredError, DependentSettings, Id as DependentId, Kind as DependentKind, SelectionError,
};
pub use metrics::Metrics;
pub use run::{Operator, run};
pub use settings::Settings;
pub use trust_root::ExpiryWarning;
