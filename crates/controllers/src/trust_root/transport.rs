//! A mirror over HTTP as the port that TUF reads through.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;
use trustwright_mirror::{Conditional, Error, Mirror, Validators};
use trustwright_trust::tuf::{self, FetchError};

/// The file whose changes a poll asks for.
pub(super) const TIMESTAMP: &str = "timestamp.json";

/// One update's way to the mirror.
pub(super) struct Transport<'a> {
    mirror: &'a Mirror,
    deadline: Instant,
    timestamp: Mutex<Option<Validators>>,
}

impl<'a> Transport<'a> {
    /// Reads from `mirror` until `deadline`.
    pub(super) fn new(mirror: &'a Mirror, deadline: Instant) -> Self {
        Self { mirror, deadline, timestamp: Mutex::default() }
    }

    /// What tells the timestamp that was read from the next one.
    pub(super) fn validators(self) -> Option<Validators> {
        self.timestamp.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl tuf::Mirror for Transport<'_> {
    async fn fetch(&self, path: &str, max_length: u64) -> Result<Option<Vec<u8>>, FetchError> {
        match self.mirror.get_if_changed(path, None, max_length, self.deadline).await {
            Ok(Conditional::Body(bytes, validators)) => {
                if path == TIMESTAMP {
                    *self.timestamp.lock().unwrap_or_else(PoisonError::into_inner) = Some(validators);
                }
                Ok(Some(bytes.into()))
            }
            Ok(Conditional::Absent | Conditional::NotModified) => Ok(None),
            Err(error) => Err(fetch_error(error, max_length)),
        }
    }
}

/// What a mirror's error is to TUF.
pub(super) fn fetch_error(error: Error, max_length: u64) -> FetchError {
    match error {
        Error::TooLarge { .. } => FetchError::TooLong { max_length },
        error => FetchError::Transport(Box::new(error)),
    }
}
