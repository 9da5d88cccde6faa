//! Trust material from sources, as its users see it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what they are built from")]

mod fingerprints;
mod own_authorities;
mod problems;
mod properties;
mod public_good;
mod support;
mod trusted_root_json;
mod tuf;
