//! Child processes that never outlive us, and what waiting for them takes.
//!
//! Every child runs under a guard: a few lines of POSIX shell that lead a process group of their own, read a
//! pipe whose other end only we hold, and end the child when that pipe closes. The kernel closes it whatever
//! way we end: return, panic, Ctrl-C, SIGKILL. So nothing is left behind, without a signal handler and
//! without unsafe code.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

mod command;
mod port;

pub use command::{Command, Output};
pub use port::free_port;

/// How often a condition is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(20);

/// How many lines of a log an error quotes.
const TAIL_LINES: usize = 20;

/// A running child. Dropping it ends it, and what it started, before the drop returns.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    pid: u32,
    grace: Duration,
    guard: Mutex<Guard>,
}

#[derive(Debug)]
struct Guard {
    child: Child,
    /// Closing this ends the child.
    pipe: Option<ChildStdin>,
}

impl Process {
    fn adopt(name: String, log: PathBuf, grace: Duration, mut child: Child) -> Result<Self> {
        let pipe = child.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).context("failed to hear from the guard")?;
        }
        let pid = line.trim().parse().with_context(|| format!("the guard of {name} did not start it"))?;
        Ok(Self { name, log, pid, grace, guard: Mutex::new(Guard { child, pipe }) })
    }

    /// Returns the process ID of the child itself.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the file that the child's output goes to.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Returns the end of the child's output.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }

    /// Sends the child the signal called `name`, such as `TERM` or `STOP`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let mut guard = self.guard();
        let pipe = guard.pipe.as_mut().ok_or_else(|| anyhow!("{} was stopped", self.name))?;
        writeln!(pipe, "{name}").with_context(|| format!("failed to signal {}", self.name))
    }

    /// Returns how the child ended, or `None` while it runs.
    pub fn exit_status(&self) -> Result<Option<ExitStatus>> {
        self.guard().child.try_wait().with_context(|| format!("failed to wait for {}", self.name))
    }

    /// Fails when the child has ended, with the end of its log.
    pub fn check(&self) -> Result<()> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}); {}", self.name, self.evidence()),
        }
    }

    /// Waits until the child has ended by itself; after `limit` that is an error.
    pub async fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.exit_status()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("{} still ran after {limit:?}; {}", self.name, self.evidence());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until `probe` succeeds.
    ///
    /// # Errors
    /// When the child ends before, at once; when `limit` has passed, with what the last probe said. Both
    /// quote the end of the log and name the file.
    pub async fn ready<T>(&self, limit: Duration, probe: impl AsyncFnMut() -> Result<T>) -> Result<T> {
        let waited = eventually_while(&format!("{} ready", self.name), limit, || self.check(), probe).await;
        waited.map_err(|error| match self.exit_status() {
            // The check has quoted the log already.
            Ok(Some(_)) => error,
            _ => error.context(format!("{} is not ready; {}", self.name, self.evidence())),
        })
    }

    /// Waits until something accepts connections on `port`.
    pub async fn listening(&self, port: u16, limit: Duration) -> Result<()> {
        let connect = async || Ok(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map(drop)?);
        self.ready(limit, connect).await
    }

    /// Ends the child and waits for its end: TERM, and KILL after the grace that its [`Command`] allows.
    pub fn stop(&self) {
        let mut guard = self.guard();
        guard.pipe = None;
        let deadline = Instant::now() + self.grace + Duration::from_secs(5);
        while Instant::now() < deadline {
            match guard.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }

    fn evidence(&self) -> String {
        format!("log {}:\n{}", self.log.display(), self.log_tail())
    }

    fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until `probe` succeeds, and fails with its last error after `limit`.
pub async fn eventually<T>(what: &str, limit: Duration, probe: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    eventually_while(what, limit, || Ok(()), probe).await
}

/// Waits until `probe` succeeds, and fails with its last error after `limit`, or at once when `check` fails.
pub async fn eventually_while<T>(
    what: &str,
    limit: Duration,
    mut check: impl FnMut() -> Result<()>,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    let mut last = None;
    loop {
        check()?;
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => last = Some(error),
            // What was heard before says more than that the last probe was cut.
            Err(_) => {}
        }
        if Instant::now() >= deadline {
            let error = last.unwrap_or_else(|| anyhow!("no answer"));
            return Err(error.context(format!("{what}: not so after {limit:?}")));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n")
}
