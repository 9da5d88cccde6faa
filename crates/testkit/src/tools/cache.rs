//! Where built tools are kept, and the folder that shows a set of them side by side.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// Returns the folder that holds everything built here, and creates it:
/// `TRUSTWRIGHT_TOOLS_CACHE`, else `trustwright/tools` in the user's cache.
pub(super) fn root() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = if let Some(root) = set("TRUSTWRIGHT_TOOLS_CACHE") {
        root
    } else if let Some(cache) = set("XDG_CACHE_HOME") {
        cache.join("trustwright/tools")
    } else if let Some(home) = set("HOME") {
        home.join(".cache/trustwright/tools")
    } else {
        bail!("set TRUSTWRIGHT_TOOLS_CACHE, XDG_CACHE_HOME or HOME to say where built tools are kept");
    };
    fs::create_dir_all(&root).with_context(|| format!("failed to create {}", root.display()))?;
    fs::canonicalize(&root).with_context(|| format!("failed to resolve {}", root.display()))
}

/// Returns the first 16 hexadecimal digits of the SHA-256 of `parts`, each with its length.
pub(super) fn key<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_string());
        hash.update(b"\n");
        hash.update(part);
    }
    let mut key = hex::encode(hash.finalize());
    key.truncate(16);
    key
}

/// Takes the lock called `name` in `folder`, waiting for whoever has it. It is let go when the file is
/// dropped or the process ends.
pub(super) fn lock(folder: &Path, name: &str) -> Result<File> {
    let path = folder.join(format!(".{name}.lock"));
    let file = File::create(&path).with_context(|| format!("failed to create {}", path.display()))?;
    file.lock().with_context(|| format!("failed to lock {}", path.display()))?;
    Ok(file)
}

/// Returns a folder with one link per entry of `found` (name to path), creating it when it is not there yet.
pub(super) fn view(root: &Path, found: &BTreeMap<&str, PathBuf>) -> Result<PathBuf> {
    let parts = found.iter().flat_map(|(name, path)| [name.as_bytes(), path.as_os_str().as_encoded_bytes()]);
    let folder = root.join(format!("bin-{}", key(parts)));
    if folder.is_dir() {
        return Ok(folder);
    }
    let _lock = lock(root, "bin")?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let draft = root.join(".bin-draft");
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("failed to remove {}", draft.display()));
        }
        _ => {}
    }
    fs::create_dir(&draft).with_context(|| format!("failed to create {}", draft.display()))?;
    for (name, path) in found {
        let link = draft.join(name);
        symlink(path, &link).with_context(|| format!("failed to link {}", link.display()))?;
    }
    fs::rename(&draft, &folder).with_context(|| format!("failed to create {}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_tells_where_one_part_ends() {
        assert_ne!(key([b"ab".as_slice(), b"c"]), key([b"a".as_slice(), b"bc"]));
        assert_eq!(key([b"a".as_slice()]).len(), 16);
    }

    #[test]
    fn view_is_the_same_folder_for_the_same_set() {
        let root = tempfile::tempdir().unwrap();
        let tool = root.path().join("etcd-0123/etcd");
        let one = BTreeMap::from([("etcd", tool.clone())]);
        let two = BTreeMap::from([("etcd", tool.clone()), ("kubectl", root.path().join("k"))]);
        let first = view(root.path(), &one).unwrap();
        assert_eq!(fs::read_link(first.join("etcd")).unwrap(), tool);
        assert_eq!(view(root.path(), &one).unwrap(), first);
        assert_ne!(view(root.path(), &two).unwrap(), first);
    }
}
