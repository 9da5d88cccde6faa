//! The binary against a real control plane, with the rights of its own manifests and nothing else.
//!
//! The tests share one cluster and one running Trustwright; each has a namespace, repositories and policies of
//! its own. What has to break something for everybody starts its own.

mod admission;
mod fixture;
