//! Languages inside fields, in the dialects that manifests were written for.
//!
//! The Policy Controller reads them with Go's standard library and Go's container registry library; what is legal
//! here is what was legal there, and the texts of refusals are theirs.

pub mod duration;
pub mod glob;
pub mod kms;
pub mod oci;
pub mod public_key;
pub mod regexp;
pub mod url;
