//! The port through which a repository is read.

use std::error::Error;
use std::future::{Future, ready};

use super::archive::Archive;

/// A place that serves a TUF repository's files.
///
/// # Assumptions
///
/// An implementation bounds each call in time, and reads no more than `max_length` bytes before it gives up. It need
/// not be honest: everything that it returns is verified.
pub trait Mirror: Sync {
    /// Returns the file at `path` (`15.root.json`, `targets/<hash>.trusted_root.json`; a role's name is already
    /// percent-encoded in it), or `None` where the mirror says that it has none (HTTP 403 and 404).
    ///
    /// # Errors
    ///
    /// Whatever hinders the implementation; [`FetchError::TooLong`] when there is more than `max_length` bytes.
    fn fetch(
        &self,
        path: &str,
        max_length: u64,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, FetchError>> + Send;
}

/// Why a file could not be read, which says nothing about whether it exists.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The file is longer than it may be: the endless data attack.
    #[error("the file is longer than {max_length} bytes")]
    TooLong {
        /// Most bytes that were asked for.
        max_length: u64,
    },
    /// The mirror cannot be reached, or answers with neither the file nor its absence.
    #[error(transparent)]
    Transport(#[from] Box<dyn Error + Send + Sync>),
}

impl Mirror for Archive {
    fn fetch(
        &self,
        path: &str,
        max_length: u64,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, FetchError>> + Send {
        ready(match self.get(path) {
            Some(bytes) if bytes.len() as u64 > max_length => Err(FetchError::TooLong { max_length }),
            found => Ok(found.map(<[u8]>::to_vec)),
        })
    }
}
