//! The real parts that tests, the demo and the benchmarks run on: a Kubernetes control plane, registries, a
//! signer and a private Sigstore, all on loopback, all built from source.
//!
//! ```text
//!  tests/tools/*/go.mod --tools--> one folder of binaries
//!                                        |
//!                       process (guarded children, logs, ports)
//!            +-------------------+-------+-----------+----------------------+
//!      ControlPlane           Registry            Signer             PrivateSigstore
//!  etcd, API server,      crane (referrers),   cosign with       Fulcio, Rekor v2, RFC 3161,
//!  controllers, kwok      distribution (none)  a key             CT log; issuer: ControlPlane
//! ```
//!
//! Nothing here fakes a part that exists: faults come from stopping one or from a proxy beside it. No process
//! outlives the one that started it, whatever way that one ends (see [`process`]), nothing but the Policy
//! Controller, which cannot be told, listens beyond 127.0.0.1, and no client run here reaches anything that is not on
//! loopback.

pub mod argocd;
pub mod certs;
pub mod control_plane;
pub mod front;
pub mod http;
mod judge;
pub mod kstatus;
pub mod operator;
pub mod policy_controller;
pub mod private_sigstore;
pub mod process;
pub mod public_good;
pub mod registry;
pub mod run_dir;
pub mod signer;
pub mod tools;
pub mod tuf_repository;

pub use control_plane::{ControlPlane, shared};
pub use kstatus::Kstatus;
pub use operator::{Operator, OperatorOptions};
pub use policy_controller::PolicyController;
pub use private_sigstore::PrivateSigstore;
pub use registry::{Image, Registry};
pub use signer::{KeyKind, Signer};
pub use tools::Tool;
