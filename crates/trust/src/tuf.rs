//! The client workflow of The Update Framework (TUF specification 1.0.3x, section 5) over ports.
//!
//! ```text
//! root in spec ─┐
//! Mirror ───────┼─> update ──> Verified { archive, metadata, expired, floor, content } ──> load ──> Loaded
//! known, floor ─┘      └─────> Failure { error, archive, floor }
//! ```
//!
//! [`update`] reads from a [`Mirror`], which does the input and output; an [`Archive`] is one in memory. What comes
//! out holds the files that were used, and [`verify`] accepts just these files again from the same root.
//!
//! # Guarantees
//!
//! - Nothing is trusted that does not chain to the root that the caller gives.
//! - No role goes below the [`Floor`] or below known metadata, unless a root rotated the keys of `timestamp` or
//!   `snapshot` since (section 5.3.11).
//! - Every download is bounded by [`Limits`], and so is everything that is unpacked.
//!
//! # Assumptions
//!
//! The caller bounds a [`Mirror`] in time. Times are `now` as the caller says.

mod archive;
mod client;
mod error;
mod floor;
mod integrity;
mod legacy;
mod limits;
mod mirror;
mod search;
mod update;
mod verified;
mod workflow;

pub use archive::{Archive, ArchiveError};
pub use error::{Failure, TufError};
pub use floor::Floor;
pub use limits::Limits;
pub use mirror::{FetchError, Mirror};
pub use update::{Expiry, Request, download, update, verify};
pub use verified::{Content, Download, RoleState, Verified, load};

/// The target that holds a Sigstore trusted root where nothing else is said.
pub const TRUSTED_ROOT_TARGET: &str = "trusted_root.json";
