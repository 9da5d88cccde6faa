//! One refresh of a trust root, without a network: what a mirror's change costs.

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use trustwright_roots::{Anchor, Artifact};
use trustwright_testkit::tuf_repository::Repository;
use trustwright_trust::tuf::{self, Archive, Floor, Limits, Request, TRUSTED_ROOT_TARGET};

use super::{
    process::processor_seconds,
    table::{Limit, Table, row},
};
use crate::tuf::{LASTING, rotate};

/// The public Sigstore repository as it was at [`RECORDED_AT`]; not part of the project.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/sigstore-tuf");
const RECORDED_AT: &str = "2026-08-22T12:00:00Z";
/// The root that is pinned: the oldest one that holds its keys as PEM.
const PINNED: &str = "5.root.json";
/// How long each step is repeated: steps of 10 ms are then 1 % of it.
const REPEAT: Duration = Duration::from_secs(1);

/// Ten roots after the pinned one, like the public repository has them.
const ROTATIONS: usize = 10;

/// What is refreshed, and when.
struct Case {
    name: &'static str,
    archive: Archive,
    anchor: Anchor,
    now: Timestamp,
}

pub(crate) fn run(table: &mut Table) -> Result<()> {
    let case = if Path::new(RECORDED).is_dir() { public()? } else { built() };
    let Case { name, archive, anchor, now } = &case;
    let (floor, limits) = (Floor::default(), Limits::default());
    // The steps of the controller and in its order.
    let refresh = || {
        let request = Request::new(black_box(&anchor.root), &floor, &limits, *now);
        let verified = tuf::verify(&request, black_box(archive)).map_err(|failure| failure.error)?;
        let loaded = verified.content.load(*now)?;
        ensure!(loaded.reports.iter().all(trustwright_trust::KeyReport::is_usable), "a key cannot be used");
        Ok(Artifact::of(verified)?)
    };
    let artifact = refresh()?;
    let limit = Limit { most: 50.0, unit: "ms" };
    table.hold(&format!("full refresh, {name} (CPU)"), milliseconds(&mut || refresh().map(drop))?, limit);
    let restore = || {
        let floor = Some(&artifact.floor);
        Artifact::restore(black_box(&artifact.packed), anchor, floor, *now)?;
        Ok(())
    };
    let size = artifact.packed.len() >> 10;
    let restored = milliseconds(&mut || restore())?;
    row(&format!("verify it from a status of {size} KiB (CPU)"), format_args!("{restored:.2} ms"));
    Ok(())
}

/// Mean time on processors.
fn milliseconds(step: &mut impl FnMut() -> Result<()>) -> Result<f64> {
    step()?;
    let pid = std::process::id();
    let (begun, before) = (Instant::now(), processor_seconds(pid)?);
    let mut count = 0_u32;
    while begun.elapsed() < REPEAT {
        step()?;
        count += 1;
    }
    Ok((processor_seconds(pid)? - before) / f64::from(count.max(1)) * 1e3)
}

fn public() -> Result<Case> {
    let archive = folder(Path::new(RECORDED))?;
    let root = archive.get(PINNED).context(PINNED)?.to_vec();
    let anchor = Anchor { root, target: TRUSTED_ROOT_TARGET.to_owned() };
    Ok(Case { name: "public repository from root 5 to 15", archive, anchor, now: RECORDED_AT.parse()? })
}

fn built() -> Case {
    let mut repository = Repository::new().until(LASTING);
    for _ in 0..ROTATIONS {
        rotate(&mut repository);
    }
    let anchor = Anchor { root: repository.first_root().to_vec(), target: TRUSTED_ROOT_TARGET.to_owned() };
    let archive = repository.publish();
    Case { name: "a repository of ours over 10 rotations", archive, anchor, now: Timestamp::now() }
}

/// All files below a folder.
fn folder(folder: &Path) -> Result<Archive> {
    let mut archive = Archive::default();
    let mut open = vec![PathBuf::from(folder)];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("{}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
            archive.insert(name, fs::read(&path).with_context(|| format!("{}", path.display()))?);
        }
    }
    Ok(archive)
}
