//! The order in which files are published.

use trustwright_trust::tuf::Archive;

/// The file by which clients see everything else.
pub(super) const TIMESTAMP: &str = "timestamp.json";

/// Returns the files so that each comes after those that it leads to: a client that reads while they are written sees
/// the old repository or the new one. Roots come late, in their order, since a root may take the keys away that the
/// old timestamp was signed with.
pub(super) fn published(archive: &Archive) -> Vec<(&str, &[u8])> {
    let mut files: Vec<_> = archive.files().collect();
    files.sort_by_key(|(path, _)| rank(path));
    files
}

/// What the name says of the role. A delegated role can be called anything, so that it is what nothing else is.
fn rank(path: &str) -> (u8, u64) {
    let role = path.split_once('.').filter(|(version, _)| version.parse::<u64>().is_ok());
    match role {
        _ if path.starts_with("targets/") => (0, 0),
        _ if path == TIMESTAMP => (5, 0),
        Some((version, "root.json")) => (4, version.parse().unwrap_or(u64::MAX)),
        Some((_, "snapshot.json")) => (3, 0),
        Some((_, "targets.json")) => (2, 0),
        _ => (1, 0),
    }
}

/// Returns the version of a root by the name of its file.
pub(super) fn root_version(path: &str) -> Option<u64> {
    path.strip_suffix(".root.json")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_led_to_is_there_first_and_the_timestamp_last() {
        let paths = [
            "10.root.json",
            "7.delegated.json",
            "3.snapshot.json",
            "9.root.json",
            "targets/a/aa.file",
            "timestamp.json",
            "4.targets.json",
            "targets/bb.trusted_root.json",
        ];
        let archive: Archive = paths.iter().map(|path| (*path, "")).collect();
        let order: Vec<_> = published(&archive).into_iter().map(|(path, _)| path).collect();
        assert_eq!(
            order,
            [
                "targets/a/aa.file",
                "targets/bb.trusted_root.json",
                "7.delegated.json",
                "4.targets.json",
                "3.snapshot.json",
                "9.root.json",
                "10.root.json",
                "timestamp.json",
            ]
        );
    }
}
