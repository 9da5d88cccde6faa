//! Repositories, and what is made of them.

use jiff::Timestamp;
use trustwright_roots::{Anchor, Artifact, ArtifactError};
use trustwright_testkit::tuf_repository::Repository;
use trustwright_trust::tuf::{self, Archive, Floor, Limits, Request};

/// Long before any role of a new repository ends.
pub(crate) const BEFORE: &str = "2026-08-22T12:00:00Z";
/// The last second of all of them.
pub(crate) const LAST: &str = "2026-09-29T23:59:59Z";
/// The moment at which they end.
pub(crate) const END: &str = "2026-09-30T00:00:00Z";

pub(crate) fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

pub(crate) fn anchor(repository: &Repository) -> Anchor {
    Anchor { root: repository.first_root().to_vec(), target: tuf::TRUSTED_ROOT_TARGET.to_owned() }
}

/// What a first download brings.
pub(crate) fn download(repository: &Repository) -> Result<Artifact, ArtifactError> {
    let (floor, limits) = (Floor::default(), Limits::default());
    let request = Request::new(repository.first_root(), &floor, &limits, at(BEFORE));
    Artifact::of(tuf::verify(&request, &repository.publish()).unwrap())
}

/// Files as a status holds them, whoever wrote it.
pub(crate) fn packed(files: &Archive) -> String {
    trustwright_api::spec::Base64Data::encode(files.pack(64 << 20).unwrap()).0
}
