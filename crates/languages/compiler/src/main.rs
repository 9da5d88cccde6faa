//! Compiles the evaluator of CUE (WebAssembly) ahead of time: `trustwright-languages-compiler WASM OUT`.
//!
//! `cargo xtask cue` runs this. It is a workspace of its own, so that nothing else here builds the compiler.

use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use wasmtime::Engine;

#[path = "../../src/cue/config.rs"]
mod config;

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [wasm, out] = arguments.as_slice() else { bail!("expected two paths, found {}", arguments.len()) };
    let bytes = fs::read(wasm).with_context(|| format!("failed to read {}", wasm.display()))?;
    let mut config = config::config();
    // Named, so that the code wants nothing of the processor that another machine of this kind lacks.
    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    config.target(&target).map_err(|error| anyhow::format_err!("failed to compile for {target}: {error}"))?;
    let compiled = Engine::new(&config)
        .and_then(|engine| engine.precompile_module(&bytes))
        .map_err(|error| anyhow::format_err!("failed to compile {}: {error:#}", wasm.display()))?;
    fs::write(out, compiled).with_context(|| format!("failed to write {}", out.display()))
}
