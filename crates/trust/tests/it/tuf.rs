//! Repositories of The Update Framework: real ones, attacked ones, packed ones.

mod archives;
mod floors;
mod legacy;
mod metadata;
mod public_good;
mod roots;
mod tampering;
mod targets;

use trustwright_trust::tuf::{Archive, Failure, Floor, Limits, Request, TufError, Verified, verify};

use crate::support::now;
use trustwright_testkit::tuf_repository::Repository;

/// Verifies `archive` from the repository's first root, with what `adjust` makes of the usual request.
fn run(
    repository: &Repository,
    archive: &Archive,
    adjust: impl for<'a> FnOnce(&mut Request<'a>),
) -> Result<Verified, Box<Failure>> {
    let (floor, limits) = (Floor::default(), Limits::default());
    let mut request = Request::new(repository.first_root(), &floor, &limits, now());
    adjust(&mut request);
    verify(&request, archive)
}

fn accept(repository: &Repository, archive: &Archive) -> Verified {
    run(repository, archive, |_| ()).unwrap()
}

fn refuse(repository: &Repository, archive: &Archive) -> TufError {
    run(repository, archive, |_| ()).unwrap_err().error
}

/// Verifies `archive` after `known`, with `floor`.
fn after(
    repository: &Repository,
    archive: &Archive,
    known: Option<&Archive>,
    floor: &Floor,
) -> Result<Verified, TufError> {
    let limits = Limits::default();
    let request = Request { known, ..Request::new(repository.first_root(), floor, &limits, now()) };
    verify(&request, archive).map_err(|failure| failure.error)
}
