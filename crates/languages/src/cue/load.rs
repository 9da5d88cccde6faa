//! Loads the evaluator's compiled code: the one place of this workspace with `unsafe`.

use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use wasmtime::{Engine, Module};

/// Permission bits of the group and of others to write.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// The superuser.
const ROOT: u32 = 0;

/// Why there is no evaluator of CUE.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// There is no path to look at.
    #[error("CUE is not evaluated here: no file of its evaluator is named")]
    Unnamed,
    /// The file cannot be opened.
    #[error("CUE is not evaluated here: its evaluator is not at {}: {cause}", path.display())]
    Missing { path: PathBuf, cause: io::Error },
    /// Somebody else could have written the file.
    #[error(
        "CUE is not evaluated here: {} belongs to user {owner} with mode {mode:o}; expected user {expected} or root, \
         and nobody else to write it",
        path.display()
    )]
    Untrusted { path: PathBuf, owner: u32, mode: u32, expected: u32 },
    /// The file is of another version, for another processor, or none of ours.
    #[error("CUE is not evaluated here: its evaluator at {} cannot be used: {cause}", path.display())]
    Unusable { path: PathBuf, cause: String },
}

/// Loads the code at `path`, which must belong to root or to who owns our executable, and be writable by no other.
pub(super) fn load(engine: &Engine, path: &Path) -> Result<Module, LoadError> {
    let missing = |cause| LoadError::Missing { path: path.to_owned(), cause };
    let file = File::open(path).map_err(missing)?;
    let metadata = file.metadata().map_err(missing)?;
    let expected = std::env::current_exe().and_then(|path| path.metadata()).map_err(missing)?.uid();
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if (owner != ROOT && owner != expected) || mode & WRITABLE_BY_OTHERS != 0 {
        return Err(LoadError::Untrusted { path: path.to_owned(), owner, mode, expected });
    }
    // SAFETY: whoever can write the file can write our executable as well: its owner is the same, or root, and that was
    // read from the file that is mapped. The build replaces the file by renaming, so that a mapped one never changes.
    // wasmtime itself refuses what another version, configuration or processor was meant to run.
    #[allow(unsafe_code)]
    let module = unsafe { Module::deserialize_open_file(engine, file) };
    module.map_err(|cause| LoadError::Unusable { path: path.to_owned(), cause: format!("{cause:#}") })
}
