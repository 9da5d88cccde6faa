//! The binary against a real control plane, with the rights of its own manifests and nothing else.
//!
//! The tests share one cluster and one running Trustwright; each has a namespace, repositories and policies
//! of its own. What has to break something for everybody starts its own.

// A panic is how a test fails, also in what tests share.
#![allow(clippy::unwrap_used)]

mod admission;
mod certificates;
mod companion;
mod crds;
mod dependents;
mod fixture;
mod keyless;
mod languages;
mod manifests_of_the_field;
mod objects;
mod policies;
mod policy_bodies;
mod process;
mod pull_secrets;
mod remote;
mod rights;
mod status_cli;
mod trust_cli;
mod trust_roots;
