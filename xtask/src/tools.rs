//! `cargo xtask tools`: builds what the tests run on.

use std::path::PathBuf;

use anyhow::Result;
use trustwright_testkit::tools::{self, Tool};

/// Builds the tools called `names`, or all of them when there is no name, and returns the folder that holds
/// them.
pub(crate) fn run(names: &[String]) -> Result<PathBuf> {
    if names.is_empty() {
        return tools::dir();
    }
    let wanted = names.iter().map(|name| Tool::parse(name)).collect::<Result<Vec<_>>>()?;
    tools::ensure(&wanted)
}
