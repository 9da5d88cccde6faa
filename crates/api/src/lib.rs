//! The API group `policy.sigstore.dev`: kinds, defaulting, validation and conversion.
//!
//! ```text
//! JSON ──decode──▶ spec ──default_*──▶ spec ──validate_*──▶ FieldErrors (errors, warnings)
//!   └──convert(v1alpha1 ⇄ v1beta1)──▶ JSON           status ◀──set_condition── controllers
//! ```
//!
//! Everything here is a pure function over values: no clock, environment, file or socket. Decoding is as
//! lenient as the Policy Controller's, because objects that it stored carry zero values (`group: ""`,
//! `identities: null`); what a user may write is decided in [`validation`], with the texts that users and
//! tests of the Policy Controller already know. The crate does not match globs, resolve references or look
//! inside CUE and Rego.

pub mod conversion;
pub mod crd;
pub mod decoding;
pub mod defaulting;
pub mod field_error;
pub mod names;
pub mod spec;
pub mod status;
pub mod syntax;
pub mod v1alpha1;
pub mod v1beta1;
pub mod validation;

mod kind;
mod lenient;
mod miss;

pub use conversion::{ConversionError, convert};
pub use crd::crds;
pub use decoding::{SpecError, decode_spec};
pub use defaulting::{default_cluster_image_policy, default_trust_root};
pub use field_error::{FieldError, FieldErrors, Level};
pub use miss::{MOST_MISSES, Miss};
pub use names::GROUP;
pub use validation::{ValidationSettings, validate_cluster_image_policy, validate_trust_root};
