//! What a status holds is believed as far as it verifies, whoever wrote it.

use trustwright_roots::{Anchor, Artifact, ArtifactError, FloorEntry, MAX_PACKED};
use trustwright_testkit::tuf_repository::{Key, Repository};
use trustwright_trust::tuf::{Archive, Floor, TufError};

use crate::support::{BEFORE, END, LAST, anchor, at, download, packed};

fn restore(text: &str, anchor: &Anchor, floor: Option<&Floor>, now: &str) -> Result<Artifact, ArtifactError> {
    Artifact::restore(text, anchor, floor, at(now))
}

/// Why it is not restored, as the TUF workflow says.
#[track_caller]
fn refusal(result: Result<Artifact, ArtifactError>) -> TufError {
    match result {
        Err(ArtifactError::Verification(failure)) => failure.error,
        other => panic!("expected a failed verification, got {other:?}"),
    }
}

#[test]
fn what_was_packed_is_restored_as_it_was() {
    let repository = Repository::new();
    let artifact = download(&repository).unwrap();
    assert_eq!(download(&repository).unwrap().packed, artifact.packed, "the same files, the same text");
    for floor in [None, Some(&artifact.floor)] {
        assert_eq!(restore(&artifact.packed, &anchor(&repository), floor, BEFORE).unwrap(), artifact);
    }
    let files = artifact.archive().unwrap();
    assert_eq!(packed(&files), artifact.packed);
    assert_eq!(files.files().count(), 5, "what was used, and nothing else");
}

#[test]
fn of_another_anchor_nothing_is_restored() {
    let (repository, other) = (Repository::new(), Repository::new());
    let text = download(&repository).unwrap().packed;
    let error = refusal(restore(&text, &anchor(&other), None, BEFORE));
    assert!(matches!(error, TufError::Threshold { .. }), "{error}");
    assert!(restore(&text, &anchor(&repository), None, BEFORE).is_ok());
    // A whole repository of somebody else's, behind a root of ours.
    let mut forged = other.publish();
    forged.insert("1.root.json", repository.first_root());
    let error = refusal(restore(&packed(&forged), &anchor(&repository), None, BEFORE));
    assert!(matches!(error, TufError::Threshold { .. }), "{error}");
    let nothing = Anchor { root: b"{}".to_vec(), ..anchor(&repository) };
    let error = refusal(restore(&text, &nothing, None, BEFORE));
    assert!(matches!(error, TufError::Malformed { .. }), "{error}");
}

