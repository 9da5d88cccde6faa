//! A repository's files as one value.

use std::collections::BTreeMap;
use std::io::{self, Read as _};

use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};

use super::limits::Limits;

/// The folder that archives of Sigstore's tools have around the repository.
const FOLDER: &str = "repository/";

/// The files of a TUF repository by path: `15.root.json`, `timestamp.json`, `targets/<hash>.trusted_root.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archive {
    files: BTreeMap<String, Vec<u8>>,
}

/// Why bytes are no archive, or an archive cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Two members have the same name once it is cleaned; which one counts would depend on the reader.
    #[error("{name} is there more than once")]
    Duplicate {
        /// Cleaned name.
        name: String,
    },
    /// The bytes are not a gzip stream, or end before it does.
    #[error("the gzip stream is damaged or cut off")]
    Gzip(#[source] io::Error),
    /// More compressed bytes than are read.
    #[error("the archive has {size} bytes, of which at most {limit} are allowed")]
    InputTooLarge {
        /// Its size.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A member is larger than one may be.
    #[error("{name} has {size} bytes, of which at most {limit} are allowed")]
    MemberTooLarge {
        /// Its name as it stands in the archive.
        name: String,
        /// Its size.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The packed archive is larger than it may be.
    #[error("the packed repository has {size} bytes, of which at most {limit} are allowed")]
    TooLarge {
        /// Its size.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// More members than one archive may have.
    #[error("the archive has more than {limit} members")]
    TooManyMembers {
        /// What is allowed.
        limit: u32,
    },
    /// What is packed is not a tar file, or ends before it does.
    #[error("the tar file is damaged or cut off")]
    Tar(#[source] io::Error),
    /// A member ends before its stated size.
    #[error("{name} has {actual} of its {expected} bytes")]
    Truncated {
        /// Its name as it stands in the archive.
        name: String,
        /// Stated size.
        expected: u64,
        /// Bytes that are there.
        actual: u64,
    },
    /// A name that leads out of the repository, or that readers understand differently.
    #[error("the name {name:?} is not a path within the repository")]
    UnsafeName {
        /// The name as it stands in the archive.
        name: String,
    },
    /// The archive unpacks to more than is read: a gzip bomb.
    #[error("the archive unpacks to more than {limit} bytes")]
    UnpackedTooLarge {
        /// What is allowed.
        limit: u64,
    },
    /// A member that is neither a file nor a folder: a link, a device.
    #[error("{name} is neither a file nor a folder but of type {found:?}")]
    UnexpectedType {
        /// Its name as it stands in the archive.
        name: String,
        /// The type's character in the tar file.
        found: char,
    },
}

impl Archive {
    /// Unpacks a tar.gz.
    ///
    /// Names are cleaned as the Policy Controller does: relative to `/`, and without a leading `repository/`. Every
    /// member is read whole, and the checksum of the whole stream is checked.
    ///
    /// # Errors
    ///
    /// Each bound of `limits` and each form of member that is refused has its variant of [`ArchiveError`].
    pub fn unpack(tar_gz: &[u8], limits: &Limits) -> Result<Self, ArchiveError> {
        let size = tar_gz.len() as u64;
        if size > limits.compressed {
            return Err(ArchiveError::InputTooLarge { size, limit: limits.compressed });
        }
        if tar_gz.is_empty() {
            return Err(ArchiveError::Gzip(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut tar = Vec::new();
        let mut bounded = MultiGzDecoder::new(tar_gz).take(limits.unpacked.saturating_add(1));
        bounded.read_to_end(&mut tar).map_err(ArchiveError::Gzip)?;
        if tar.len() as u64 > limits.unpacked {
            return Err(ArchiveError::UnpackedTooLarge { limit: limits.unpacked });
        }
        Self::untar(&tar, limits)
    }

    fn untar(tar: &[u8], limits: &Limits) -> Result<Self, ArchiveError> {
        let mut archive = Self::default();
        for (members, entry) in (0..).zip(tar::Archive::new(tar).entries().map_err(ArchiveError::Tar)?) {
            let mut entry = entry.map_err(ArchiveError::Tar)?;
            if members == limits.members {
                return Err(ArchiveError::TooManyMembers { limit: limits.members });
            }
            let raw = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let kind = entry.header().entry_type();
            if !kind.is_file() && !kind.is_dir() {
                return Err(ArchiveError::UnexpectedType { name: raw, found: char::from(kind.as_byte()) });
            }
            // Old tar files know a folder by its name alone.
            if kind.is_dir() || (raw.ends_with('/') && entry.size() == 0) {
                check_folder(&raw)?;
                continue;
            }
            let name = clean(&raw)?;
            let expected = entry.size();
            if expected > limits.member {
                return Err(ArchiveError::MemberTooLarge { name: raw, size: expected, limit: limits.member });
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(ArchiveError::Tar)?;
            let actual = bytes.len() as u64;
            if actual != expected {
                return Err(ArchiveError::Truncated { name: raw, expected, actual });
            }
            if archive.files.insert(name.clone(), bytes).is_some() {
                return Err(ArchiveError::Duplicate { name });
            }
        }
        Ok(archive)
    }

    /// Packs the archive as tar.gz: the same files give the same bytes, whoever packs them and when.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::TooLarge`] when there are more than `limit` bytes, [`ArchiveError::UnsafeName`] for a name that
    /// [`Archive::unpack`] would refuse or change.
    pub fn pack(&self, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
        let mut tar = tar::Builder::new(gzip);
        for (name, bytes) in &self.files {
            if clean(name)? != *name {
                return Err(ArchiveError::UnsafeName { name: name.clone() });
            }
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            tar.append_data(&mut header, name, bytes.as_slice()).map_err(ArchiveError::Tar)?;
        }
        let packed =
            tar.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(ArchiveError::Tar)?;
        let size = packed.len() as u64;
        if size > limit {
            return Err(ArchiveError::TooLarge { size, limit });
        }
        Ok(packed)
    }

    /// Returns the file at `path`.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// Puts a file at `path`; returns what was there.
    pub fn insert(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Option<Vec<u8>> {
        self.files.insert(path.into(), bytes.into())
    }

    /// Returns these files with the roots of `newer` among them, and nothing else of it.
    ///
    /// For last good files after an update that saw a new root and then failed ([`Failure`](super::Failure)): they
    /// verify at the new floor if the new root still has their keys, and no longer if it revoked them.
    #[must_use]
    pub fn with_roots_of(&self, newer: &Self) -> Self {
        let mut joined = self.clone();
        let is_root = |path: &str| path.strip_suffix(".root.json").is_some_and(|v| v.parse::<u64>().is_ok());
        joined.files.extend(
            newer
                .files()
                .filter(|(path, _)| is_root(path))
                .map(|(path, bytes)| (path.to_owned(), bytes.to_vec())),
        );
        joined
    }

    /// Returns all files with their paths, in the order of these.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }
}

impl<P: Into<String>, B: Into<Vec<u8>>> FromIterator<(P, B)> for Archive {
    fn from_iter<T: IntoIterator<Item = (P, B)>>(files: T) -> Self {
        Self { files: files.into_iter().map(|(path, bytes)| (path.into(), bytes.into())).collect() }
    }
}

/// Returns the name relative to the repository.
fn clean(raw: &str) -> Result<String, ArchiveError> {
    let steps = steps(raw)?;
    let joined = steps.join("/");
    let name = joined.strip_prefix(FOLDER).unwrap_or(&joined);
    if name.is_empty() {
        return Err(ArchiveError::UnsafeName { name: raw.to_owned() });
    }
    Ok(name.to_owned())
}

fn check_folder(raw: &str) -> Result<(), ArchiveError> {
    steps(raw).map(|_| ())
}

/// Splits a name, without its empty steps and those that stay in place.
fn steps(raw: &str) -> Result<Vec<&str>, ArchiveError> {
    let odd = |c: char| c == '\\' || c == char::REPLACEMENT_CHARACTER || c.is_control();
    let steps: Vec<_> = raw.split('/').filter(|step| !step.is_empty() && *step != ".").collect();
    if steps.contains(&"..") || raw.contains(odd) {
        return Err(ArchiveError::UnsafeName { name: raw.to_owned() });
    }
    Ok(steps)
}
