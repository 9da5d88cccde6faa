//! Verification of a source: the one path by which every command comes to its result.

mod object;

use std::path::Path;

use anyhow::{Context as _, anyhow, bail, ensure};
use jiff::Timestamp;
use trustwright_trust::tuf::{
    self, Archive, Content, Expiry, Floor, Limits, Mirror as _, Request, RoleState, Verified,
};
use trustwright_trust::{Fingerprint, KeyReport, Loaded, SourceError};

use super::files::{Files, read_named};
use super::source::{self, Origin, Source};
use super::{Input, Terms};

pub(super) use object::of_packed;

/// A source that verified.
#[derive(Debug)]
pub(super) struct Checked {
    /// What it is.
    pub(super) origin: Origin,
    /// The time of the checks.
    pub(super) now: Timestamp,
    /// Where trust started; nowhere for keys without TUF.
    pub(super) anchor: Option<Anchor>,
    /// The repository, where there is one.
    pub(super) verified: Option<Verified>,
    /// What is trusted, or that nothing is.
    pub(super) loaded: Result<Loaded, SourceError>,
    /// What a reader of the result should know.
    pub(super) notes: Vec<String>,
}

/// The root that trust started from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Anchor {
    /// Its version.
    pub(super) version: u64,
    /// Who gave it: the name of its file, the field of the spec, or nobody.
    pub(super) given_by: Option<String>,
}

/// A root that the user trusts.
#[derive(Debug)]
pub(super) struct GivenRoot {
    /// Path of its file.
    pub(super) name: String,
    /// What is in it.
    pub(super) bytes: Vec<u8>,
}

impl GivenRoot {
    /// Reads the file of `--root`, once.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let (name, limit) = (path.display().to_string(), Limits::default().root);
        let bytes = read_named(path, limit).with_context(|| format!("--root: cannot read {name}"))?;
        let bytes = bytes.with_context(|| format!("--root: {name} has more than {limit} bytes"))?;
        Ok(Self { name, bytes })
    }
}

impl Checked {
    /// Returns what is trusted.
    ///
    /// # Errors
    ///
    /// No key can be used: the operator would report the trust root as not ready.
    pub(super) fn usable(&self) -> anyhow::Result<&Loaded> {
        self.loaded.as_ref().map_err(|error| {
            let cause =
                std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            anyhow!("{}: {error}{cause}", self.origin)
        })
    }

    /// Returns what became of each key.
    pub(super) fn keys(&self) -> &[KeyReport] {
        match &self.loaded {
            Ok(loaded) => &loaded.reports,
            Err(SourceError::NothingUsable { reports }) => reports,
            Err(_) => &[],
        }
    }

    /// Returns the roles; none for keys without TUF.
    pub(super) fn roles(&self) -> &[RoleState] {
        self.verified.as_ref().map(|verified| verified.metadata.as_slice()).unwrap_or_default()
    }

    /// Returns the fingerprint of what is trusted, as the operator writes it into the status.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.loaded.as_ref().ok().map(|loaded| loaded.material.fingerprint())
    }
}

/// Verifies the source of a command. Expired metadata is accepted, and shown as such by the caller.
pub(super) async fn run(input: &Input, root: Option<&Path>) -> anyhow::Result<Checked> {
    let (origin, source) = source::open(&input.source).await?;
    if let Source::Manifest(_) = source {
        ensure!(root.is_none(), "--root: {origin} brings its own root");
        ensure!(input.terms.trusted_root_target.is_none(), "--trusted-root-target: {origin} says its own");
    }
    let root = root.map(GivenRoot::read).transpose()?;
    of_source(origin, source, &input.terms, root.as_ref()).await
}

/// Verifies a source. Of the terms, a manifest takes the time only, and it has its root.
pub(super) async fn of_source(
    origin: Origin,
    source: Source,
    terms: &Terms,
    root: Option<&GivenRoot>,
) -> anyhow::Result<Checked> {
    match source {
        Source::Manifest(manifest) => object::check(origin, manifest, terms.now()).await,
        Source::Repository(files) => of_repository(origin, &files, terms, root, Expiry::Keep).await,
    }
}

/// Verifies a repository from the given root, or from its own first one.
pub(super) async fn of_repository(
    origin: Origin,
    files: &Files,
    terms: &Terms,
    root: Option<&GivenRoot>,
    expiry: Expiry,
) -> anyhow::Result<Checked> {
    let (now, limits, floor) = (terms.now(), Limits::default(), Floor::default());
    let target = terms.target();
    let unanchored = Request { target, expiry, ..Request::new(&[], &floor, &limits, now) };
    let from = root.map(|root| format!(" from {}", root.name)).unwrap_or_default();
    let failed = || format!("{origin} cannot be verified{from}");
    let mut notes = Vec::new();
    let verified = if let Some(root) = root {
        let request = Request { anchor: &root.bytes, ..unanchored };
        tuf::update(&request, files).await.map_err(|failure| failure.error).with_context(failed)?
    } else {
        let verified = on_first_use(files, &unanchored).await.with_context(failed)?;
        notes.push(format!(
            "trust on first use: root version {}, the first that can be read, was taken from the {} itself; \
             give the root.json that you trust with --root",
            first_root(&verified.archive),
            origin.kind,
        ));
        verified
    };
    notes.extend(legacy_note(&verified, target));
    let anchor =
        Anchor { version: first_root(&verified.archive), given_by: root.map(|root| root.name.clone()) };
    let loaded = tuf::load(&verified, now);
    Ok(Checked { origin, now, anchor: Some(anchor), verified: Some(verified), loaded, notes })
}

/// Verifies from the lowest root that can be started from: the oldest ones of Sigstore have keys in a form
/// that is no longer read.
async fn on_first_use(files: &Files, unanchored: &Request<'_>) -> anyhow::Result<Verified> {
    let lowest = files.lowest_root().context("its folder cannot be read")?;
    let lowest = lowest.context("it has no 1.root.json or later one to start from: give one with --root")?;
    let mut refused = None;
    for version in (lowest..).take(unanchored.limits.root_rotations as usize) {
        let path = format!("{version}.root.json");
        let found = files.fetch(&path, unanchored.limits.root).await;
        let Some(anchor) = found.with_context(|| format!("failed to read {path}"))? else { break };
        match tuf::update(&Request { anchor: &anchor, ..*unanchored }, files).await {
            Ok(verified) => return Ok(verified),
            // Not even the root itself was accepted.
            Err(failure) if failure.archive.files().next().is_none() => refused = Some((path, failure.error)),
            Err(failure) => return Err(failure.error.into()),
        }
    }
    match refused {
        Some((path, error)) => Err(error).context(format!("{path} cannot be started from")),
        None => bail!("it has no {lowest}.root.json to start from: give a root with --root"),
    }
}

/// Says that the keys came from where the user may not expect it.
fn legacy_note(verified: &Verified, target: &str) -> Option<String> {
    let is_legacy = matches!(verified.content, Content::SigstoreKeys(_));
    is_legacy.then(|| format!("no role lists {target}: the keys are single targets, as before trusted roots"))
}

/// Returns the version of the root that the chain started from.
fn first_root(used: &Archive) -> u64 {
    let version = |(path, _): (&str, _)| path.strip_suffix(".root.json")?.parse().ok();
    used.files().filter_map(version).min().unwrap_or_default()
}
