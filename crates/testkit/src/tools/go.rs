//! The Go toolchain: which version acts, whether it is new enough, how it is called.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};

/// Returns a call of `go` in `module` that no setting of the caller's shell bends: modules only, the flags
/// that we pass only. `GOTOOLCHAIN` and the module proxy's settings stay the caller's.
pub(super) fn command(module: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .env("GO111MODULE", "on")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .env_remove("GOARCH")
        .env_remove("GOEXPERIMENT")
        .env_remove("GOOS");
    command
}

/// Returns the version of Go that builds `module`, such as `go1.26.8`, or says what to install.
///
/// It is asked inside the module, where `GOTOOLCHAIN=auto` may choose another than the one installed.
pub(super) fn version(module: &Path) -> Result<String> {
    static KNOWN: Mutex<Option<HashMap<PathBuf, String>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(version) = known.get(module) {
        return Ok(version.clone());
    }
    let version = ask(module)?;
    known.insert(module.to_owned(), version.clone());
    Ok(version)
}

fn ask(module: &Path) -> Result<String> {
    let wanted = wanted(module)?;
    let advice = advice(&wanted);
    let output = match command(module).args(["env", "GOVERSION"]).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("go is not on the PATH: {advice}"),
        Err(error) => return Err(error).context("failed to run go env GOVERSION"),
    };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("go cannot build {}: {why}: {advice}", module.display());
    }
    if !suffices(&version, &wanted) {
        bail!("{version} is too old to build {}: {advice}", module.display());
    }
    Ok(version)
}

fn advice(wanted: &str) -> String {
    format!(
        "the tools that tests run on want Go {wanted} or newer; install it from https://go.dev/dl/, or let an \
         older Go fetch it with GOTOOLCHAIN=auto"
    )
}

/// Returns what the `go` line of the module's go.mod asks for.
fn wanted(module: &Path) -> Result<String> {
    let path = module.join("go.mod");
    let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    text.lines()
        .find_map(|line| line.strip_prefix("go "))
        .map(|version| version.trim().to_owned())
        .ok_or_else(|| anyhow!("{} has no go line", path.display()))
}

/// Compares `go1.26.8` with `1.26.0`. A development version has no number and counts as new enough.
fn suffices(version: &str, wanted: &str) -> bool {
    let Some(version) = version.strip_prefix("go") else { return true };
    numbers(version) >= numbers(wanted)
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|part| part.parse().ok())
        .chain(std::iter::repeat(0))
        .take(3)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let cases = [
            ("go1.26.8", "1.26.0", true),
            ("go1.26.0", "1.26.0", true),
            ("go1.26", "1.26.0", true),
            ("go1.27rc1", "1.26.0", true),
            ("go1.100.1", "1.26.0", true),
            ("go1.25.9", "1.26.0", false),
            ("go1.9", "1.26.0", false),
            ("devel +abc", "1.26.0", true),
        ];
        for (version, wanted, expected) in cases {
            assert_eq!(suffices(version, wanted), expected, "{version} against {wanted}");
        }
    }
}
