//! Repositories that python-tuf 7.0.0 built; `data/python-tuf/write.py` has written them.

use std::path::Path;

use jiff::Timestamp;
use trustwright_trust::tuf::{Archive, Content, Floor, Limits, Request, TufError, Verified, load, verify};
use trustwright_trust::{KeyReport, to_trusted_root};

use super::{folder, refuse_each_changed_byte, with_a_changed_byte};
use crate::support::now;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/python-tuf");

/// A role and its version.
type Version = (&'static str, u64);

const FIRST: [Version; 4] = [("root", 1), ("timestamp", 1), ("snapshot", 1), ("targets", 1)];

/// The repositories with a `trusted_root.json`, how many roots each has, and the versions that it leads to: of the
/// top-level roles, and of delegated ones.
const REPOSITORIES: [(&str, u64, [Version; 4], &[Version]); 5] = [
    ("consistent", 1, FIRST, &[]),
    ("delegations", 1, FIRST, &[("first", 1), ("inner roots", 1)]),
    ("key-kinds", 1, FIRST, &[]),
    ("rotated", 3, [("root", 3), ("timestamp", 7), ("snapshot", 7), ("targets", 7)], &[]),
    ("unversioned", 1, FIRST, &[]),
];

fn published(name: &str) -> Archive {
    folder(&Path::new(DATA).join(name))
}

/// Verifies `archive` from its root of that version, for `target`.
fn read(archive: &Archive, root: u64, target: &str, at: Timestamp) -> Result<Verified, TufError> {
    let (floor, limits) = (Floor::default(), Limits::default());
    let anchor = archive.get(&format!("{root}.root.json")).unwrap();
    let request = Request { target, ..Request::new(anchor, &floor, &limits, at) };
    verify(&request, archive).map_err(|failure| failure.error)
}

fn trusted_root(archive: &Archive, root: u64) -> Result<Verified, TufError> {
    read(archive, root, "trusted_root.json", now())
}

#[test]
fn each_repository_is_read_from_each_of_its_roots() {
    for (name, roots, top, delegated) in REPOSITORIES {
        let published = published(name);
        for root in 1..=roots {
            let verified = trusted_root(&published, root).unwrap();
            let found: Vec<_> =
                verified.metadata.iter().map(|role| (role.role.as_str(), role.version)).collect();
            assert_eq!(found, [top.as_slice(), delegated].concat(), "{name} from root {root}");
            let loaded = load(&verified, now()).unwrap();
            assert!(loaded.reports.iter().all(KeyReport::is_usable), "{name}: {:?}", loaded.reports);
            let document = to_trusted_root(&loaded.material).unwrap();
            assert_eq!(document.certificate_authorities[0].uri, format!("https://fulcio.{name}.test"));
            // What was used is enough, from the same root.
            assert_eq!(trusted_root(&verified.archive, root).unwrap(), verified, "{name} from root {root}");
        }
        assert!(published.get(&format!("{}.root.json", roots + 1)).is_none(), "{name} has more roots");
    }
}

#[test]
fn a_changed_byte_is_refused_in_each_file_that_is_used() {
    for (name, roots, ..) in REPOSITORIES {
        for root in 1..=roots {
            let used = trusted_root(&published(name), root).unwrap().archive;
            refuse_each_changed_byte(&used, root, |archive| trusted_root(archive, root));
        }
    }
}

#[test]
fn a_repository_is_refused_from_the_instant_on_at_which_it_ends() {
    let end: Timestamp = "2027-06-30T00:00:00Z".parse().unwrap();
    let before = Timestamp::from_second(end.as_second() - 1).unwrap();
    for (name, roots, ..) in REPOSITORIES {
        let published = published(name);
        read(&published, roots, "trusted_root.json", before).unwrap();
        let error = read(&published, roots, "trusted_root.json", end).unwrap_err();
        assert!(matches!(&error, TufError::Expired { expires, .. } if *expires == end), "{name}: {error}");
    }
}

#[test]
fn roots_with_a_gap_lead_nowhere() {
    let whole = published("rotated");
    let gap: Archive = whole.files().filter(|(path, _)| *path != "2.root.json").collect();
    // The keys of the timestamp are those of version 3.
    let error = trusted_root(&gap, 1).unwrap_err();
    assert!(matches!(&error, TufError::Threshold { file, .. } if file == "timestamp.json"), "{error}");
    assert_eq!(trusted_root(&gap, 3).unwrap().floor.root, 3);
    assert_eq!(trusted_root(&whole, 1).unwrap().floor.root, 3);
}

/// `bins` has its targets by the hash of their names; `closed` is delegated to a role that lists nothing and ends the
/// search, and `last`, which lists `closed` as well as `open`, is behind it.
#[test]
fn delegations_by_hash_and_those_that_end_the_search_are_followed() {
    let published = published("delegations");
    for (target, role) in [("hashed", "bins"), ("open", "last")] {
        let verified = read(&published, 1, target, now()).unwrap();
        assert_eq!(verified.metadata.last().unwrap().role, role);
        assert!(load(&verified, now()).unwrap().reports.iter().all(KeyReport::is_usable));
    }
    let error = read(&published, 1, "closed", now()).unwrap_err();
    assert!(matches!(&error, TufError::NoTrustedRoot { target } if target == "closed"), "{error}");
}

#[test]
fn the_legacy_layout_is_read_and_a_changed_key_is_refused() {
    let published = published("legacy");
    let verified = trusted_root(&published, 1).unwrap();
    let Content::SigstoreKeys(keys) = &verified.content else { panic!("{:?}", verified.content) };
    assert_eq!(keys.certificate_authorities[0].uri, "https://fulcio.legacy.test");
    assert_eq!(keys.t_logs[0].base_url, "https://rekor.legacy.test");
    assert_eq!(keys.ct_logs[0].base_url, "https://ctfe.legacy.test");
    let loaded = load(&verified, now()).unwrap();
    assert_eq!((loaded.reports.len(), loaded.reports.iter().all(KeyReport::is_usable)), (3, true));
    for (path, _) in verified.archive.files().filter(|(path, _)| path.starts_with("targets/")) {
        let error = trusted_root(&with_a_changed_byte(&published, path), 1).unwrap_err();
        assert!(matches!(&error, TufError::HashMismatch { file, .. } if file == path), "{error}");
    }
}
