//! Evidence as its users have it: the public conformance suite's, what attackers make of it, and our own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod attacks;
mod certificates;
mod conformance;
mod forms;
mod keys;
mod legacy;
mod private;
mod rekor2;
mod suite;
