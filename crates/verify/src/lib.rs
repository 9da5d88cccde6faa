//! From evidence bytes and an authority's key to facts: what was signed, by whom, and why not.
//!
//! # Guarantees
//!
//! No I/O, no clock, no configuration from the environment. A [`Facts`] is only ever made from a signature
//! that verified over the digest that was asked for; every other way out is a [`Refusal`].

mod evidence;
mod key;
mod statement;

pub use evidence::{Evidence, Facts, Form, Refusal, Signature, check};
pub use key::{HashAlgorithm, KeyAlgorithm, KeyError, PublicKey, UnknownHashAlgorithm};
