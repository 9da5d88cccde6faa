//! Process plumbing without domain knowledge: what any Kubernetes operator needs around its own work.
//!
//! ```text
//!  Secret ──► certificates ──► ServingCertificate ──┬──► server  (TLS, new connections use the new pair)
//!                                                   └──► inject  (caBundle of webhook configurations; leader)
//!  Lease  ──► lease ─────────► watch<bool>              probes  (/livez, /readyz, /metrics)
//!  signals ─► shutdown ──────► CancellationToken        logs, metrics, clock
//!  Secrets, ConfigMaps of our namespace ──► objects
//! ```
//!
//! Whatever decides is a pure function over values, with the time as an argument; whatever acts is a future that
//! the caller drives: nothing here spawns a task that outlives the future that it belongs to. Every request to
//! the API server has a timeout, and no fault of the API server ends a loop.

pub mod certificates;
pub mod clock;
pub mod inject;
pub mod lease;
pub mod logs;
pub mod metrics;
pub mod objects;
pub mod probes;
pub mod server;
pub mod shutdown;

mod pauses;
mod retry;

pub use pauses::Pauses;
