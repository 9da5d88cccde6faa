//! From what is written to what is trusted.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

mod artifacts;
mod default_root;
mod properties;
mod roots;
mod specs;
mod support;
