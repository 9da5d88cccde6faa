//! Compiled policies: which of them speak of an image, and what follows from what their authorities found.
//!
//! ```text
//! ClusterImagePolicy ──compile──▶ Policy ──▶ Snapshot ──select──▶ policies of one image ──evaluate──▶ Verdict
//! TrustRoot ──roots──────────────▶ Root ─────▶
//! ```
//!
//! # Guarantees
//!
//! * Everything is synchronous and pure: no I/O, no clock.
//! * A policy that cannot be compiled is still a policy: it keeps what it matches (everything, where its own
//!   patterns cannot be read) and denies, or warns about, what it matches.

mod authority;
mod compile;
mod document;
mod evaluate;
mod glob;
mod input;
mod language;
mod references;
mod resolve;
mod rule;
mod scope;
mod snapshot;
mod state;
mod trust;

pub use authority::{Attestation, Authority, Check, Formats, Place, Signatory, Signed, Wanted};
pub use compile::{Images, Mode, NotReady, Part, Policy, compile, compile_stored};
pub use document::{DocumentError, MAX_STATEMENT, document};
pub use evaluate::{Outcome, Ruling, evaluate};
pub use glob::{Glob, InvalidGlob};
pub use input::{Attested, Match, SignedBy, input};
pub use language::{Answer, CompileError, CompiledOnce, Language, Languages, NoLanguages, Program};
pub use references::{Inputs, NoReferences, Reference, References};
pub use resolve::{BODY_KEY, BODY_PREFIX, body_name};
pub use rule::{Includes, Rule};
pub use scope::{Scope, Workload};
pub use snapshot::{NoMatch, Policies, Settings, Snapshot, select};
pub use state::{Version, state};
pub use trust::{Freshness, Roots, RootsKey, Trust, TrustRef, trust_problems};
/// What [`RootsKey`] is made of.
pub use trustwright_trust::Fingerprint;
