//! `mirror`: a folder in step with an upstream.

mod faults;
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use trustwright_testkit::tuf_repository::{Delegation, Repository, Role};
use trustwright_trust::tuf::Archive;

use crate::fixture::{
    IN_TIME, PUBLISHED, Run, Upstream, accepted, files, folder, refused, root, serve, served, trust, write,
};

/// An upstream that a test changes, a root, and a folder.
struct Case {
    upstream: Upstream,
    repository: Repository,
    root: String,
    folder: PathBuf,
}

impl Case {
    fn new(name: &str) -> Self {
        Self::of(name, Repository::new())
    }

    fn of(name: &str, repository: Repository) -> Self {
        let place = folder(name);
        let root = write(&place, "root.json", repository.first_root());
        let upstream = Upstream::new(repository.publish());
        Self { upstream, repository, root, folder: place.join("served") }
    }

    /// Changes the repository and has the upstream serve that.
    fn publish(&mut self, change: impl FnOnce(&mut Repository)) {
        change(&mut self.repository);
        self.upstream.replace(self.repository.publish());
    }

    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let folder = self.folder.to_str().unwrap();
        [&["mirror", &self.upstream.url, folder, "--root", &self.root, "--at", IN_TIME], more].concat()
    }

    fn run(&self) -> Run {
        accepted(&self.arguments(&[]))
    }

    /// Runs it, which must fail and leave the folder as it is.
    fn refused(&self, words: &[&str]) -> String {
        fs::create_dir_all(&self.folder).unwrap();
        let before = served(&self.folder);
        let error = refused(1, &self.arguments(&[]), words);
        assert_eq!(served(&self.folder), before);
        error
    }
}

/// Returns the files that are in both.
fn holds(all: &Archive, some: &Archive) -> bool {
    some.files().all(|(path, bytes)| all.get(path) == Some(bytes))
}

