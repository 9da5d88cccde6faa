//! Repositories of The Update Framework: real ones, attacked ones, packed ones.

mod archives;
mod floors;
mod legacy;
mod metadata;
mod public_good;
mod python_tuf;
mod roots;
mod tampering;
mod targets;
mod tough_builder;
mod tough_client;

use std::path::{Path, PathBuf};

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

/// Returns all files below `folder`, by their paths in it.
fn folder(folder: &Path) -> Archive {
    let mut archive = Archive::default();
    let mut open = vec![PathBuf::from(folder)];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                archive.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    archive
}

/// Returns `archive` with one byte of the file at `path` changed: in metadata the last digit of the year in which
/// it ends, which is under its signatures, and the one in the middle of a target.
fn with_a_changed_byte(archive: &Archive, path: &str) -> Archive {
    const EXPIRES: &[u8] = b"\"expires\"";
    let mut bytes = archive.get(path).unwrap().to_vec();
    let expires = bytes.windows(EXPIRES.len()).position(|window| window == EXPIRES);
    let at = match expires {
        // From the name to the value's `20`, and two digits further.
        Some(name) => name + bytes[name..].windows(3).position(|window| window == b"\"20").unwrap() + 4,
        None => bytes.len() / 2,
    };
    bytes[at] ^= 1;
    let mut changed = archive.clone();
    changed.insert(path, bytes);
    changed
}

/// Checks that `read`, which starts from root number `root`, accepts `used` and refuses it with a byte changed in any
/// one of its files, for what is wrong with that file.
fn refuse_each_changed_byte(
    used: &Archive,
    root: u64,
    read: impl Fn(&Archive) -> Result<Verified, TufError>,
) {
    read(used).unwrap();
    for (path, _) in used.files() {
        let error = read(&with_a_changed_byte(used, path)).unwrap_err();
        let named = if path == format!("{root}.root.json") { "the first root" } else { path };
        assert!(
            matches!(&error, TufError::Threshold { file, .. } | TufError::HashMismatch { file, .. }
                if file == named),
            "{path} from root {root}: {error}"
        );
    }
}
