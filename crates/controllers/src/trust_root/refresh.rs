//! One refresh: is there news on the mirror, and can it be put in force?

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use trustwright_api::v1alpha1::TrustRootReason;
use trustwright_mirror::{Conditional, Error as MirrorError, Mirror, Validators};
use trustwright_roots::{Anchor, Artifact, ArtifactError, chain};
use trustwright_trust::tuf::{self, Archive, Expiry, Failure, FetchError, Floor, Limits, Request, TufError};

use super::RefreshFailure;
use super::transport::{TIMESTAMP, Transport, fetch_error};

/// What a refresh starts from.
pub(super) struct Start<'a> {
    pub(super) mirror: &'a Mirror,
    pub(super) anchor: &'a Anchor,
    /// What is in force.
    pub(super) known: Option<&'a Artifact>,
    /// What must not be gone below.
    pub(super) floor: &'a Floor,
    /// What came with the last timestamp.
    pub(super) validators: Option<&'a Validators>,
    pub(super) now: Timestamp,
    pub(super) deadline: Instant,
}

/// What a refresh found.
pub(super) enum News {
    /// What is in force is what the mirror serves.
    None(Option<Validators>),
    /// Something else is, and it is verified.
    Changed(Box<Artifact>, Option<Validators>),
}

/// Why a refresh failed, and how far it came.
pub(super) struct Failed {
    /// For the status.
    pub(super) failure: RefreshFailure,
    /// How long the mirror wishes not to be asked.
    pub(super) retry_after: Option<Duration>,
    /// The root that the mirror proved before it broke off. No update may go below it.
    pub(super) seen: SeenRoot,
    /// What is in force with that root in its chain, where it still verifies.
    pub(super) adopted: Option<Box<Artifact>>,
}

/// A root that a mirror proved, and the last one up to it that took a key from `timestamp` or `snapshot`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SeenRoot {
    root: u64,
    recovery: u64,
}

impl SeenRoot {
    /// What no update may go below.
    pub(super) fn floor(self) -> Floor {
        Floor { root: self.root, recovery: self.recovery, ..Floor::default() }
    }
}

/// Asks the mirror for news, and verifies them.
///
/// A quiet poll is two requests: for the next root, which a stolen timestamp key must not hide, and for the timestamp
/// if it changed. Metadata that has expired is asked for unconditionally.
pub(super) async fn refresh(start: &Start<'_>) -> Result<News, Failed> {
    if let Some(known) = start.known
        && !known.metadata.iter().any(|role| role.is_expired(start.now))
        && let Some(validators) = quiet(start, known).await?
    {
        return Ok(News::None(validators));
    }
    full(start).await
}

/// Returns what tells the timestamp from the next one, or `None` if there is news.
async fn quiet(start: &Start<'_>, known: &Artifact) -> Result<Option<Option<Validators>>, Failed> {
    let limits = Limits::default();
    let next_root = format!("{}.root.json", known.floor.root.saturating_add(1));
    let found = start.mirror.get(&next_root, limits.root, start.deadline).await;
    let found = found.map_err(|error| unread(&next_root, error, limits.root))?;
    // What a mirror proved and then took back is news as well.
    if found.is_some() || start.floor.root > known.floor.root {
        return Ok(None);
    }
    let timestamp = start
        .mirror
        .get_if_changed(TIMESTAMP, start.validators, limits.timestamp, start.deadline)
        .await
        .map_err(|error| unread(TIMESTAMP, error, limits.timestamp))?;
    match timestamp {
        Conditional::NotModified => Ok(Some(start.validators.cloned())),
        // A mirror without validators sends the same file each time.
        Conditional::Body(bytes, validators) => {
            let archive = known.archive().map_err(|error| artifact(&error))?;
            Ok((archive.get(TIMESTAMP) == Some(&bytes[..])).then_some(Some(validators)))
        }
        // The workflow says what is missing.
        Conditional::Absent => Ok(None),
    }
}

