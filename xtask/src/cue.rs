//! `cargo xtask cue`: the evaluator of CUE beside the executables, where they look for it.

use anyhow::Result;
use trustwright_testkit::tools;

/// The folders of cargo's that executables land in.
const PROFILES: [&str; 3] = ["debug", "dist", "release"];

/// Builds the evaluator unless the cache has it, and puts it beside the executables of every profile.
pub(crate) fn run() -> Result<()> {
    for profile in PROFILES {
        tools::place_cue(&tools::target().join(profile))?;
    }
    Ok(())
}
