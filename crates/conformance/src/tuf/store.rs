//! What the client trusts between two calls.
//!
//! The suite reads `root.json`, `timestamp.json` and so on from the folder. We read none of them back: the first root
//! and a packed archive of everything that was verified lie beside them, under names that the suite passes over.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;
use trustwright_trust::tuf::{Archive, Limits};

const ANCHOR: &str = "anchor";
const KNOWN: &str = "known.tar.gz";

pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Trusts `root`.
    pub(crate) fn init(&self, root: &[u8]) -> Result<()> {
        self.write(ANCHOR, root)?;
        self.write("root.json", root)
    }

    /// Returns the first root, and what has been verified since.
    pub(crate) fn load(&self) -> Result<(Vec<u8>, Archive)> {
        let anchor = fs::read(self.folder.join(ANCHOR)).context("failed to read the first root")?;
        let known = match fs::read(self.folder.join(KNOWN)) {
            Ok(packed) => Archive::unpack(&packed, &Limits::default())?,
            Err(error) if error.kind() == ErrorKind::NotFound => Archive::default(),
            Err(error) => return Err(error).context("failed to read known metadata"),
        };
        Ok((anchor, known))
    }

    /// Adds what was verified to what was known, and writes each role's last metadata for the suite.
    pub(crate) fn save(&self, mut known: Archive, verified: &Archive) -> Result<()> {
        for (path, bytes) in verified.files() {
            known.insert(path, bytes);
        }
        self.write(KNOWN, &known.pack(u64::MAX)?)?;
        let version = |path: &str| path.strip_suffix(".root.json")?.parse::<u64>().ok();
        let root = verified.files().filter_map(|(path, bytes)| Some((version(path)?, bytes))).max();
        let Some((_, root)) = root else { return Ok(()) };
        self.write("root.json", root)?;
        let root: Value = serde_json::from_slice(root)?;
        let consistent = root["signed"]["consistent_snapshot"].as_bool().unwrap_or_default();
        for (path, bytes) in verified.files() {
            if version(path).is_some() || path.starts_with("targets/") {
                continue;
            }
            let name = match path.split_once('.') {
                Some((_, name)) if consistent && path != "timestamp.json" => name,
                _ => path,
            };
            self.write(name, bytes)?;
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        fs::write(self.folder.join(name), bytes).with_context(|| format!("failed to write {name}"))
    }
}
