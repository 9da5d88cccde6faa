//! The admission webhooks: workloads checked against policies, policies checked against the API.
//!
//! ```text
//! AdmissionReview ──review──▶ request ──skip?──▶ images ──engine + snapshot──▶ Verdict ──message──▶ response
//! watch of ClusterImagePolicy ──index──────────────────────▶ Snapshot (swapped whole)
//! watch of TrustRoot ──trust_index──▶ tasks ──roots──▶ Root ──▶
//! ```
//!
//! # Guarantees
//!
//! * No error path admits: what cannot be decoded, judged in time, or judged at all is denied. A panic denies
//!   the request it happens in and the next one is served.
//! * A request sees one snapshot from its first to its last image.

mod admission;
mod conversion;
mod credentials;
mod deadline;
mod denials;
mod guard;
mod index;
mod message;
mod metrics;
mod misses;
mod mutation;
mod objects;
mod report;
mod review;
mod router;
mod skip;
mod trust_index;
mod trust_root;
mod watch;
mod workload;

pub use credentials::{PullSecrets, Puller, WorkloadCredentials};
pub use denials::{Denial, Denials, REPORTING_CONTROLLER, denials, tell};
pub use index::Index;
pub use metrics::Metrics;
pub use misses::Missed;
pub use report::{Contact, Reporter, report};
pub use router::{App, Limits, router};
pub use trust_index::{Entries, TrustIndex};
pub use watch::{Loaded, Sources, watch};
