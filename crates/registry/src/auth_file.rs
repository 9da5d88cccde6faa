//! The credentials of the process itself, in files.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use trustwright_core::Repository;

use crate::{Credential, Keychain, KeychainError, KeychainFormat, live::Source};

/// Bytes of a file; the most that a Secret may have.
const MAX_BYTES: u64 = 1 << 20;

/// Why a file with credentials cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct AuthFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: AuthFileProblem,
}

/// What is wrong with a file of credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthFileProblem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// It is larger than any such file.
    #[error("is larger than the limit of {MAX_BYTES} bytes")]
    TooLarge,
    /// It holds something else.
    #[error("{0}")]
    Document(#[from] KeychainError),
}

/// The files, in the order in which they are asked.
pub(crate) struct AuthFiles(pub(crate) Vec<PathBuf>);

/// What they hold, in the same order.
pub(crate) struct Keychains(Vec<Keychain>);

impl Keychains {
    /// What the first file that has something for a repository says.
    pub(crate) fn credential(&self, repository: &Repository) -> Credential {
        let found = self.0.iter().map(|keychain| keychain.credential(repository));
        found.into_iter().find(|found| *found != Credential::Anonymous).unwrap_or(Credential::Anonymous)
    }
}

impl Source for AuthFiles {
    /// The bytes of each file, or nothing where there is none: one that is removed takes its credentials along.
    type Raw = Vec<Option<Vec<u8>>>;
    type Value = Keychains;
    type Problem = AuthFileError;

    fn read(&self) -> Result<Self::Raw, AuthFileError> {
        let read = |path: &PathBuf| {
            let bytes = read(path, MAX_BYTES).map_err(AuthFileProblem::Unreadable).and_then(|bytes| {
                let is_whole = bytes.as_ref().is_none_or(|bytes| bytes.len() as u64 <= MAX_BYTES);
                if is_whole { Ok(bytes) } else { Err(AuthFileProblem::TooLarge) }
            });
            bytes.map_err(|problem| AuthFileError { path: path.clone(), problem })
        };
        self.0.iter().map(read).collect()
    }

    fn build(&self, raw: &Self::Raw) -> Result<Keychains, AuthFileError> {
        let parse = |(path, bytes): (&PathBuf, &Option<Vec<u8>>)| match bytes {
            None => Ok(Keychain::default()),
            Some(bytes) => Keychain::parse(KeychainFormat::DockerConfigJson, bytes)
                .map_err(|error| AuthFileError { path: path.clone(), problem: error.into() }),
        };
        self.0.iter().zip(raw).map(parse).collect::<Result<_, _>>().map(Keychains)
    }
}

/// The bytes of a file up to one more than the limit, or `None` where there is no file.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, io::ErrorKind> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.kind()),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.kind())?;
    Ok(Some(bytes))
}
