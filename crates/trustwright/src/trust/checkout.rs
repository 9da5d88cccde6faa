//! A git checkout of a repository that tuf-on-ci keeps, as `sigstore/root-signing`: the files have neither
//! versions nor hashes in their names, since git has the history.
//!
//! ```text
//! metadata/root_history/15.root.json   15.root.json
//! metadata/timestamp.json              timestamp.json
//! metadata/snapshot.json               165.snapshot.json
//! targets/trusted_root.json            targets/<hash>.trusted_root.json
//! ```

/// The folder with every root.
pub(super) const ROOTS: &str = "metadata/root_history";

/// The file by which a checkout is known.
pub(super) const TIMESTAMP: &str = "metadata/timestamp.json";

/// Returns where the file lies that is published as `path`. Whether it is the version and has the hash that
/// were asked for is checked by whoever asks.
pub(super) fn path(path: &str) -> String {
    if let Some(target) = path.strip_prefix("targets/") {
        let (folder, file) = target.rsplit_once('/').map_or(("", target), |(folder, file)| (folder, file));
        let slash = if folder.is_empty() { "" } else { "/" };
        return format!("targets/{folder}{slash}{}", without(file, is_hash));
    }
    let name = without(path, is_version);
    if name == "root.json" && name != path { format!("{ROOTS}/{path}") } else { format!("metadata/{name}") }
}

/// Takes what is before the first dot away, if it is a `prefix`.
fn without(file: &str, prefix: fn(&str) -> bool) -> &str {
    file.split_once('.').filter(|(first, _)| prefix(first)).map_or(file, |(_, rest)| rest)
}

fn is_version(text: &str) -> bool {
    text.parse::<u64>().is_ok()
}

/// SHA-256 or SHA-512 in hexadecimal.
fn is_hash(text: &str) -> bool {
    [64, 128].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_names_lose_versions_and_hashes() {
        let hash = "6494e21ea73fa7ee769f85f57d5a3e6a08725eae1e38c755fc3517c9e6bc0b66";
        for (published, expected) in [
            ("15.root.json", "metadata/root_history/15.root.json"),
            ("timestamp.json", "metadata/timestamp.json"),
            ("165.snapshot.json", "metadata/snapshot.json"),
            ("snapshot.json", "metadata/snapshot.json"),
            ("8.registry.npmjs.org.json", "metadata/registry.npmjs.org.json"),
            (&format!("targets/{hash}.trusted_root.json"), "targets/trusted_root.json"),
            (&format!("targets/a/b/{hash}.keys.json"), "targets/a/b/keys.json"),
            ("targets/trusted_root.json", "targets/trusted_root.json"),
            ("targets/12.keys.json", "targets/12.keys.json"),
        ] {
            assert_eq!(path(published), expected);
        }
    }
}
