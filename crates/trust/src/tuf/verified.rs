//! What an update yields.

use jiff::Timestamp;

use super::archive::Archive;
use super::floor::Floor;
use crate::load::{Loaded, SourceError, from_sigstore_keys, from_trusted_root_json};
use crate::source::SigstoreKeysSource;

/// A verified repository and the trusted root in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The files that were used, as they were served: the chain of roots from the anchor, the other roles, the
    /// trusted root. From the same anchor they verify again.
    pub archive: Archive,
    /// The roles that were used: `root` (the last), `timestamp`, `snapshot`, `targets`, delegated ones.
    pub metadata: Vec<RoleState>,
    /// Which of these roles had expired; none under [`Expiry::Enforce`](super::Expiry::Enforce).
    pub expired: Vec<String>,
    /// The versions that were accepted, for later updates.
    pub floor: Floor,
    /// What trust material is built from.
    pub content: Content,
}

/// The trusted root of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Keys of a repository that has no trusted root target: its legacy layout, in the order of the targets' names.
    SigstoreKeys(SigstoreKeysSource),
    /// The `trusted_root.json`.
    TrustedRoot(Vec<u8>),
}

impl Content {
    /// Builds trust material from it. `now` is for the reports only.
    ///
    /// # Errors
    ///
    /// As [`from_trusted_root_json`] and [`from_sigstore_keys`].
    pub fn load(&self, now: Timestamp) -> Result<Loaded, SourceError> {
        match self {
            Self::SigstoreKeys(source) => from_sigstore_keys(source, now),
            Self::TrustedRoot(json) => from_trusted_root_json(json, now),
        }
    }
}

/// A role of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleState {
    /// Name.
    pub role: String,
    /// Version.
    pub version: u64,
    /// When it ends. That instant does not belong to it.
    pub expires: Timestamp,
}

impl RoleState {
    /// Returns whether the role has ended by `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }
}

impl Verified {
    /// Returns the end of the role that ends first.
    pub fn earliest_expiry(&self) -> Option<Timestamp> {
        self.metadata.iter().map(|role| role.expires).min()
    }
}

/// Verified targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The files that were used; see [`Verified::archive`].
    pub archive: Archive,
    /// The roles that were used; see [`Verified::metadata`].
    pub metadata: Vec<RoleState>,
    /// Which of these roles had expired.
    pub expired: Vec<String>,
    /// The versions that were accepted.
    pub floor: Floor,
    /// Name and bytes of each target, in the order of the request.
    pub targets: Vec<(String, Vec<u8>)>,
}

impl Download {
    pub(super) fn verified(self, content: Content) -> Verified {
        let Self { archive, metadata, expired, floor, targets: _ } = self;
        Verified { archive, metadata, expired, floor, content }
    }
}

/// Builds trust material from a verified repository. `now` is for the reports only.
///
/// # Errors
///
/// As [`from_trusted_root_json`] and [`from_sigstore_keys`].
pub fn load(verified: &Verified, now: Timestamp) -> Result<Loaded, SourceError> {
    verified.content.load(now)
}
