//! One folder per run for everything that it writes: logs, certificates, data.
//!
//! Runs live under `target/testkit-logs/<process ID>` and are not removed at their end, since a static is
//! never dropped and a killed process cleans nothing. The next run does it: of those that ended, the last
//! five keep their logs and none keeps its data. `TRUSTWRIGHT_KEEP_LOGS` keeps everything.

use std::cmp::Reverse;
use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, Result};

/// How many ended runs keep their logs.
const KEPT_RUNS: usize = 5;

/// The file whose lock a run holds until it ends.
const LOCK: &str = ".lock";

struct Run {
    folder: PathBuf,
    _lock: File,
}

static RUN: Mutex<Option<Run>> = Mutex::new(None);
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Returns the file that the next process called `name` logs to. No two calls return the same.
pub fn log(name: &str) -> Result<PathBuf> {
    Ok(root()?.join(format!("{:03}-{name}.log", NEXT.fetch_add(1, Ordering::Relaxed))))
}

/// Creates and returns a folder for the data of something called `name`. No two calls return the same.
pub fn data(name: &str) -> Result<PathBuf> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = root()?.join("data").join(format!("{number:03}-{name}"));
    fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    Ok(folder)
}

/// Returns this run's folder, creating it the first time.
pub fn root() -> Result<PathBuf> {
    let mut run = RUN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(run) = run.as_ref() {
        return Ok(run.folder.clone());
    }
    let begun = begin(&runs())?;
    let folder = begun.folder.clone();
    *run = Some(begun);
    Ok(folder)
}

fn runs() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    target.join("testkit-logs")
}

fn begin(runs: &Path) -> Result<Run> {
    fs::create_dir_all(runs).with_context(|| format!("failed to create {}", runs.display()))?;
    let runs = fs::canonicalize(runs).with_context(|| format!("failed to resolve {}", runs.display()))?;
    // One at a time: a folder that is created and not locked yet looks like that of an ended run.
    let gate = lock_file(&runs)?;
    gate.lock().with_context(|| format!("failed to lock {}", runs.display()))?;
    if env::var_os("TRUSTWRIGHT_KEEP_LOGS").is_none() {
        prune(&runs)?;
    }
    let folder = runs.join(std::process::id().to_string());
    remove(&folder)?;
    fs::create_dir(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let lock = lock_file(&folder)?;
    lock.lock().with_context(|| format!("failed to lock {}", folder.display()))?;
    Ok(Run { folder, _lock: lock })
}

fn prune(runs: &Path) -> Result<()> {
    let mut ended: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(runs).with_context(|| format!("failed to list {}", runs.display()))? {
        let folder = entry.with_context(|| format!("failed to list {}", runs.display()))?.path();
        let Ok(begun) = folder.join(LOCK).metadata().and_then(|lock| lock.modified()) else { continue };
        if lock_file(&folder)?.try_lock().is_ok() {
            remove(&folder.join("data"))?;
            ended.push((begun, folder));
        }
    }
    ended.sort_by_key(|(begun, _)| Reverse(*begun));
    ended.iter().skip(KEPT_RUNS).try_for_each(|(_, folder)| remove(folder))
}

fn lock_file(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("failed to open {}", path.display()))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_runs_lose_their_data_and_the_oldest_their_logs() {
        let runs = tempfile::tempdir().unwrap();
        let running = runs.path().join("running");
        for name in ["a", "b", "c", "d", "e", "f", "g", "running"] {
            fs::create_dir_all(runs.path().join(name).join("data")).unwrap();
            fs::write(runs.path().join(name).join(LOCK), "").unwrap();
        }
        let lock = lock_file(&running).unwrap();
        lock.lock().unwrap();

        prune(runs.path()).unwrap();

        let left = fs::read_dir(runs.path()).unwrap().count();
        assert_eq!(left, KEPT_RUNS + 1);
        assert!(running.join("data").is_dir());
        let data = fs::read_dir(runs.path())
            .unwrap()
            .filter(|run| run.as_ref().unwrap().path().join("data").exists());
        assert_eq!(data.count(), 1);
    }
}
