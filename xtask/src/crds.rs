//! `cargo xtask crds`: writes the manifests of the custom resources from their Rust types.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

const HEADER: &str = "# Made by `cargo xtask crds` from crates/api. Do not edit.\n";

/// Writes `crds/<plural>.yaml` for every kind; with `check`, compares with what is there instead.
///
/// # Errors
///
/// A file cannot be read or written, or (with `check`) differs from what the types say.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds");
    for (name, manifest) in manifests()? {
        let path = directory.join(&name);
        if check {
            let found = fs::read_to_string(&path).with_context(|| format!("failed to read crds/{name}"))?;
            ensure!(found == manifest, "crds/{name} is out of date: run `cargo xtask crds`");
        } else {
            fs::create_dir_all(&directory).context("failed to create crds/")?;
            fs::write(&path, manifest).with_context(|| format!("failed to write crds/{name}"))?;
        }
    }
    Ok(())
}

/// Returns file names and contents. The same types always give the same bytes.
fn manifests() -> anyhow::Result<Vec<(String, String)>> {
    let mut manifests = Vec::new();
    for crd in trustwright_api::crds()? {
        let mut manifest = HEADER.to_owned();
        let name = format!("{}.yaml", crd.spec.names.plural);
        let mut options = serde_saphyr::SerializerOptions::default();
        options.prefer_block_scalars = false;
        let mut crd = serde_json::to_value(&crd)?;
        // Takes away what the CRD of the Policy Controller has there, whichever way that one was made: the API
        // server refuses a webhook beside the strategy None.
        crd["spec"]["conversion"]["webhook"] = serde_json::Value::Null;
        serde_saphyr::to_fmt_writer_with_options(&mut manifest, &crd, options)?;
        manifests.push((name, manifest));
    }
    Ok(manifests)
}
