//! `--watch`.

use trustwright_testkit::tuf_repository::Repository;
use trustwright_trust::tuf::Archive;

use super::{Case, change, holds};
use crate::fixture::{Running, refused, served, wait_until};

#[test]
fn a_change_is_picked_up_a_failure_outlived_and_a_signal_is_the_end() {
    let mut case = Case::new("watch");
    case.run();
    case.upstream.replace(Archive::default());
    let running = Running::start(&case.arguments(&["--watch", "--interval", "10s"]));
    let failure = running.says("timestamp.json");
    assert!(failure.contains(&case.upstream.url) && failure.ends_with("; next try in 10 s"), "{failure}");
    assert_eq!(served(&case.folder).files().count(), 5);
    case.publish(Repository::advance);
    assert!(running.says("timestamp version 2").ends_with("5 files, 3 of them new"));
    assert!(holds(&served(&case.folder), &case.repository.publish()));
    assert_eq!(running.stop("TERM"), Some(0));
}

#[test]
fn a_busy_upstream_is_left_alone_for_as_long_as_it_asks() {
    let case = Case::new("watch-busy");
    case.upstream.be_busy_for(77);
    let running = Running::start(&case.arguments(&["--watch", "--interval", "10s"]));
    let said = running.says("503");
    assert!(said.ends_with("; next try in 77 s"), "{said}");
    assert_eq!(running.stop("TERM"), Some(0));
}

#[test]
fn it_ends_at_once_while_it_reads_and_leaves_the_folder_as_it_was() {
    let case = Case::new("watch-end");
    case.run();
    let before = served(&case.folder);
    case.upstream.asked();
    case.upstream.hold(Some("timestamp.json"));
    let running = Running::start(&case.arguments(&["--watch"]));
    wait_until("asked for the timestamp", || case.upstream.was_asked("timestamp.json"));
    assert_eq!(running.stop("INT"), Some(0));
    assert_eq!(served(&case.folder), before);
}

#[test]
fn what_waiting_does_not_mend_is_said_at_once() {
    let case = Case::new("watch-changed");
    case.run();
    change(&case.folder, "timestamp.json", |bytes| bytes[30] ^= 1);
    refused(1, &case.arguments(&["--watch"]), &["was changed", "timestamp.json"]);
}
