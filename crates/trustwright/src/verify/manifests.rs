//! Manifests in files.

use std::{
    fmt,
    io::{self},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::trust::files::{bounded, read_named};

/// Most bytes of a file.
const MAX_FILE: u64 = 64 << 20;
/// How the names of manifests end, in a folder.
const ENDS: [&str; 3] = ["json", "yaml", "yml"];

/// An object, and where it was read.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// The file, or the cluster.
    pub(super) origin: String,
    /// The object.
    pub(super) object: Value,
}

impl Given {
    /// The text at this place of the object; empty where there is none.
    pub(super) fn word(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.origin, self.word("/kind"), self.word("/metadata/name"))
    }
}

/// Reads every object of these files and folders.
pub(super) fn read(files: &[String]) -> anyhow::Result<Vec<Given>> {
    let mut given = Vec::new();
    for file in files {
        if file == "-" {
            let bytes = bounded(io::stdin().lock(), MAX_FILE).context("cannot read stdin")?;
            of_bytes("stdin", bytes, &mut given)?;
            continue;
        }
        let path = Path::new(file);
        let found = path.metadata().with_context(|| format!("cannot read {file}"))?;
        let files = if found.is_dir() { in_folder(path)? } else { vec![path.to_owned()] };
        for path in files {
            let name = path.display().to_string();
            let bytes = read_named(&path, MAX_FILE).with_context(|| format!("cannot read {name}"))?;
            of_bytes(&name, bytes, &mut given)?;
        }
    }
    Ok(given)
}

/// The manifests of a folder, but not of the folders in it, by name.
fn in_folder(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let name = || format!("cannot read {}", folder.display());
    let mut files = Vec::new();
    for entry in folder.read_dir().with_context(name)? {
        let path = entry.with_context(name)?.path();
        let is_manifest = path.extension().is_some_and(|end| ENDS.iter().any(|known| end == *known));
        if is_manifest && path.is_file() {
            files.push(path);
        }
    }
    ensure!(!files.is_empty(), "{} has no file that ends in .json, .yaml or .yml", folder.display());
    files.sort();
    Ok(files)
}

fn of_bytes(origin: &str, bytes: Option<Vec<u8>>, given: &mut Vec<Given>) -> anyhow::Result<()> {
    let bytes = bytes.with_context(|| format!("{origin} has more than {MAX_FILE} bytes"))?;
    let text = String::from_utf8(bytes).ok().with_context(|| format!("{origin} is not text"))?;
    let documents: Vec<Value> = if text.trim_start().starts_with('{') {
        vec![serde_json::from_str(&text).with_context(|| format!("{origin} is not JSON"))?]
    } else {
        // Without a piece of the text, which may be a key.
        serde_saphyr::from_multiple(&text)
            .map_err(|error| anyhow::anyhow!("{origin} is not YAML: {}", error.without_snippet()))?
    };
    for (index, object) in documents.into_iter().enumerate() {
        let items = match object.get("items") {
            _ if object.is_null() => continue,
            Some(Value::Array(items)) if object.get("kind") == Some(&Value::from("List")) => items.clone(),
            _ => vec![object],
        };
        for object in items {
            let is_object = object.get("kind").is_some_and(Value::is_string);
            ensure!(is_object, "{origin}: document {} is no object of Kubernetes: it has no kind", index + 1);
            given.push(Given { origin: origin.to_owned(), object });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Result<Vec<String>, String> {
        let mut given = Vec::new();
        let bytes = Some(text.as_bytes().to_vec());
        of_bytes("f", bytes, &mut given).map_err(|error| format!("{error:#}"))?;
        Ok(given.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_file_has_any_number_of_objects_in_yaml_or_one_in_json_and_lists_are_what_is_in_them() {
        for (text, expected) in [
            ("kind: A\n---\nkind: B\nmetadata: {name: b}\n---\n", vec!["f: A ", "f: B b"]),
            (r#"{"kind": "A"}"#, vec!["f: A "]),
            ("kind: List\nitems: [{kind: A}, {kind: B}]\n", vec!["f: A ", "f: B "]),
            ("", vec![]),
        ] {
            assert_eq!(kinds(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        for (text, expected) in [
            ("kind: A\n---\na: b\n", "f: document 2 is no object of Kubernetes: it has no kind"),
            ("just words", "f: document 1 is no object of Kubernetes: it has no kind"),
            ("{", "f is not JSON"),
            ("a: [", "f is not YAML"),
        ] {
            let error = kinds(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_folder_gives_its_manifests_and_a_file_that_is_not_there_is_an_error() {
        let folder = env!("CARGO_MANIFEST_DIR").to_owned();
        let error = read(&[format!("{folder}/none.yaml")]).unwrap_err().to_string();
        assert_eq!(error, format!("cannot read {folder}/none.yaml"));
        let error = read(&[format!("{folder}/src")]).unwrap_err().to_string();
        assert_eq!(error, format!("{folder}/src has no file that ends in .json, .yaml or .yml"));
    }
}
