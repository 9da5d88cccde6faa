//! `trustwright trust mirror`: a folder in step with a TUF repository, for serving it over HTTP.
//!
//! ```text
//! upstream ──tuf::update──> Archive ──Folder::publish──> DIR ──any web server──> clients
//!               ^                                         │
//!               └── what is known, and the floor <────────┘
//! ```
//!
//! The folder is all that is remembered. It is verified again each time, and nothing older than it is published.

mod folder;
mod order;
mod targets;

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};
use trustwright_mirror::{Error, Mirror as HttpMirror};
use trustwright_trust::tuf::{self, Expiry, FetchError, Limits, Request, RoleState};

use super::check::GivenRoot;
use super::files::Files;
use super::{Mirror, Terms, minimum, print, source};
use folder::{Folder, Held};

/// The shortest interval: what a mirror of others can be asked to bear.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(10);
/// The wait after the first failure; each further one doubles it, up to the interval.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// Longest wait that an upstream can ask for.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// A folder and what it follows.
struct Follower<'a> {
    folder: Folder,
    upstream: HttpMirror,
    root: GivenRoot,
    terms: &'a Terms,
    limits: Limits,
    all_targets: bool,
}

/// What one look at the upstream came to.
struct Round {
    roles: Vec<RoleState>,
    /// Files that the repository has.
    files: usize,
    /// Files that were written.
    written: usize,
}

/// Brings the folder up to date, once or until told to stop.
pub(super) async fn run(mirror: &Mirror) -> anyhow::Result<()> {
    ensure!(mirror.url.contains("://"), "the source is not a URL: {} cannot be followed", mirror.url);
    let follower = Follower {
        upstream: source::mirror(&mirror.url)?,
        root: GivenRoot::read(&mirror.root)?,
        folder: Folder::open(&mirror.folder)?,
        terms: &mirror.terms,
        limits: Limits::default(),
        all_targets: mirror.all_targets,
    };
    if !mirror.watch {
        return print(&format!("{}\n", follower.follow().await?));
    }
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    // What waiting does not mend is said at once.
    follower.held().await?;
    // Files are written without a pause, so that only what is read can be broken off.
    tokio::select! {
        never = follower.watch(mirror.interval) => match never {},
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

impl Follower<'_> {
    async fn watch(&self, interval: Duration) -> std::convert::Infallible {
        let mut failures = 0;
        loop {
            let wait = match self.follow().await {
                Ok(round) => {
                    if round.written > 0 {
                        eprintln!("trustwright: {round}");
                    } else if failures > 0 {
                        eprintln!("trustwright: {} answers again", self.upstream.base());
                    }
                    failures = 0;
                    interval
                }
                Err(error) => {
                    failures += 1;
                    let wait = pause(failures, interval, retry_after(&error));
                    eprintln!("trustwright: {error:#}; next try in {} s", wait.as_secs());
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn held(&self) -> anyhow::Result<Held> {
        self.folder.held(&self.root, self.terms, &self.limits).await
    }

    /// Reads what is new and publishes it. On failure the folder is as it was.
    async fn follow(&self) -> anyhow::Result<Round> {
        let held = self.held().await?;
        if held.is_interrupted {
            eprintln!(
                "trustwright: {} holds a root that was published without what it signs; going on",
                self.folder
            );
        }
        let upstream = Files::over_http(self.upstream.clone());
        let request = Request {
            target: self.terms.target(),
            known: Some(&held.archive),
            expiry: Expiry::Enforce,
            ..Request::new(&self.root.bytes, &held.floor, &self.limits, self.terms.now())
        };
        let failed = || format!("mirror {} cannot be verified from {}", self.upstream.base(), self.root.name);
        let verified = tuf::update(&request, &upstream).await;
        let verified = verified.map_err(|failure| failure.error).with_context(failed)?;
        if verified.archive.get("snapshot.json").is_some() {
            bail!(
                "mirror {} has no consistent snapshots: its files cannot be replaced without a client seeing old \
                 ones beside new ones",
                self.upstream.base()
            );
        }
        let mut archive = verified.archive;
        if self.all_targets {
            archive =
                targets::complete(archive, &request, &self.folder, &upstream).await.with_context(failed)?;
        }
        let written = self.folder.publish(&archive)?;
        Ok(Round { roles: verified.metadata, files: archive.files().count(), written })
    }
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for role in &self.roles {
            write!(f, "{} version {}, ", role.role, role.version)?;
        }
        write!(f, "{} files, {} of them new", self.files, self.written)
    }
}

/// Reads the value of `--interval`.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let length = minimum::duration(text).and_then(|length| Duration::try_from(length).ok());
    let length = length
        .ok_or_else(|| format!("{text:?} is not a duration such as 10m; units are s, m, h, d and w"))?;
    if length < SHORTEST_INTERVAL {
        return Err(format!("{text:?} is less than {} s", SHORTEST_INTERVAL.as_secs()));
    }
    Ok(length)
}

/// What the upstream wishes, where it said so.
fn retry_after(error: &anyhow::Error) -> Option<Duration> {
    error.chain().find_map(|cause| match cause.downcast_ref::<FetchError>()? {
        FetchError::Transport(error) => error.downcast_ref::<Error>()?.retry_after(),
        FetchError::TooLong { .. } => None,
    })
}

/// Returns how long to wait after so many failures in a row.
fn pause(failures: u32, interval: Duration, retry_after: Option<Duration>) -> Duration {
    let doubled =
        2_u32.checked_pow(failures.saturating_sub(1)).and_then(|factor| FIRST_PAUSE.checked_mul(factor));
    let own = doubled.map_or(interval, |pause| pause.min(interval));
    own.max(retry_after.unwrap_or_default().min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_double_the_wait_up_to_the_interval_and_the_upstream_may_ask_for_more() {
        let minutes = Duration::from_mins;
        let seconds = Duration::from_secs;
        for (failures, interval, retry_after, expected) in [
            (1, minutes(10), None, seconds(10)),
            (2, minutes(10), None, seconds(20)),
            (6, minutes(10), None, seconds(320)),
            (7, minutes(10), None, minutes(10)),
            (100, minutes(10), None, minutes(10)),
            (3, seconds(10), None, seconds(10)),
            (1, minutes(10), Some(seconds(5)), seconds(10)),
            (1, minutes(10), Some(minutes(20)), minutes(20)),
            (1, minutes(10), Some(minutes(600)), minutes(60)),
        ] {
            assert_eq!(
                pause(failures, interval, retry_after),
                expected,
                "{failures} {interval:?} {retry_after:?}"
            );
        }
    }

    #[test]
    fn an_interval_is_ten_seconds_or_more() {
        assert_eq!(interval("10m").unwrap(), Duration::from_mins(10));
        assert_eq!(interval("10s").unwrap(), SHORTEST_INTERVAL);
        for text in ["9s", "0s", "-1m", "10", "soon", ""] {
            assert!(interval(text).is_err(), "{text:?}");
        }
    }
}
