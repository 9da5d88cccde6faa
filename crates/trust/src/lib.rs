//! Trust material as a value: sources in, [`TrustMaterial`] and one [`KeyReport`] per key out.
//!
//! ```text
//! SigstoreKeysSource ──┐
//!                      ├─> candidates ──> assemble ──> Loaded { material, reports }
//! trusted_root.json  ──┘   one per key    probe,       │
//!                          parsed alone   duplicates   ├─> fingerprint()
//!                                                      └─> to_trusted_root() ──> verifier
//! ```
//!
//! A `trusted_root.json`, or the keys in its place, may come from a TUF repository: [`tuf`].
//!
//! # Guarantees
//!
//! - One unusable key never voids a root: it is reported with its [`KeyProblem`] and left out.
//! - Everything in a [`TrustMaterial`] is accepted by the verifier: each entry has been offered to it alone.
//! - The [`Fingerprint`] depends on the trusted material only, never on order, duplicates, metadata or unusable
//!   keys.
//!
//! # Refuses to do
//!
//! It opens no socket or file and reads no clock: `now` is a parameter. It decides nothing about an image. A
//! section that is missing, or in which nothing was usable, is an empty list; whoever needs a log or an authority
//! and finds none must refuse, not skip the check.

mod chain;
mod key;
mod load;
mod log_id;
mod manifest;
mod material;
mod pem_text;
mod problem;
mod report;
mod source;
pub mod tuf;
mod verifier;

pub use key::{KeyAlgorithm, PublicKey};
pub use load::{Loaded, SourceError, from_certificates, from_sigstore_keys, from_trusted_root_json};
pub use log_id::LogId;
pub use manifest::sigstore_keys_manifest;
pub use material::{Authority, Fingerprint, HashAlgorithm, Log, Subject, TrustMaterial, Window};
pub use problem::KeyProblem;
pub use report::{KeyKind, KeyReport, Phase, Usability};
pub use source::{CertificateAuthoritySource, LogSource, SigstoreKeysSource};
pub use verifier::{VerifierFormError, to_trusted_root};
