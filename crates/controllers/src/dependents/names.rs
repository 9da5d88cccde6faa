//! The annotations that people write, and those that we do.

/// Which trust roots a workload depends on: names with commas between them, or `*`.
pub(crate) const TRUST_ROOTS: &str = "trustwright.dev/trust-roots";
/// What is to be done when they change: `restart` or `annotate`.
pub(crate) const ON_CHANGE: &str = "trustwright.dev/on-change";

/// The combined fingerprint: on the pod template, where a change of it restarts, and on the object.
pub(crate) const MATERIAL: &str = "trustwright.dev/trust-material";
/// On the object: the fingerprint of each trust root that it was told of.
pub(crate) const KNOWN: &str = "trustwright.dev/trust-known";
/// On the object: since when it knows them (RFC 3339).
pub(crate) const SINCE: &str = "trustwright.dev/trust-known-since";
/// On the object: when we last restarted it (RFC 3339).
pub(crate) const RESTARTED_AT: &str = "trustwright.dev/restarted-at";

/// On a trust root: its fingerprint.
pub(crate) const ROOT_MATERIAL: &str = "trustwright.dev/material";
