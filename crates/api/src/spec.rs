//! The types of `spec`, shared by all versions.
//!
//! They hold what the user wrote: URLs, patterns and base64 stay text until validation or compilation.

pub mod authority;
pub mod cluster_image_policy;
pub mod encoded;
pub mod policy_body;
pub mod trust_root;

pub use encoded::Base64Data;
