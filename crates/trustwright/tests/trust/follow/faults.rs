//! What must not reach the folder, and what has happened to it.

use std::fs;

use trustwright_testkit::tuf_repository::{Repository, Role};
use trustwright_trust::tuf::Archive;

use super::{Case, change, holds};
use crate::fixture::{IN_TIME, Running, accepted, refused, served, trust, wait_until, write};

const LATER: &str = "2026-10-01T00:00:00Z";

#[test]
fn an_upstream_that_goes_back_is_refused() {
    let mut case = Case::new("follow-back");
    let old = case.repository.publish();
    case.publish(Repository::advance);
    case.run();
    case.upstream.replace(old);
    case.refused(&[&case.upstream.url, "goes back to version 1, and version 2 is known"]);
    // Forward again, from where it was.
    case.publish(Repository::advance);
    case.run();
}

#[test]
fn an_upstream_that_goes_back_is_refused_although_the_folder_has_expired() {
    let mut case = Case::new("follow-back-later");
    let old = case.repository.clone().until("2027-01-01T00:00:00Z");
    case.repository = old.clone();
    case.root = write(case.folder.parent().unwrap(), "root.json", old.first_root());
    case.publish(|one| {
        one.advance();
        one.timestamp.expires = "2026-09-30T00:00:00Z";
    });
    case.run();
    case.upstream.replace(old.publish());
    let mut later = case.arguments(&[]);
    *later.last_mut().unwrap() = LATER;
    refused(1, &later, &["goes back to version 1, and version 2 is known"]);
}

#[test]
fn what_is_not_whole_or_not_signed_or_expired_is_not_published() {
    let mut case = Case::new("follow-bad");
    case.run();
    case.publish(|repository| {
        repository.rotate(|one| one.timestamp.keys = Role::new().keys);
        repository.advance();
    });
    let whole = case.repository.publish();
    for missing in ["timestamp.json", "2.snapshot.json", "2.targets.json"] {
        case.upstream.replace(whole.files().filter(|(path, _)| *path != missing).collect());
        case.refused(&[&case.upstream.url, missing]);
        let mut other = whole.clone();
        other.insert(missing, "<!DOCTYPE html><html>Log in</html>");
        case.upstream.replace(other);
        case.refused(&[&case.upstream.url, missing]);
    }
    case.upstream.replace(whole);
    let mut late = case.arguments(&[]);
    *late.last_mut().unwrap() = LATER;
    let before = served(&case.folder);
    refused(1, &late, &["root expired at 2026-09-30T00:00:00Z"]);
    assert_eq!(served(&case.folder), before);
    case.run();
}

#[test]
fn a_repository_of_somebody_else_is_refused_by_root_and_by_folder() {
    let case = Case::new("follow-else");
    case.run();
    let other = Case::new("follow-other");
    let folder = case.folder.to_str().unwrap();
    let with = |url: &str, root: &str| {
        refused(1, &["mirror", url, folder, "--root", root, "--at", IN_TIME], &["valid signatures"])
    };
    assert!(with(&other.upstream.url, &case.root).contains(&other.upstream.url));
    assert!(with(&other.upstream.url, &other.root).contains(folder));
    let text = write(case.folder.parent().unwrap(), "none.json", "{}");
    refused(
        1,
        &["mirror", &case.upstream.url, folder, "--root", &text],
        &["--root", "cannot be started from"],
    );
}

#[test]
fn a_repository_without_consistent_snapshots_is_refused() {
    let mut repository = Repository::new();
    repository.consistent = false;
    repository = repository.until("2026-09-30T00:00:00Z");
    let case = Case::of("follow-inconsistent", repository);
    case.refused(&[&case.upstream.url, "no consistent snapshots"]);
    assert_eq!(served(&case.folder), Archive::default());
}

