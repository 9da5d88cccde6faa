//! Asking a tool of ours what it makes of objects: one line of JSON in, one out.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Tool;

/// Returns what `tool`, called with `args`, says of each of `objects`, in their order; one process for all of them.
///
/// # Errors
/// When the tool cannot be built, fails, or does not answer each of them.
pub(crate) fn judge<T: DeserializeOwned>(tool: Tool, args: &[&OsStr], objects: &[Value]) -> Result<Vec<T>> {
    let name = tool.name();
    let mut child = Command::new(tool.path()?)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start {name}"))?;
    let mut pipe = child.stdin.take().with_context(|| format!("{name} has no standard input"))?;
    let mut lines = Vec::new();
    for object in objects {
        serde_json::to_writer(&mut lines, object)?;
        lines.push(b'\n');
    }
    // Beside the reading, so that neither of two full pipes waits for the other.
    let writer = std::thread::spawn(move || pipe.write_all(&lines));
    let output = child.wait_with_output().with_context(|| format!("failed to wait for {name}"))?;
    let written = writer.join().map_err(|_| anyhow!("the writer to {name} panicked"))?;
    if !output.status.success() {
        bail!("{name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    written.with_context(|| format!("failed to write to {name}"))?;
    let answers = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    let answers: Vec<T> =
        answers.collect::<Result<_, _>>().with_context(|| format!("failed to read what {name} says"))?;
    let (found, asked) = (answers.len(), objects.len());
    ensure!(found == asked, "{name} says {found} things of {asked} objects");
    Ok(answers)
}
