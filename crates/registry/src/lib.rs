//! A read-only client of OCI registries for callers that serve many tenants.
//!
//! It resolves tags, and reads manifests, blobs and referrers (OCI distribution specification 1.1). Every
//! call takes the credential to use and the deadline to keep; every body has a size limit; every digest that
//! is known is checked over every byte.
//!
//! ```text
//! Client ── resolve · manifest · blob · referrers      what is asked, what an answer must look like
//!   Exchange ── 401 → token, redirects                 who may see which credential
//!     Wire ── limits of time and rate, retries, http   one HTTP request
//!       outbound ── DNS, reading, causes               what every client here has in common
//! ```
//!
//! What it refuses to do:
//! - to use one caller's credential or token for another, or to send either to another host than the
//!   registry and the token service that it names;
//! - to connect to a link-local address, where clouds serve their machine credentials;
//! - to speak plain HTTP with any host that is not local (see [`PlainHttp`]), unless its configuration says so;
//! - to quote a registry's body, or a credential, in an error.

mod address;
mod auth;
mod auth_file;
mod body;
mod client;
mod config;
mod content;
mod credential;
mod error;
mod exchange;
mod keychain;
mod live;
mod memory;
mod metrics;
mod registries;
mod wire;

pub use auth_file::{AuthFileError, AuthFileProblem};
pub use client::{Client, Manifest, Reference, Referrers, ReferrersSource};
pub use config::{BuildError, ClientConfig, HostLimits, Limits, PlainHttp, Retries, Timeouts};
pub use content::{Descriptor, ImageManifest, Index};
pub use credential::Credential;
pub use error::{Answer, Error, Invalid, Object, Outage, Refusal, Request};
pub use keychain::{Keychain, KeychainError, KeychainFormat};
pub use metrics::{Metrics, Operation, Outcome};
pub use registries::{FieldProblem, RegistriesError, RegistriesProblem};
pub use trustwright_outbound::Proxies;

/// Whether `headers` hold a challenge (`WWW-Authenticate`, RFC 9110, section 11.6.1) that is answered; for fuzzing.
#[doc(hidden)]
pub fn has_challenge(headers: &reqwest::header::HeaderMap) -> bool {
    auth::challenge(headers).is_some()
}