#[test]
fn a_folder_holds_what_clients_need_and_serves_the_same_trust() {
    let case = Case::new("follow");
    let run = case.run();
    assert_eq!(
        run.out,
        "root version 1, timestamp version 1, snapshot version 1, targets version 1, 5 files, 5 of them new\n"
    );
    assert_eq!(run.err, "");
    assert_eq!(served(&case.folder), case.repository.publish());
    let inspected = |source: &str| {
        let text = accepted(&["inspect", source, "--root", &case.root, "--at", IN_TIME]).out;
        text.lines().filter(|line| !line.starts_with("Source:")).map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = inspected(&case.upstream.url);
    assert_eq!(inspected(&serve(files(&case.folder))), expected);
    assert_eq!(inspected(case.folder.to_str().unwrap()), expected);
}

#[test]
fn what_has_not_changed_is_not_read_again() {
    let case = Case::new("follow-again");
    case.run();
    case.upstream.asked();
    let before = served(&case.folder);
    let written = || fs::metadata(case.folder.join("timestamp.json")).unwrap().modified().unwrap();
    let time = written();
    let run = case.run();
    assert!(run.out.ends_with("5 files, 0 of them new\n"), "{}", run.out);
    assert_eq!(case.upstream.asked(), ["2.root.json", "timestamp.json"]);
    assert_eq!((served(&case.folder), written()), (before, time));
}

#[test]
fn new_versions_come_and_old_ones_stay_for_clients_that_are_reading() {
    let mut case = Case::new("follow-on");
    case.run();
    let before = served(&case.folder);
    case.upstream.asked();
    case.publish(|repository| {
        repository.rotate(|one| one.timestamp.keys = Role::new().keys);
        repository.advance();
    });
    let run = case.run();
    assert!(run.out.starts_with("root version 2, timestamp version 2, "), "{}", run.out);
    // The trusted root is the same file as before.
    let expected = ["2.root.json", "3.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"];
    assert_eq!(case.upstream.asked(), expected);
    let after = served(&case.folder);
    assert!(holds(&after, &case.repository.publish()));
    let old: Archive = before.files().filter(|(path, _)| *path != "timestamp.json").collect();
    assert!(holds(&after, &old));
    // Nothing unfinished is left.
    let hidden: Vec<_> = files(&case.folder).files().map(|(path, _)| path.to_owned()).collect();
    assert_eq!(hidden.iter().filter(|path| path.starts_with('.')).collect::<Vec<_>>(), [".trustwright.lock"]);
}

#[test]
fn all_targets_are_those_that_a_client_can_find() {
    let targets = |names: &[&str]| -> BTreeMap<String, Vec<u8>> {
        names.iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec())).collect()
    };
    let delegation = |name: &str, paths: Vec<&'static str>, names: &[&str]| Delegation {
        name: name.to_owned(),
        role: Role::new(),
        paths,
        terminating: false,
        targets: targets(names),
        children: Vec::new(),
    };
    let mut repository = Repository::new();
    repository.files.extend(targets(&["signing_config.json", "a/key.pub"]));
    // A role may list what is not delegated to it; no client finds that.
    let mut outer = delegation("outer", vec!["b/*", "b/?/*"], &["b/one", "c/stray"]);
    outer.children = vec![delegation("inner role", vec!["b/c/*"], &["b/c/two"])];
    repository.delegations = vec![outer];
    let case = Case::of("follow-all", repository);
    case.run();
    assert_eq!(served(&case.folder).files().count(), 5);
    case.upstream.asked();
    let all = case.arguments(&["--all-targets"]);
    let run = accepted(&all);
    assert!(run.err.contains("c/stray is listed by a role that it is not delegated to"), "{}", run.err);
    let stray = case.repository.target_path("c/stray", b"c/stray");
    let published = case.repository.publish();
    let findable: Archive = published.files().filter(|(path, _)| *path != stray).collect();
    assert!(findable.get("1.inner role.json").is_some());
    assert_eq!(served(&case.folder), findable);
    case.upstream.asked();
    assert_eq!(accepted(&all).out.split(", ").last().unwrap(), "0 of them new\n");
    let asked = case.upstream.asked();
    assert!(asked.iter().all(|path| !path.starts_with("targets/")), "{asked:?}");
}

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn the_public_good_repository_is_mirrored_whole() {
    let upstream = Upstream::new(files(PUBLISHED.as_ref()));
    let folder = folder("follow-public-good").join("served");
    let place = folder.to_str().unwrap();
    let root = root(5);
    let arguments = ["mirror", &upstream.url, place, "--root", &root, "--at", IN_TIME];
    let run = accepted(&arguments);
    assert!(run.out.starts_with("root version 15, timestamp version 762, "), "{}", run.out);
    // Eleven roots, the three other roles, and the one target.
    assert_eq!(served(&folder).files().count(), 15);
    let everything = [&arguments[..], &["--all-targets"]].concat();
    assert!(accepted(&everything).out.ends_with("27 files, 12 of them new\n"));
    let is_older =
        |path: &str| ["1", "2", "3", "4"].iter().any(|version| path == format!("{version}.root.json"));
    let published = files(PUBLISHED.as_ref());
    let expected: Archive = published.files().filter(|(path, _)| !is_older(path)).collect();
    assert_eq!(served(&folder), expected);
    upstream.asked();
    assert!(accepted(&everything).out.ends_with("27 files, 0 of them new\n"));
    assert_eq!(upstream.asked(), ["16.root.json", "timestamp.json"]);

    let pack = |source: &str| accepted(&["pack", source, "--root", &root, "--at", IN_TIME]).out;
    assert_eq!(pack(&serve(served(&folder))), pack(PUBLISHED));
}

/// Returns the files of `folder` with the content of one replaced.
fn change(folder: &Path, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let full = folder.join(path);
    let before = fs::read(&full).unwrap();
    let mut bytes = before.clone();
    change(&mut bytes);
    fs::write(full, bytes).unwrap();
    before
}

#[test]
fn what_says_nothing_is_a_matter_of_usage() {
    let case = Case::new("follow-usage");
    let folder = case.folder.to_str().unwrap();
    let url = case.upstream.url.as_str();
    refused(2, &["mirror", url, folder], &["--root"]);
    refused(2, &["mirror", url], &["DIR"]);
    refused(2, &case.arguments(&["--watch", "--interval", "9s"]), &["--interval", "less than 10 s"]);
    refused(2, &case.arguments(&["--interval", "10m"]), &["--watch"]);
    refused(1, &["mirror", folder, folder, "--root", &case.root], &["not a URL"]);
    refused(1, &["mirror", url, folder, "--root", "none.json"], &["--root", "none.json"]);
    assert!(!case.folder.exists());
    refused(1, &["mirror", url, &case.root, "--root", &case.root], &["cannot make", &case.root]);
    assert_eq!(trust(&case.arguments(&[])).status, 0);
}