async fn full(start: &Start<'_>) -> Result<News, Failed> {
    let known = start.known.map(Artifact::archive).transpose().map_err(|error| artifact(&error))?;
    let limits = Limits::default();
    let request = Request {
        target: &start.anchor.target,
        known: known.as_ref(),
        ..Request::new(&start.anchor.root, start.floor, &limits, start.now)
    };
    let transport = Transport::new(start.mirror, start.deadline);
    let verified = match tuf::update(&request, &transport).await {
        Ok(verified) => verified,
        Err(failure) => return Err(update_failed(start, &failure)),
    };
    let validators = transport.validators();
    // The roots hold, also where what stands below them cannot be put in force.
    let (floor, roots) = (verified.floor.clone(), Archive::default().with_roots_of(&verified.archive));
    let proved = |failed: Failed| reached(start, failed, &floor, &roots);
    // What nobody can use would take the last good keys out of force.
    if let Err(error) = verified.content.load(start.now) {
        return Err(proved(failed(TrustRootReason::NoUsableKeys, chain(&error))));
    }
    let found = Artifact::of(verified).map_err(|error| proved(artifact(&error)))?;
    if start.known.is_some_and(|known| known.packed == found.packed) {
        return Ok(News::None(validators));
    }
    Ok(News::Changed(Box::new(found), validators))
}

fn update_failed(start: &Start<'_>, failure: &Failure) -> Failed {
    let retry_after = transport_error(&failure.error).and_then(MirrorError::retry_after);
    let (reason, message) = if failure.archive.files().next().is_none() {
        // Not even the anchor was accepted: no mirror can help.
        (TrustRootReason::InvalidSpec, format!("spec.remote.root: {}", chain(&failure.error)))
    } else {
        classify(&failure.error)
    };
    let failed = Failed { retry_after, ..failed(reason, message) };
    reached(start, failed, &failure.floor, &failure.archive)
}

/// Notes the roots that were proved before a refresh failed.
fn reached(start: &Start<'_>, failed: Failed, floor: &Floor, archive: &Archive) -> Failed {
    let seen = SeenRoot { root: floor.root, recovery: floor.recovery };
    let adopted = start.known.and_then(|known| adopt(start, known, archive, seen)).map(Box::new);
    Failed { seen, adopted, ..failed }
}

/// Puts the roots that a mirror proved before it broke off into the chain of what is in force, so that every replica
/// holds to them. Where the new root no longer has the keys of the old metadata, that stays in force as it is, frozen:
/// taking it away would hand the power over admission to whoever can make a mirror break off.
fn adopt(start: &Start<'_>, known: &Artifact, newer: &Archive, seen: SeenRoot) -> Option<Artifact> {
    if seen.root <= known.floor.root {
        return None;
    }
    let (joined, limits) = (known.archive().ok()?.with_roots_of(newer), Limits::default());
    let floor = known.floor.max(&seen.floor());
    let request = Request {
        target: &start.anchor.target,
        expiry: Expiry::Keep,
        ..Request::new(&start.anchor.root, &floor, &limits, start.now)
    };
    Artifact::of(tuf::verify(&request, &joined).ok()?).ok()
}

fn transport_error(error: &TufError) -> Option<&MirrorError> {
    match error {
        TufError::Fetch { source: FetchError::Transport(source), .. } => source.downcast_ref(),
        _ => None,
    }
}

/// The reason, and a message that says the same as long as the cause is.
fn classify(error: &TufError) -> (TrustRootReason, String) {
    match error {
        TufError::Fetch { .. } | TufError::Missing { .. } => {
            (TrustRootReason::MirrorUnavailable, chain(error))
        }
        // Its own text says what time it is.
        TufError::Expired { role, expires, .. } => {
            (TrustRootReason::Expired, format!("the mirror serves a {role} that expired at {expires}"))
        }
        TufError::Rollback { .. } | TufError::RoleRemoved { .. } => {
            (TrustRootReason::RolledBack, chain(error))
        }
        _ => (TrustRootReason::VerificationFailed, chain(error)),
    }
}

/// A file that could not be read, in the words of a full refresh.
fn unread(file: &str, error: MirrorError, max_length: u64) -> Failed {
    let retry_after = error.retry_after();
    let source = fetch_error(error, max_length);
    let (reason, message) = classify(&TufError::Fetch { file: file.to_owned(), source });
    Failed { retry_after, ..failed(reason, message) }
}

fn artifact(error: &ArtifactError) -> Failed {
    let reason = match error {
        ArtifactError::TooLarge(_) => TrustRootReason::TooLarge,
        ArtifactError::Archive(_) | ArtifactError::Base64(_) | ArtifactError::Verification(_) => {
            TrustRootReason::VerificationFailed
        }
    };
    failed(reason, chain(error))
}

/// A refresh that proved nothing.
pub(super) fn failed(reason: TrustRootReason, message: String) -> Failed {
    let failure = RefreshFailure { reason, message };
    Failed { failure, retry_after: None, seen: SeenRoot::default(), adopted: None }
}
