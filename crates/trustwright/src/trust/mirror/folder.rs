//! The folder that is served.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use trustwright_trust::tuf::{
    self, Archive, Expiry, Failure, FetchError, Floor, Limits, Mirror, Request, TufError, Verified,
};

use super::order::{TIMESTAMP, published, root_version};
use crate::trust::Terms;
use crate::trust::check::GivenRoot;
use crate::trust::files::{Files, bounded};
use crate::trust::role_name;

/// The file that a process locks while it keeps the folder; it stays, and is empty.
const LOCK: &str = ".trustwright.lock";
/// What a file is called until it is whole. One is written at a time.
const UNFINISHED: &str = ".trustwright.new";

/// A folder that this process keeps, and no other.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Locked until the process ends, in whatever way.
    _lock: File,
}

/// What a folder holds.
#[derive(Debug)]
pub(super) struct Held {
    /// Its files that verify.
    pub(super) archive: Archive,
    /// The versions below which nothing is published.
    pub(super) floor: Floor,
    /// Whether there is a root that the rest of the folder is too old for.
    pub(super) is_interrupted: bool,
}

impl Folder {
    /// Makes the folder where it is not there, and locks it.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        fs::create_dir_all(path).with_context(|| format!("cannot make {name}"))?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK));
        let lock = lock.with_context(|| format!("cannot write in {name}"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!("{name} is kept by another process"),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {name}")),
        }
    }

    /// Verifies what is there, expired or not. What is missing will be read again; what was changed is an error.
    pub(super) async fn held(
        &self,
        root: &GivenRoot,
        terms: &Terms,
        limits: &Limits,
    ) -> anyhow::Result<Held> {
        let floor = Floor::default();
        let request = Request {
            target: terms.target(),
            expiry: Expiry::Keep,
            ..Request::new(&root.bytes, &floor, limits, terms.now())
        };
        let failure = match self.verify(&request, u64::MAX).await {
            Ok(verified) => return Ok(Held::from(verified)),
            Err(failure) => *failure,
        };
        if failure.archive.files().next().is_none() {
            return Err(failure.error).context(format!("--root: {} cannot be started from", root.name));
        }
        match &failure.error {
            // No such file here, or none yet.
            TufError::Missing { .. } | TufError::NoTrustedRoot { .. } => {
                Ok(Held { archive: failure.archive, floor: failure.floor, is_interrupted: false })
            }
            _ => self.interrupted(&request, failure).await,
        }
    }

    /// Looks for an older root that the rest of the folder verifies from. There is one where a process was ended
    /// after it wrote a root with other keys, and before it wrote the timestamp.
    async fn interrupted(&self, request: &Request<'_>, failure: Failure) -> anyhow::Result<Held> {
        let next = format!("{}.root.json", failure.floor.root.saturating_add(1));
        // Else it is that root which was changed.
        if !self.path.join(&next).exists() {
            let first = failure.archive.files().filter_map(|(path, _)| root_version(path)).min();
            for last in (first.unwrap_or_default()..failure.floor.root).rev() {
                if let Ok(older) = self.verify(request, last).await {
                    return Ok(Held {
                        archive: older.archive.with_roots_of(&failure.archive),
                        floor: older.floor.max(&failure.floor),
                        is_interrupted: true,
                    });
                }
            }
        }
        Err(failure.error).context(format!("{self} was changed, or is of another repository"))
    }

    async fn verify(&self, request: &Request<'_>, last_root: u64) -> Result<Verified, Box<Failure>> {
        tuf::update(request, &UpTo { files: Files::Folder(self.path.clone()), last_root }).await
    }

    /// Returns a file of the folder, where it has one of at most `limit` bytes.
    pub(super) async fn get(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        Files::Folder(self.path.clone()).fetch(path, limit).await.ok().flatten()
    }

    /// Writes what is not there yet, each file whole or not at all, and returns how many that were.
    ///
    /// # Errors
    ///
    /// A file is there with other content although its name says which content it has. Nothing was written then.
    pub(super) fn publish(&self, archive: &Archive) -> anyhow::Result<usize> {
        let mut missing = Vec::new();
        for (path, bytes) in published(archive) {
            let path = role_name::file(path);
            let is_safe = Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
            ensure!(is_safe && !path.contains(UNFINISHED), "{path:?} is not a name for a file in {self}");
            match self.compare(&path, bytes).with_context(|| format!("cannot read {self}/{path}"))? {
                Found::Same => {}
                Found::Other if path != TIMESTAMP => {
                    bail!(
                        "{self}/{path} was changed: it is not the file that the repository has under this name"
                    );
                }
                Found::Other | Found::Nothing => missing.push((path, bytes)),
            }
        }
        for (path, bytes) in &missing {
            self.write(path, bytes).with_context(|| format!("cannot write {self}/{path}"))?;
        }
        Ok(missing.len())
    }

    fn compare(&self, path: &str, expected: &[u8]) -> io::Result<Found> {
        let full = self.path.join(path);
        match full.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            // A link may lead to what others can change.
            Ok(found) if !found.is_file() => return Ok(Found::Other),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let found = bounded(File::open(full)?, expected.len() as u64)?;
        Ok(if found.as_deref() == Some(expected) { Found::Same } else { Found::Other })
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let full = self.path.join(path);
        let folder = full.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder)?;
        let unfinished = folder.join(UNFINISHED);
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&unfinished, &full)?;
        // The name also has to outlive a power cut, and before the next one.
        File::open(folder)?.sync_all()
    }
}

/// What is there under a name.
enum Found {
    Nothing,
    Other,
    Same,
}

impl From<Verified> for Held {
    fn from(verified: Verified) -> Self {
        Self { archive: verified.archive, floor: verified.floor, is_interrupted: false }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

/// A folder without its later roots.
struct UpTo {
    files: Files,
    last_root: u64,
}

impl Mirror for UpTo {
    async fn fetch(&self, path: &str, max_length: u64) -> Result<Option<Vec<u8>>, FetchError> {
        if root_version(path).is_some_and(|version| version > self.last_root) {
            return Ok(None);
        }
        self.files.fetch(path, max_length).await
    }
}