#[test]
fn a_folder_that_was_changed_is_an_error_that_names_the_file() {
    let mut case = Case::new("follow-changed");
    case.publish(|repository| {
        repository.rotate(|one| one.snapshot.keys = Role::new().keys);
        // Two more, so that the one before the last could do.
        repository.rotate(|_| ());
        repository.rotate(|_| ());
    });
    case.run();
    let folder = case.folder.to_str().unwrap().to_owned();
    let whole = served(&case.folder);
    for (path, bytes) in whole.files() {
        for at in [bytes.len() / 2, bytes.len() - 3] {
            let before = change(&case.folder, path, |bytes| bytes[at] ^= 1);
            let error = case.refused(&[&folder, path]);
            assert!(!error.contains("published without"), "{error}");
            fs::write(case.folder.join(path), before).unwrap();
        }
        let before = change(&case.folder, path, |bytes| bytes.truncate(100));
        case.refused(&[&folder, path]);
        fs::write(case.folder.join(path), before).unwrap();
        assert!(case.run().out.ends_with("8 files, 0 of them new\n"));
        fs::remove_file(case.folder.join(path)).unwrap();
        if path == "2.root.json" {
            // Without it, what it has the key of could be another repository's.
            case.refused(&[&folder, "1.snapshot.json"]);
            write(&case.folder, path, bytes);
        } else {
            // What is gone is read again.
            assert!(case.run().out.ends_with("8 files, 1 of them new\n"), "{path}");
        }
        assert_eq!(served(&case.folder), whole);
    }
    std::os::unix::fs::symlink("timestamp.json", case.folder.join("2.targets.json")).unwrap();
    case.publish(Repository::advance);
    case.refused(&[&folder, "2.targets.json"]);
}

#[test]
fn a_changed_target_is_named_also_where_it_is_not_the_trusted_root() {
    let mut repository = Repository::new();
    repository.files.insert("a/key.pub".to_owned(), b"key".to_vec());
    let path = repository.target_path("a/key.pub", b"key");
    let case = Case::of("follow-changed-target", repository);
    let all = case.arguments(&["--all-targets"]);
    accepted(&all);
    let before = change(&case.folder, &path, |bytes| bytes.push(b'!'));
    refused(1, &all, &[&format!("{}/{path} was changed", case.folder.display())]);
    fs::write(case.folder.join(path), before).unwrap();
    accepted(&all);
}

#[test]
fn a_process_that_ends_between_two_files_leaves_what_the_next_one_completes() {
    let mut case = Case::new("follow-between");
    case.run();
    let old = served(&case.folder);
    case.publish(|repository| {
        repository.rotate(|one| one.timestamp.keys = Role::new().keys);
        repository.advance();
    });
    let new = case.repository.publish();
    let in_order = ["2.targets.json", "2.snapshot.json", "2.root.json", "timestamp.json"];
    for count in 0..=in_order.len() {
        fs::remove_dir_all(&case.folder).unwrap();
        for (path, bytes) in old.files() {
            write(&case.folder, path, bytes);
        }
        for path in &in_order[..count] {
            write(&case.folder, path, new.get(path).unwrap());
        }
        write(&case.folder, ".trustwright.new", "half");
        // Only with the new root there is anything that needs explaining.
        let is_interrupted = count == 3;
        if is_interrupted {
            let before = change(&case.folder, "timestamp.json", |bytes| bytes[30] ^= 1);
            case.refused(&["was changed", "timestamp.json"]);
            fs::write(case.folder.join("timestamp.json"), before).unwrap();
        }
        // Who reads in between sees one repository, but where the new root took the old timestamp's key away.
        let reader = ["verify", case.folder.to_str().unwrap(), "--root", &case.root, "--at", IN_TIME];
        assert_eq!(trust(&reader).status == 0, !is_interrupted, "{count}");
        let run = case.run();
        assert_eq!(
            run.err.contains("published without what it signs"),
            is_interrupted,
            "{count}: {}",
            run.err
        );
        assert!(
            run.out.ends_with(&format!(" {} of them new\n", in_order.len() - count)),
            "{count}: {}",
            run.out
        );
        assert!(holds(&served(&case.folder), &new));
    }
}

#[test]
fn a_process_that_is_killed_while_it_reads_leaves_the_folder_and_no_lock() {
    let mut case = Case::new("follow-killed");
    case.run();
    let before = served(&case.folder);
    case.publish(Repository::advance);
    case.upstream.asked();
    case.upstream.hold(Some("2.targets.json"));
    let running = Running::start(&case.arguments(&[]));
    wait_until("asked for the targets", || case.upstream.was_asked("2.targets.json"));
    assert_eq!(served(&case.folder), before);
    case.refused(&["is kept by another process"]);
    assert_eq!(running.stop("KILL"), None);
    assert_eq!(served(&case.folder), before);
    case.upstream.hold(None);
    case.run();
    assert!(holds(&served(&case.folder), &case.repository.publish()));
}
