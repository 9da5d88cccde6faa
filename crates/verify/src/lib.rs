//! From evidence bytes, trust material and an authority to facts: what was signed, by whom, when, and why not.
//!
//! ```text
//! Evidence ──read──> Signature ──┬─ check(image, key) ─────────────────────────> Facts
//!                    once        ├─ Verifier::verify_key(key, request) ────────> Facts
//! TrustMaterial ──> Verifier ────┴─ Verifier::verify_certificate(request) ─────> Facts ──> Identity::check
//!                   once
//! ```
//!
//! # Guarantees
//!
//! No I/O, no configuration from the environment. A [`Facts`] is only ever made from a signature
//! that verified over the digest that was asked for; every other way out is a [`Refusal`]. A log entry counts only
//! if it is proven, whatever version a bundle from a registry claims to be.
//!
//! # Assumptions
//!
//! The current time is a parameter. The verification library reads the clock as well: an entry from its future is
//! refused, and so is a log key whose time has not begun.

mod artifact;
mod certificate;
mod evidence;
mod facts;
mod identity;
mod key;
mod refusal;
mod sigstore;
mod statement;

pub use artifact::{Artifact, Claim, Request, Requirements};
pub use evidence::{Annotations, Evidence, Form, Origin, Signature, check, check_attestation};
pub use facts::{Facts, LogEntry, LogProof, Signer, Statement, TimeSource, VerifiedTime};
pub use identity::{Identity, IdentityPattern, SubjectName, TextPattern};
pub use key::{HashAlgorithm, KeyAlgorithm, KeyError, PublicKey, UnknownHashAlgorithm};
pub use refusal::{
    CertificateProblem, EntryProblem, Refusal, SctProblem, TimestampProblem, UnsupportedEntry,
};
pub use sigstore::{MaterialError, Verifier};
pub use statement::plain_payload;
