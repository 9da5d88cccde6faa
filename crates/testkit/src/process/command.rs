//! What to run, and how.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Process, tail};
use crate::run_dir;

/// The guard's program; see there for what it reads and writes.
const GUARD: &str = include_str!("guard.sh");

/// Where requests to anything that is not on loopback go: nothing listens there, so they fail at once.
/// Programs in Go never use a proxy for loopback.
const NOWHERE: &str = "http://127.0.0.1:9";

/// A command to run under a guard. It is built like [`std::process::Command`].
#[derive(Clone, Debug)]
pub struct Command {
    program: PathBuf,
    name: String,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    only_own_env: bool,
    directory: Option<PathBuf>,
    grace: Duration,
}

/// What a command that ended well wrote.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Command {
    /// Returns a command that runs `program` with our environment, and that is killed without a TERM before.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self {
            program,
            name,
            args: Vec::new(),
            env: Vec::new(),
            only_own_env: false,
            directory: None,
            grace: Duration::ZERO,
        }
    }

    /// Sets the name that errors and log files carry; without it, that of the program.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets environment variables.
    #[must_use]
    pub fn envs(mut self, vars: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>) -> Self {
        for (name, value) in vars {
            self = self.env(name, value);
        }
        self
    }

    /// Gives the command no variable of our environment but `PATH`.
    #[must_use]
    pub fn only_own_env(mut self) -> Self {
        self.only_own_env = true;
        self
    }

    /// Makes every request fail that does not go to loopback. Holds for programs that heed the usual proxy
    /// variables, as those written in Go do.
    #[must_use]
    pub fn offline(self) -> Self {
        let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"].map(|name| (name, NOWHERE));
        self.envs(proxies).envs([("NO_PROXY", ""), ("no_proxy", "")])
    }

    /// Sets the folder to run in.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Allows this long, in whole seconds, between TERM and KILL when the command is stopped.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Starts the command; its standard output and error go to one file in the run's folder.
    pub fn spawn(self) -> Result<Process> {
        let log = run_dir::log(&self.name)?;
        self.spawn_to(&log, &log)
    }

    /// Runs the command to its end, and returns what it wrote if it ended well.
    ///
    /// # Errors
    /// When it cannot start, fails, or runs longer than `limit`; the error quotes what it wrote.
    pub async fn output(self, limit: Duration) -> Result<Output> {
        let (status, output) = self.finish(limit).await?;
        if !status.success() {
            bail!("{status}: {}", last_words(&output));
        }
        Ok(output)
    }

    /// Runs the command to its end, and returns how it ended and what it wrote.
    pub async fn finish(self, limit: Duration) -> Result<(ExitStatus, Output)> {
        let name = self.name.clone();
        let log = run_dir::log(&name)?;
        let errors = log.with_extension("err");
        let process = self.spawn_to(&log, &errors)?;
        let status = process.wait(limit).await.with_context(|| format!("{name} wrote: {}", tail(&errors)))?;
        let output = Output { stdout: take(&log)?, stderr: take(&errors)? };
        Ok((status, output))
    }

    fn spawn_to(self, log: &Path, errors: &Path) -> Result<Process> {
        let mut guard = process::Command::new("/bin/sh");
        if self.only_own_env {
            guard.env_clear();
            guard.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        }
        if let Some(directory) = &self.directory {
            guard.current_dir(directory);
        }
        guard
            .args(["-c", GUARD, "guard", &self.grace.as_secs().to_string()])
            .args([log, errors])
            .arg(&self.program)
            .args(&self.args)
            .envs(self.env)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let child = guard.spawn().with_context(|| format!("failed to start the guard of {}", self.name))?;
        Process::adopt(self.name, log.to_owned(), self.grace, child)
    }
}

/// Reads a file that a command wrote, and removes it: what matters of it is in the caller's hands.
fn take(path: &Path) -> Result<String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error).with_context(|| format!("failed to read {}", path.display())),
    };
    fs::remove_file(path).with_context(|| format!("failed to remove {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_words(output: &Output) -> String {
    format!("{}\n{}", output.stderr.trim(), output.stdout.trim()).trim().to_owned()
}
