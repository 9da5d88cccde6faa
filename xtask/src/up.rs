//! `make up` and `make down`: a cluster that stays.
//!
//! A process of its own holds the cluster and a lock on `.local/lock`; whoever can take the lock knows that no
//! cluster is up, whatever files an earlier one left behind.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};
use trustwright_testkit::tools;

use crate::cluster::{Cluster, DefaultRoot};

const START: Duration = Duration::from_mins(3);
const STOP: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// Brings the cluster up, or says that it is.
pub(crate) fn up() -> Result<()> {
    // In the foreground, so that the progress of a first build is seen.
    tools::dir()?;
    let folder = folder()?;
    let Some(lock) = try_lock(&folder)? else {
        return tell(&folder, "The cluster is up already.");
    };
    clear(&folder)?;
    drop(lock);
    let log = folder.join("up.log");
    let output = File::create(&log).with_context(|| format!("{}", log.display()))?;
    let mut holder = Command::new(std::env::current_exe()?)
        .arg("hold")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .context("failed to start the process that holds the cluster")?;
    let deadline = Instant::now() + START;
    while !folder.join("env").exists() {
        let ended = holder.try_wait()?;
        if ended.is_some() || Instant::now() > deadline {
            let told = fs::read_to_string(&log).unwrap_or_default();
            bail!("the cluster did not come up; {}:\n{told}", log.display());
        }
        std::thread::sleep(POLL);
    }
    tell(&folder, "The cluster is up.")
}

/// Ends the cluster, if there is one.
pub(crate) fn down() -> Result<()> {
    let folder = folder()?;
    if try_lock(&folder)?.is_some() {
        clear(&folder)?;
        println!("No cluster is up.");
        return Ok(());
    }
    let pid = fs::read_to_string(folder.join("lock")).context(".local/lock")?;
    let pid: u32 = pid.trim().parse().context("no process ID in .local/lock")?;
    let told = Command::new("kill").args(["-TERM", &pid.to_string()]).status().context("kill")?;
    ensure!(told.success(), "failed to signal process {pid}");
    let deadline = Instant::now() + STOP;
    while try_lock(&folder)?.is_none() {
        ensure!(Instant::now() < deadline, "process {pid} still holds the cluster after {STOP:?}");
        std::thread::sleep(POLL);
    }
    clear(&folder)?;
    println!("The cluster is down.");
    Ok(())
}

/// Holds the cluster until it is told to stop. What `up` starts.
pub(crate) async fn hold() -> Result<()> {
    let folder = folder()?;
    let Some(mut lock) = try_lock(&folder)? else { bail!("another process holds the cluster") };
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let held = async {
        let cluster = Cluster::start(DefaultRoot::Disabled).await?;
        cluster.describe(&folder)?;
        println!("ready");
        loop {
            // Whatever ends by itself ends all of it, so that no half of a cluster stays.
            cluster.operator.process().check()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        result = held => result,
        () = stopped => Ok(()),
    }
}

fn folder() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.local");
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    Ok(fs::canonicalize(folder)?)
}

/// The lock, if nobody holds it.
fn try_lock(folder: &Path) -> Result<Option<File>> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .with_context(|| format!("{}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("{}", path.display())),
    }
}

fn clear(folder: &Path) -> Result<()> {
    for name in ["env", "kubeconfig"] {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context(name),
            _ => {}
        }
    }
    Ok(())
}

fn tell(folder: &Path, first: &str) -> Result<()> {
    let env = fs::read_to_string(folder.join("env")).context("it is still coming up; .local/env")?;
    println!("{first} .local/env says where everything is:\n");
    for line in env.lines() {
        println!("  {line}");
    }
    println!(
        "\nTry:\n  . .local/env && export KUBECONFIG PATH=\"$TOOLS:$PATH\"\n  \
         kubectl get cip,trustroots\n  \
         kubectl create namespace demo && kubectl label namespace demo policy.sigstore.dev/include=true\n\n\
         `make down` ends it."
    );
    Ok(())
}
