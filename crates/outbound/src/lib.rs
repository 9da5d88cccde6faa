//! What every outgoing HTTP client here has in common: where it may connect, how much it reads and for how long,
//! and what became of a request that got no answer.
//!
//! ```text
//! builder                                  proxies, name resolution, no redirects
//! names_refused_address, redirect_target   where a connection may go
//! earliest, read                           time and size limits
//! NoAnswer                                 why no answer came
//! root_cause, without_secrets              what an error may say of it
//! ```
//!
//! The clients differ in what they ask and in what an answer means to them; so each has its own errors, its own
//! counts and its own word for what it refuses. This crate knows neither registries nor mirrors, sends no request
//! and holds no credential.

mod address;
mod body;
mod client;
mod message;
mod no_answer;

pub use address::{names_refused_address, redirect_target};
pub use body::{Bounds, Unread, earliest, read};
pub use client::{Proxies, builder};
pub use message::{root_cause, without_secrets};
pub use no_answer::NoAnswer;
