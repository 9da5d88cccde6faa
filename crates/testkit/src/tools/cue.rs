//! The evaluator of CUE: Go to WebAssembly, and from there, ahead of time, to code of this kind of machine.

use std::{
    env, fs,
    io::ErrorKind,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail};

use super::{build::progress, cache, go};

/// What the file is called; `trustwright_languages::CUE_FILE` is the same.
const FILE: &str = "trustwright-cue.cwasm";
/// `trustwright-languages`, from the folder of this crate.
const CRATE: &str = "../languages";
/// What goes into the file, from there, the version of Go and the kind of machine aside.
const INPUTS: [&str; 7] = [
    "cue/go.mod",
    "cue/go.sum",
    "cue/main.go",
    "compiler/Cargo.toml",
    "compiler/Cargo.lock",
    "compiler/src/main.rs",
    "src/cue/config.rs",
];
/// The file is loaded as code: nobody but its owner may write it.
const MODE: u32 = 0o644;

/// Builds the evaluator unless the cache has it, and returns where it is.
pub fn cue() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(CRATE);
    let folder = fs::canonicalize(&folder).with_context(|| format!("failed to find {}", folder.display()))?;
    let root = cache::root()?;
    let kept = root.join(format!("cue-{}", key(&folder)?));
    let file = kept.join(FILE);
    if file.is_file() {
        return Ok(file);
    }
    fs::create_dir_all(&kept).with_context(|| format!("failed to create {}", kept.display()))?;
    let _lock = cache::lock(&kept, FILE)?;
    if !file.is_file() {
        build(&folder, &file).context("failed to build the evaluator of CUE")?;
    }
    Ok(file)
}

/// Puts the evaluator into `folder`, which is created if it is not there, and returns where it is. Done by renaming: the
/// file that was there may be in use.
pub fn place_cue(folder: &Path) -> Result<PathBuf> {
    let (kept, placed) = (cue()?, folder.join(FILE));
    let identity = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    if identity(&kept) == identity(&placed) {
        return Ok(placed);
    }
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let draft = folder.join(format!(".{FILE}.draft"));
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("failed to remove {}", draft.display()));
        }
        _ => {}
    }
    // The cache may be on another file system.
    fs::hard_link(&kept, &draft)
        .or_else(|_| fs::copy(&kept, &draft).map(drop))
        .and_then(|()| fs::rename(&draft, &placed))
        .with_context(|| format!("failed to create {}", placed.display()))?;
    Ok(placed)
}

fn key(folder: &Path) -> Result<String> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).with_context(|| format!("failed to read {}", path.display()))
    };
    let mut parts = INPUTS.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    parts.push(go::version(&folder.join("cue"))?.into_bytes());
    parts.push(env::consts::ARCH.into());
    Ok(cache::key(parts.iter().map(Vec::as_slice)))
}

/// Builds under another name and renames, so that a file that is there is whole.
fn build(folder: &Path, file: &Path) -> Result<()> {
    let start = Instant::now();
    progress("building the evaluator of CUE ...");
    let (wasm, draft) = (file.with_file_name(".cue.wasm"), file.with_file_name(".cue.draft"));
    let mut go = go::command(&folder.join("cue"));
    go.env("GOOS", "wasip1").env("GOARCH", "wasm");
    go.args([
        "build",
        "-buildmode=c-shared",
        "-mod=readonly",
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        "-s -w",
        "-o",
    ]);
    run(go.arg(&wasm).arg("."))?;
    progress("compiling it, with a compiler that is built first ...");
    let compiler = folder.join("compiler");
    let target = super::target().join("cue-compiler");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // In its folder, whose workspace is its own.
    run(Command::new(cargo)
        .current_dir(&compiler)
        .args(["build", "--quiet", "--release", "--locked", "--target-dir"])
        .arg(&target))?;
    run(Command::new(target.join("release/trustwright-languages-compiler")).arg(&wasm).arg(&draft))?;
    fs::set_permissions(&draft, fs::Permissions::from_mode(MODE))
        .and_then(|()| fs::rename(&draft, file))
        .and_then(|()| fs::remove_file(&wasm))
        .with_context(|| format!("failed to create {}", file.display()))?;
    progress(&format!("built the evaluator of CUE in {:.0} s", start.elapsed().as_secs_f32()));
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("failed to run {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evaluator_is_placed_where_it_is_asked_for_and_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let placed = place_cue(&folder.path().join("debug")).unwrap();
        assert_eq!(place_cue(&folder.path().join("debug")).unwrap(), placed);
        assert_eq!(fs::read(&placed).unwrap(), fs::read(cue().unwrap()).unwrap());
        assert_eq!(fs::metadata(&placed).unwrap().mode() & 0o777, MODE);
    }
}