#[test]
fn of_a_file_that_was_changed_or_taken_away_nothing_is_restored() {
    let repository = Repository::new();
    let files = download(&repository).unwrap().archive().unwrap();
    let paths: Vec<String> = files.files().map(|(path, _)| path.to_owned()).collect();
    for path in paths {
        // The anchor is taken from the spec, whatever the status says.
        let is_anchor = path == "1.root.json";
        let changed = files.files().map(|(name, bytes)| {
            let mut bytes = bytes.to_vec();
            if name == path {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            (name, bytes)
        });
        let changed: Archive = changed.collect();
        let result = restore(&packed(&changed), &anchor(&repository), None, BEFORE);
        assert_eq!(result.is_ok(), is_anchor, "{path} changed");
        let fewer: Archive = files.files().filter(|(name, _)| *name != path).collect();
        let result = restore(&packed(&fewer), &anchor(&repository), None, BEFORE);
        assert_eq!(result.is_ok(), is_anchor, "{path} taken away");
    }
}

#[test]
fn what_stands_beside_the_repository_counts_for_nothing() {
    let repository = Repository::new();
    let known = download(&repository).unwrap();
    let mut files = known.archive().unwrap();
    files.insert("2.targets.json", b"{}".to_vec());
    files.insert("targets/trusted_root.json", b"{}".to_vec());
    files.insert("x/y", vec![7; 100]);
    let restored = restore(&packed(&files), &anchor(&repository), None, BEFORE).unwrap();
    assert_eq!(
        (restored.content, restored.metadata, restored.floor),
        (known.content, known.metadata, known.floor)
    );
    // A next root that is none is the status's word against the signed chain.
    files.insert("2.root.json", b"{}".to_vec());
    refusal(restore(&packed(&files), &anchor(&repository), None, BEFORE));
}

type Raise = fn(&mut Floor);

#[test]
fn below_the_floor_nothing_is_restored() {
    let mut repository = Repository::new();
    repository.rotate(|_| ());
    repository.advance();
    let known = download(&repository).unwrap();
    assert!(restore(&known.packed, &anchor(&repository), Some(&known.floor), BEFORE).is_ok());
    let raises: [(&str, Raise); 4] = [
        ("root", |floor| floor.root += 1),
        ("timestamp", |floor| floor.timestamp += 1),
        ("snapshot", |floor| floor.snapshot += 1),
        ("targets", |floor| *floor.targets.get_mut("targets").unwrap() += 1),
    ];
    for (role, raise) in raises {
        let mut floor = known.floor.clone();
        raise(&mut floor);
        let error = refusal(restore(&known.packed, &anchor(&repository), Some(&floor), BEFORE));
        let TufError::Rollback { role: refused, floor, offered } = error else { panic!("{role}: {error}") };
        assert_eq!((refused.as_str(), floor), (role, offered + 1));
    }
    let mut floor = known.floor.clone();
    floor.targets.insert("delegated".to_owned(), 1);
    let error = refusal(restore(&known.packed, &anchor(&repository), Some(&floor), BEFORE));
    assert!(matches!(error, TufError::RoleRemoved { .. }), "{error}");
}

#[test]
fn an_authentic_repository_from_before_a_key_was_revoked_is_stopped_by_the_floor_alone() {
    let mut repository = Repository::new();
    let old = download(&repository).unwrap();
    repository.rotate(|repository| repository.timestamp.keys = vec![Key::new()]);
    let new = download(&repository).unwrap();
    let entry = FloorEntry { accepted: old.floor.max(&new.floor), seen: Floor::default() };
    let entry = FloorEntry::decode(&entry.encode()).unwrap();
    let floor = Some(&entry.accepted);
    let error = refusal(restore(&old.packed, &anchor(&repository), floor, BEFORE));
    assert_eq!(error.to_string(), "root goes back to version 1, and version 2 is known");
    assert_eq!(restore(&new.packed, &anchor(&repository), floor, BEFORE).unwrap(), new);
    assert_eq!(restore(&old.packed, &anchor(&repository), None, BEFORE).unwrap(), old, "it is authentic");
}

#[test]
fn what_expired_is_restored_where_a_floor_shows_that_it_was_in_force_before() {
    let repository = Repository::new();
    let known = download(&repository).unwrap();
    let nothing = Floor::default();
    for (floor, now, is_restored) in [
        (None, LAST, true),
        (None, END, false),
        // A mirror that broke off leaves an entry that says nothing of what was in force.
        (Some(&nothing), LAST, true),
        (Some(&nothing), END, false),
        (Some(&known.floor), LAST, true),
        (Some(&known.floor), END, true),
    ] {
        let result = restore(&known.packed, &anchor(&repository), floor, now);
        if is_restored {
            assert_eq!(result.unwrap(), known, "{floor:?} at {now}");
        } else {
            let error = refusal(result);
            assert!(matches!(error, TufError::Expired { .. }), "{floor:?} at {now}: {error}");
        }
    }
}

#[test]
fn damaged_text_is_refused_for_what_is_wrong_with_it() {
    let repository = Repository::new();
    let good = download(&repository).unwrap().packed;
    let at_half = good.len() / 8 * 4;
    let mut changed = good.clone().into_bytes();
    changed[at_half] = if changed[at_half] == b'A' { b'B' } else { b'A' };
    let huge = Archive::from_iter([("x.json", vec![b' '; 6 << 20])]);
    for (name, text, is_base64, expected) in [
        ("no base64", "?".to_owned(), true, "it is no base64"),
        ("cut within four characters", good[..=at_half].to_owned(), true, "it is no base64"),
        (
            "a line break in it",
            format!("{}\n{}", &good[..at_half], &good[at_half..]),
            true,
            "it is no base64",
        ),
        ("nothing", String::new(), false, "gzip stream is damaged or cut off"),
        ("cut", good[..at_half].to_owned(), false, "gzip stream is damaged or cut off"),
        ("changed", String::from_utf8(changed).unwrap(), false, "it cannot be unpacked: "),
        ("no gzip", "e30=".to_owned(), false, "gzip stream is damaged or cut off"),
        ("larger than it looks", packed(&huge), false, "of which at most 5000000 are allowed"),
    ] {
        let error = restore(&text, &anchor(&repository), None, BEFORE).unwrap_err();
        assert_eq!(matches!(error, ArtifactError::Base64(_)), is_base64, "{name}: {error}");
        assert_eq!(matches!(error, ArtifactError::Archive(_)), !is_base64, "{name}: {error}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    assert!(restore(&good, &anchor(&repository), None, BEFORE).is_ok());
}

#[test]
fn another_target_of_the_same_repository_is_another_artifact() {
    let mut repository = Repository::new();
    let other = repository.files["trusted_root.json"].clone();
    repository.files.insert("other.json".to_owned(), other);
    let text = download(&repository).unwrap().packed;
    let anchor = Anchor { target: "other.json".to_owned(), ..anchor(&repository) };
    // It is listed, and not among the files that the status holds.
    let error = refusal(restore(&text, &anchor, None, BEFORE));
    assert!(matches!(error, TufError::Missing { .. }), "{error}");
    assert!(restore(&packed(&repository.publish()), &anchor, None, BEFORE).is_ok());
}

#[test]
fn what_a_status_cannot_hold_is_no_artifact() {
    let mut repository = Repository::new();
    let noise = |bytes: u64| {
        let hash = |number: u64| Anchor { root: number.to_be_bytes().to_vec(), target: String::new() }.hash();
        (0..bytes / 64).map(hash).collect::<String>()
    };
    // Of a hexadecimal digit half is information.
    for (bytes, fits) in [(600_000, true), (900_000, false)] {
        let custom = serde_json::json!({ "noise": noise(bytes) });
        repository.custom.insert("trusted_root.json".to_owned(), custom);
        match download(&repository) {
            Ok(artifact) => assert!(fits && artifact.packed.len() <= MAX_PACKED, "{bytes}"),
            Err(error) => assert!(!fits && matches!(error, ArtifactError::TooLarge(_)), "{bytes}: {error}"),
        }
    }
}
