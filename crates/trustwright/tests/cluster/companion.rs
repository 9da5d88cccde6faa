//! Companion mode: beside the real Policy Controller, unchanged.
//!
//! One of it runs on a machine at a time, so the tests wait for each other.

mod beside;
mod dependents;
mod expired;
mod ours;
mod policies;
mod rights;
mod rotation;
mod second;
mod stage;
