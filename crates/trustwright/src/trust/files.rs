//! Where the files of a TUF repository are read from.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use trustwright_mirror::{Error, Mirror as HttpMirror};
use trustwright_trust::tuf::{Archive, FetchError, Mirror};

use super::{checkout, role_name};

/// Longest time for all files of a mirror together.
const PATIENCE: Duration = Duration::from_mins(2);

/// A place with the files of a TUF repository.
#[derive(Debug)]
pub(crate) enum Files {
    /// A tar.gz, unpacked.
    Archive(Archive),
    /// A git checkout of a repository, whose files have other names.
    Checkout(PathBuf),
    /// A folder, of which only those files are read that are needed.
    Folder(PathBuf),
    /// A mirror over HTTP or HTTPS, and when to give it up.
    Http(HttpMirror, Instant),
}

impl Files {
    /// Reads from a mirror, for a while from now on.
    pub(crate) fn over_http(mirror: HttpMirror) -> Self {
        Self::Http(mirror, Instant::now() + PATIENCE)
    }

    /// Returns the version of the lowest root. A mirror cannot be asked, and should have version 1.
    pub(super) fn lowest_root(&self) -> io::Result<Option<u64>> {
        match self {
            Self::Archive(archive) => Ok(archive.files().filter_map(|(path, _)| root_version(path)).min()),
            Self::Checkout(folder) => lowest_in(&folder.join(checkout::ROOTS)),
            Self::Folder(folder) => lowest_in(folder),
            Self::Http(..) => Ok(Some(1)),
        }
    }
}

fn root_version(name: &str) -> Option<u64> {
    name.strip_suffix(".root.json")?.parse().ok()
}

fn lowest_in(folder: &Path) -> io::Result<Option<u64>> {
    let mut lowest = None;
    for entry in folder.read_dir()? {
        let found = entry?.file_name().to_str().and_then(root_version);
        lowest = [lowest, found].into_iter().flatten().min();
    }
    Ok(lowest)
}

impl Mirror for Files {
    async fn fetch(&self, path: &str, max_length: u64) -> Result<Option<Vec<u8>>, FetchError> {
        match self {
            Self::Archive(archive) => archive.fetch(path, max_length).await,
            Self::Checkout(folder) => read_within(folder, &checkout::path(path), max_length),
            Self::Folder(folder) => match read_within(folder, path, max_length)? {
                Some(bytes) => Ok(Some(bytes)),
                None => read_within(folder, &role_name::file(path), max_length),
            },
            Self::Http(mirror, deadline) => match mirror.get(path, max_length, *deadline).await {
                Ok(found) => Ok(found.map(Vec::from)),
                Err(Error::TooLarge { .. }) => Err(FetchError::TooLong { max_length }),
                Err(error) => Err(FetchError::Transport(error.into())),
            },
        }
    }
}

/// Reads a file below `folder`. A name that would lead out of it names no file.
fn read_within(folder: &Path, path: &str, max_length: u64) -> Result<Option<Vec<u8>>, FetchError> {
    let path = Path::new(path);
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(None);
    }
    match read_regular(&folder.join(path), max_length) {
        Ok(Some(bytes)) => Ok(Some(bytes)),
        Ok(None) => Err(FetchError::TooLong { max_length }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FetchError::Transport(error.into())),
    }
}

fn read_regular(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    // Asked before it is opened: a named pipe would wait for a writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    bounded(File::open(path)?, limit)
}

/// Reads what the user names, a pipe also; `None` where it has more than `limit` bytes.
pub(crate) fn read_named(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    bounded(File::open(path)?, limit)
}

/// Reads to the end; `None` where that is more than `limit` bytes away.
pub(crate) fn bounded(reader: impl io::Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_what_is_below_it_only() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (path, found) in [
            ("Cargo.toml", true),
            ("src/main.rs", true),
            ("src/none.rs", false),
            ("src/../Cargo.toml", false),
            ("../trust/Cargo.toml", false),
            ("/etc/hostname", false),
        ] {
            assert_eq!(read_within(folder, path, 1 << 20).unwrap().is_some(), found, "{path}");
        }
        assert!(matches!(read_within(folder, "Cargo.toml", 10), Err(FetchError::TooLong { max_length: 10 })));
        assert!(matches!(read_within(folder, "src", 10), Err(FetchError::Transport(_))));
    }
}
