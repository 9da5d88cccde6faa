//! How the files of a TUF mirror are fetched over HTTP: bounded, polite, and believing nothing.
//!
//! The crate knows no TUF. It returns bytes, or says that a file is not there, is unchanged, or why it cannot be
//! had; what the bytes are worth is for those who verify them. Nothing is repeated here and nothing is
//! remembered: when to ask again is the caller's decision, and [`Error::retry_after`] is what the mirror wishes.
//!
//! ```text
//! Mirror ── get · get_if_changed                      what is asked, what an answer means
//!   path ── the URL of a file                         nothing outside of the mirror's folder
//!   exchange ── redirects, credential, time limits    one fetch
//!     body ── size limit, pauses, captive portals     its bytes
//!     outbound ── DNS, reading, causes                what every client here has in common
//! ```
//!
//! What it refuses to do:
//! - to send a credential over plain HTTP, to another host than the one that it is for, or across a redirect;
//! - to follow a redirect from HTTPS to HTTP, or more than five of them;
//! - to connect to a link-local address, where clouds serve the credentials of their machines;
//! - to read more bytes, or for longer, than the caller allows;
//! - to take a login page for metadata;
//! - to quote a mirror's body, a credential, or the query of a URL in an error.

mod body;
mod config;
mod credential;
mod error;
mod exchange;
mod failure;
mod mirror;
mod outcome;
mod path;
mod retry_after;

pub use config::{BuildError, MirrorConfig, Timeouts};
pub use credential::{Credential, HostCredential};
pub use error::{Error, Invalid, Outage, PathProblem, Refusal, Request, Wait};
pub use mirror::{Conditional, Mirror, Validators};
pub use outcome::{Outcome, Requests};
pub use trustwright_outbound::Proxies;
