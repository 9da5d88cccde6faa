//! From the images of a workload to one verdict: plan, fetch, verify, evaluate.
//!
//! ```text
//! images ──parse──▶ select policies ──▶ remembered? ──▶ fetch evidence once ──▶ check every authority ──▶ evaluate ──▶ fold
//! ```
//!
//! # Guarantees
//!
//! * Every image gets a verdict; an error, a time-out or a missing answer is a denial (or the warning of a
//!   policy in `warn` mode), never consent.
//! * An image whose policies are all settled by static authorities makes no registry request.
//! * Evidence is fetched once per image and place, read once, checked against every authority of every policy, and
//!   fetched no further than until every policy is settled. A certificate is verified once for all authorities that
//!   trust the same; who may have signed is asked of what was found.
//! * Requests with the same question share one look at the evidence, which outlives those that have no time for it by up
//!   to 30 s, and ends with the engine. What an authority found is remembered for an hour at most, by everything that it
//!   rests on, within 48 MiB; refusals for ten seconds, and faults not at all.
//! * Policies over attestations and over whole results are evaluated for every request, within its time, on threads that
//!   may block; what panics or takes too long refuses. A policy that has a rule of its own is given everything that its
//!   authorities find.
//! * An authority whose trust root is missing, or of which nothing is in force, refuses with that cause.
//! * [`Engine::explain`] comes to the same verdict as admission, having looked at everything, and keeps account of it.
//! * At most 64 pieces of evidence of each place are looked at: signatures of at most 1 MiB, eight at a time, and
//!   attestations of at most 16 MiB, two at a time.

mod account;
mod cache;
mod collect;
mod configs;
mod credentials;
mod engine;
mod evaluation;
mod flight;
mod habits;
mod judgement;
mod metrics;
mod misses;
mod proof;
mod refuse;

pub use account::{AuthorityAccount, Explanation, Judged, Judging, Piece, Place, PolicyAccount, Trace};
pub use credentials::{Anonymous, CredentialError, Credentials};
pub use engine::{Engine, ImageField, ResolveError, Review};
pub use metrics::{Counter, Metrics};
pub use misses::Misses;
