//! Builds one tool into the cache.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::{Tool, cache, go, modules};

/// Clients read the API server's version to decide what it can do, and it is stamped by the linker.
const KUBERNETES_VERSION: [(&str, &str); 3] =
    [("gitVersion", "v1.37.2"), ("gitMajor", "1"), ("gitMinor", "37")];

/// Returns where `tool` is in the cache `root`, building it first if it is not there.
pub(super) fn ensure(tool: Tool, root: &Path) -> Result<PathBuf> {
    let module = modules()?.join(tool.module());
    let folder = root.join(format!("{}-{}", tool.module(), key(tool, &module)?));
    let binary = folder.join(tool.name());
    if binary.is_file() {
        return Ok(binary);
    }
    fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let _lock = cache::lock(&folder, tool.name())?;
    if !binary.is_file() {
        build(tool, &module, &binary).with_context(|| format!("failed to build {}", tool.name()))?;
    }
    Ok(binary)
}

fn key(tool: Tool, module: &Path) -> Result<String> {
    let read = |name: &str| {
        let path = module.join(name);
        fs::read(&path).with_context(|| format!("failed to read {}", path.display()))
    };
    let (manifest, sums, version) = (read("go.mod")?, read("go.sum")?, go::version(module)?);
    let flags = linker_flags(tool);
    let mut parts = vec![manifest, sums, version.into_bytes(), flags.into_bytes()];
    if let Some(folder) = tool.package().strip_prefix("./") {
        parts.push(read(&format!("{folder}/main.go"))?);
    }
    Ok(cache::key(parts.iter().map(Vec::as_slice)))
}

fn linker_flags(tool: Tool) -> String {
    let mut flags = "-s -w".to_owned();
    if tool.module() == "kubernetes" {
        for (name, value) in KUBERNETES_VERSION {
            flags.push_str(" -X k8s.io/component-base/version.");
            flags.push_str(name);
            flags.push('=');
            flags.push_str(value);
        }
    }
    flags
}

/// Builds under another name and renames, so that a binary that is there is whole.
fn build(tool: Tool, module: &Path, binary: &Path) -> Result<()> {
    let start = Instant::now();
    progress(&format!("building {} ...", tool.name()));
    let draft = binary.with_file_name(format!(".{}.draft", tool.name()));
    let output = go::command(module)
        .args([
            "build",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            &linker_flags(tool),
            "-o",
        ])
        .arg(&draft)
        .arg(tool.package())
        .output()
        .context("failed to run go build")?;
    if !output.status.success() {
        bail!("go build in {}: {}", module.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    fs::rename(&draft, binary).with_context(|| format!("failed to create {}", binary.display()))?;
    progress(&format!("built {} in {:.0} s", tool.name(), start.elapsed().as_secs_f32()));
    Ok(())
}

/// Writes past the capture of test output: a cold build takes minutes, and silence would look like a hang.
pub(super) fn progress(line: &str) {
    // Whoever closed our standard error does not want to know.
    let _ = writeln!(io::stderr().lock(), "{line}");
}
