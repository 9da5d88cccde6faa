//! From the images of a workload to one verdict: plan, fetch, verify, evaluate.
//!
//! ```text
//! images ──parse──▶ select policies ──▶ fetch evidence once ──▶ check every key ──▶ evaluate ──▶ fold
//! ```
//!
//! # Guarantees
//!
//! * Every image gets a verdict; an error, a time-out or a missing answer is a denial (or the warning of a
//!   policy in `warn` mode), never consent.
//! * An image whose policies are all settled by static authorities makes no registry request.
//! * Evidence is fetched once per image, read once, checked against every key of every policy, and fetched no
//!   further than until every policy is settled.
//! * At most 64 signatures of each form are looked at, at most 1 MiB each and eight at a time.

mod collect;
mod engine;
mod judgement;
mod refuse;

pub use engine::{Engine, ImageField};
