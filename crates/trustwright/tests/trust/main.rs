//! `trustwright trust`, as it is built: arguments in, output and exit status out. No cluster is needed.

// A panic is how a test fails, also in what tests share.
#![allow(clippy::unwrap_used)]

mod differences;
mod fixture;
mod follow;
mod keys;
mod mirror;
mod objects;
mod public_good;
mod refusals;
mod time;
