//! From a `TrustRoot` object to what is trusted: one piece for the controller, every webhook replica and the command
//! line.
//!
//! ```text
//! spec ──read──> Spec ── sigstoreKeys, repository ─────────────────> Root::of_spec ─┐
//!                  ├──── trustedRoot: the text ────────────────────> Root::of_text ─┼──> Root
//!                  └──── remote: Artifact::of (download)             Root::of_artifact ─┘
//!                                Artifact::restore (status)
//! ```
//!
//! # Guarantees
//!
//! - What comes from a status is verified again from the root in the spec, and never below the floor.
//! - Expired metadata counts only where it was verified before it expired, or where the author of the spec vouches for
//!   it; and only for as long as the spec says.
//! - A source without TUF is built from the spec or from the text that it names, never from a status.

mod artifact;
mod default_root;
mod floors;
mod refusal;
mod root;
mod spec;
mod standing;

pub use artifact::{Artifact, ArtifactError, MAX_PACKED};
pub use default_root::{DEFAULT_MIRROR, DEFAULT_NAME, DefaultRoot, EMBEDDED_ROOT, anchored};
pub use floors::{FLOORS_SECRET, FloorEntry, floor_key};
pub use refusal::{Refusal, chain};
pub use root::Root;
pub use spec::{
    Anchor, Entry, EntryKind, Remote, Repository, Source, SourceKind, Spec, Text, read, sigstore_keys_source,
};
pub use standing::{OnExpiry, Rule, Standing};
