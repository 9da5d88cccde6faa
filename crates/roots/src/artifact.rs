//! A verified repository in the form in which a status keeps it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use trustwright_trust::tuf::{
    self, Archive, ArchiveError, Content, Expiry, Failure, Floor, Limits, Request, RoleState, Verified,
};

use crate::{Anchor, chain};

/// Most bytes of base64 in a status.
pub const MAX_PACKED: usize = 512 << 10;

/// A verified TUF repository, packed. Holds what material is built from, and not the files once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The files as tar.gz in base64.
    pub packed: String,
    /// The roles.
    pub metadata: Vec<RoleState>,
    /// The versions.
    pub floor: Floor,
    /// What trust material is built from.
    pub content: Content,
}

/// Why there is no artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It is larger than a status holds.
    #[error("the verified repository packs to more than {MAX_PACKED} bytes of base64: {0}")]
    TooLarge(#[source] ArchiveError),
    /// The text is no base64.
    #[error("it is no base64")]
    Base64(#[source] base64::DecodeError),
    /// The archive cannot be read.
    #[error("it cannot be unpacked: {}", chain(.0))]
    Archive(#[source] ArchiveError),
    /// The repository does not verify.
    #[error("it does not verify: {}", chain(&.0.error))]
    Verification(#[source] Box<Failure>),
}

impl Artifact {
    /// Packs what an update verified.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::TooLarge`].
    pub fn of(verified: Verified) -> Result<Self, ArtifactError> {
        // Three bytes are four characters.
        let limit = (MAX_PACKED / 4 * 3) as u64;
        let packed = verified.archive.pack(limit).map_err(ArtifactError::TooLarge)?;
        Ok(Self::with(STANDARD.encode(packed), verified))
    }

    /// Verifies `packed` from the anchor. Nobody needs to have vouched for the text.
    ///
    /// With a floor the repository had been verified before, so that it may have expired since; without one it is like
    /// a first download, and must not have. A floor that says nothing is none: it shows that a mirror was asked, not
    /// that anything was in force.
    ///
    /// # Errors
    ///
    /// All but [`ArtifactError::TooLarge`].
    pub fn restore(
        packed: &str,
        anchor: &Anchor,
        floor: Option<&Floor>,
        now: Timestamp,
    ) -> Result<Self, ArtifactError> {
        let limits = Limits::default();
        let archive = unpack(packed, &limits)?;
        let none = Floor::default();
        let floor = floor.filter(|floor| **floor != none);
        let expiry = if floor.is_some() { Expiry::Keep } else { Expiry::Enforce };
        let request = Request {
            target: &anchor.target,
            expiry,
            ..Request::new(&anchor.root, floor.unwrap_or(&none), &limits, now)
        };
        let verified = tuf::verify(&request, &archive).map_err(ArtifactError::Verification)?;
        Ok(Self::with(packed.to_owned(), verified))
    }

    /// Returns the files.
    ///
    /// # Errors
    ///
    /// Does not fail for what [`of`](Self::of) and [`restore`](Self::restore) returned.
    pub fn archive(&self) -> Result<Archive, ArtifactError> {
        unpack(&self.packed, &Limits::default())
    }

    fn with(packed: String, verified: Verified) -> Self {
        let Verified { archive: _, metadata, expired: _, floor, content } = verified;
        Self { packed, metadata, floor, content }
    }
}

fn unpack(packed: &str, limits: &Limits) -> Result<Archive, ArtifactError> {
    let bytes = STANDARD.decode(packed).map_err(ArtifactError::Base64)?;
    Archive::unpack(&bytes, limits).map_err(ArtifactError::Archive)
}
