//! The vocabulary that every other crate shares: image references, digests, and the verdict on an image.
//!
//! Nothing here knows Kubernetes, a registry or a cryptographic library, and nothing here does I/O.

mod digest;
mod image;
mod reason;
mod verdict;

pub use digest::{Digest, DigestError};
pub use image::{ImageRef, ParseError, Registry, Repository};
pub use reason::Reason;
pub use verdict::{Cause, Causes, Decision, Finding, Findings, NonEmpty, Verdict, fold};
