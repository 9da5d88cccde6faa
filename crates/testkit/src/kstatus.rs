//! What kstatus makes of objects: the library by which Flux, Config Sync and others say whether an object is where
//! its author wants it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::Tool;

/// What kstatus says of one object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Kstatus {
    /// The status.
    pub status: Status,
    /// Why, for people.
    pub message: String,
}

/// The statuses that kstatus gives to an object that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Status {
    /// It is as its spec says, as far as anybody can tell.
    Current,
    /// It will not get there by itself.
    Failed,
    /// It is on its way there.
    InProgress,
    /// It is being deleted.
    Terminating,
    /// The library cannot tell.
    Unknown,
}

/// Returns what kstatus says of each of `objects`, in their order; one process for all of them.
///
/// # Errors
/// When the tool cannot be built, or an object is none (one without `kind`, or with a status of another form).
pub fn compute(objects: &[Value]) -> Result<Vec<Kstatus>> {
    let mut child = Command::new(Tool::Kstatus.path()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("failed to start kstatus")?;
    let mut pipe = child.stdin.take().context("kstatus has no standard input")?;
    let mut lines = Vec::new();
    for object in objects {
        serde_json::to_writer(&mut lines, object)?;
        lines.push(b'\n');
    }
    // Beside the reading, so that neither of two full pipes waits for the other.
    let writer = std::thread::spawn(move || pipe.write_all(&lines));
    let output = child.wait_with_output().context("failed to wait for kstatus")?;
    let written = writer.join().map_err(|_| anyhow!("the writer to kstatus panicked"))?;
    if !output.status.success() {
        bail!("kstatus: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    written.context("failed to write to kstatus")?;
    let answers = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    let answers: Vec<Kstatus> =
        answers.collect::<Result<_, _>>().context("failed to read what kstatus says")?;
    ensure!(
        answers.len() == objects.len(),
        "kstatus says {} things of {} objects",
        answers.len(),
        objects.len()
    );
    Ok(answers)
}
