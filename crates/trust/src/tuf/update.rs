//! The workflow's order, and its entrances.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;

use super::TRUSTED_ROOT_TARGET;
use super::archive::Archive;
use super::client::Client;
use super::error::{Failure, TufError};
use super::floor::Floor;
use super::legacy;
use super::limits::Limits;
use super::mirror::{FetchError, Mirror};
use super::verified::{Content, Download, Verified};

/// What becomes of expired metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It is refused, as TUF demands of everything that comes from a mirror.
    Enforce,
    /// It is accepted and reported: for a repository that its author vouches for, and for one that had been verified
    /// before it expired. Never for a first download.
    Keep,
}

/// What is asked of a repository, and under which conditions.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The root to start from, which is trusted as it is (5.2); it must carry its own threshold of signatures.
    pub anchor: &'a [u8],
    /// Name of the target with the trusted root; [`TRUSTED_ROOT_TARGET`] where nothing else is said.
    pub target: &'a str,
    /// What was verified before: its versions are a floor, and what has not changed is not read again. It is
    /// verified again itself, and ignored as far as that fails.
    pub known: Option<&'a Archive>,
    /// The lowest versions to accept.
    pub floor: &'a Floor,
    /// The time of all checks (5.1).
    pub now: Timestamp,
    /// Bounds of everything that is read and followed.
    pub limits: &'a Limits,
    /// What becomes of expired metadata.
    pub expiry: Expiry,
}

impl<'a> Request<'a> {
    /// Returns a request for the usual target that knows nothing yet and enforces expiry.
    pub fn new(anchor: &'a [u8], floor: &'a Floor, limits: &'a Limits, now: Timestamp) -> Self {
        let (target, known, expiry) = (TRUSTED_ROOT_TARGET, None, Expiry::Enforce);
        Self { anchor, target, known, floor, now, limits, expiry }
    }
}

/// Runs the client workflow (TUF specification 5.1 to 5.7) and reads the trusted root.
///
/// Where no role lists the target, the keys of the legacy layout take its place: top-level targets that say
/// `custom.sigstore.usage` `Fulcio`, `CTFE` or `Rekor`.
///
/// # Errors
///
/// The first [`TufError`], with what had been verified before it. The caller's last good material is not affected.
pub async fn update<M: Mirror>(request: &Request<'_>, source: &M) -> Result<Verified, Box<Failure>> {
    let mut client = Client::start(request, source)?;
    match client.trusted_root().await {
        Ok(content) => Ok(client.finish().verified(content)),
        Err(error) => Err(client.fail(error)),
    }
}

/// Runs the client workflow and reads `names`, of which there may be none; `request.target` does not count.
///
/// # Errors
///
/// As [`update`]; [`TufError::TargetNotFound`] for a name that no role lists.
pub async fn download<M: Mirror>(
    request: &Request<'_>,
    source: &M,
    names: &[&str],
) -> Result<Download, Box<Failure>> {
    let mut client = Client::start(request, source)?;
    match client.named(names).await {
        Ok(targets) => Ok(Download { targets, ..client.finish() }),
        Err(error) => Err(client.fail(error)),
    }
}

/// Runs [`update`] over an archive, at once: for `spec.repository`, and for what a status holds.
///
/// # Errors
///
/// As [`update`].
pub fn verify(request: &Request<'_>, archive: &Archive) -> Result<Verified, Box<Failure>> {
    let mut update = pin!(update(request, archive));
    match update.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        // An archive answers at once; should that ever change, nothing is verified.
        Poll::Pending => {
            let source = FetchError::Transport("the archive did not answer at once".into());
            let error = TufError::Fetch { file: String::new(), source };
            Err(Box::new(Failure { error, archive: Archive::default(), floor: Floor::default() }))
        }
    }
}

impl<M: Mirror> Client<'_, M> {
    async fn metadata(&mut self) -> Result<(), TufError> {
        self.update_root().await?;
        self.seed_from_known();
        self.update_timestamp().await?;
        self.update_snapshot().await?;
        self.update_targets().await
    }

    async fn trusted_root(&mut self) -> Result<Content, TufError> {
        self.metadata().await?;
        let target = self.request().target;
        if let Some(listed) = self.find(target).await? {
            return Ok(Content::TrustedRoot(self.read_target(target, &listed).await?));
        }
        legacy::read(self).await.map(Content::SigstoreKeys)
    }

    async fn named(&mut self, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>, TufError> {
        self.metadata().await?;
        let mut targets = Vec::new();
        for name in names {
            let listed = self.find(name).await?;
            let listed = listed.ok_or_else(|| TufError::TargetNotFound { target: (*name).to_owned() })?;
            targets.push(((*name).to_owned(), self.read_target(name, &listed).await?));
        }
        Ok(targets)
    }
}
