//! The reconcilers. Each is `gather` (a watch) → `decide` (a pure function from the object and the time to the
//! status that it should have) → `apply` (server-side apply, by the leader alone).
//!
//! # Guarantees
//!
//! * One writer per kind: only the elected leader writes, and only `status`.
//! * A status that would not change is not written.
//! * An object that does not decode gets a status that says so; it does not stop the others.

mod cluster_image_policy;
mod metrics;
mod run;
mod status;
mod trust_root;

pub use metrics::Metrics;
pub use run::run;
pub use trust_root::sigstore_keys_source;
