//! Timestamp, snapshot and targets: signatures, freshness, and whether they belong together (5.4 to 5.6).

use trustwright_trust::tuf::{
    Archive, Expiry, FetchError, Floor, Limits, Mirror, Request, TufError, Verified, update, verify,
};

use crate::support::now;

use super::{accept, after, refuse, run};
use trustwright_testkit::tuf_repository::{Key, Repository, Role};

type Part = fn(&mut Repository) -> &mut Role;

const PARTS: [(&str, Part); 3] = [
    ("timestamp", |one| &mut one.timestamp),
    ("snapshot", |one| &mut one.snapshot),
    ("targets", |one| &mut one.targets),
];

#[test]
fn plain_and_consistent_repositories_are_accepted() {
    let plain = Repository { consistent: false, roots: Vec::new(), ..Repository::new() };
    let plain = Repository { roots: vec![(1, plain.root_signed_by(&plain.root.keys))], ..plain };
    for repository in [Repository::new(), plain] {
        let published = repository.publish();
        let verified = accept(&repository, &published);
        assert_eq!(verified.archive, published);
        assert_eq!(accept(&repository, &verified.archive), verified);
    }
}

#[test]
fn each_role_needs_its_own_keys() {
    for (role, part) in PARTS {
        let mut repository = Repository::new();
        let keys = std::mem::replace(&mut part(&mut repository).keys, vec![Key::new()]);
        let error = refuse(&repository, &repository.publish());
        assert!(
            matches!(&error, TufError::Threshold { file, found: 0, threshold: 1 } if file.contains(role)),
            "{role}: {error}"
        );
        part(&mut repository).keys = keys;
        accept(&repository, &repository.publish());
    }
}

#[test]
fn each_role_needs_its_threshold() {
    for (role, part) in PARTS {
        let mut repository = Repository::new();
        part(&mut repository).keys.push(Key::new());
        part(&mut repository).threshold = 2;
        let root = repository.root_signed_by(&repository.root.keys);
        repository.roots = vec![(1, root)];
        accept(&repository, &repository.publish());
        // The root goes on to demand two.
        part(&mut repository).keys.pop();
        let error = refuse(&repository, &repository.publish());
        assert!(matches!(error, TufError::Threshold { found: 1, threshold: 2, .. }), "{role}: {error}");
    }
}

#[test]
fn each_role_is_refused_or_reported_from_its_last_instant_on() {
    for (role, part) in PARTS {
        let mut repository = Repository::new();
        part(&mut repository).expires = "2026-08-22T12:00:00Z";
        let published = repository.publish();
        let error = refuse(&repository, &published);
        assert!(matches!(&error, TufError::Expired { role: found, .. } if found == role), "{error}");
        let kept = run(&repository, &published, |request| request.expiry = Expiry::Keep).unwrap();
        assert_eq!(kept.expired, [role]);
        part(&mut repository).expires = "2026-08-22T12:00:01Z";
        assert_eq!(accept(&repository, &repository.publish()).expired, Vec::<String>::new());
    }
}

#[test]
fn a_known_timestamp_that_is_served_again_must_still_be_fresh() {
    let mut repository = Repository::new();
    let known = repository.publish();
    accept(&repository, &known);
    repository.timestamp.expires = "2026-08-01T00:00:00Z";
    let stale = repository.publish();
    // Same version: the known one counts, not the one that is served.
    let kept = after(&repository, &stale, Some(&known), &Floor::default()).unwrap();
    assert_eq!(kept.archive.get("timestamp.json"), known.get("timestamp.json"));
    let error = after(&repository, &known, Some(&stale), &Floor::default()).unwrap_err();
    assert!(matches!(error, TufError::Expired { .. }), "{error}");
}

#[test]
fn parts_of_two_states_do_not_mix() {
    let mut repository = Repository::new();
    let old = repository.publish();
    repository.advance();
    let new = repository.publish();
    accept(&repository, &new);
    let mixed = |file, from| {
        let mut mixed = new.clone();
        mixed.insert(file, old.get(from).unwrap());
        refuse(&repository, &mixed)
    };
    let error = mixed("2.snapshot.json", "1.snapshot.json");
    assert!(matches!(error, TufError::HashMismatch { .. }), "{error}");
    let error = mixed("2.targets.json", "1.targets.json");
    assert!(matches!(&error, TufError::Inconsistent { file, .. } if file == "2.targets.json"), "{error}");
}

#[test]
fn a_file_of_another_role_or_of_none_is_malformed() {
    let repository = Repository::new();
    let good = repository.publish();
    for bytes in
        [good.get("1.targets.json").unwrap(), b"<html>Log in</html>", b"", b"{}", b"[[[[[[", b"\xff\xfe"]
    {
        let mut bad = good.clone();
        bad.insert("timestamp.json", bytes);
        let error = refuse(&repository, &bad);
        assert!(matches!(&error, TufError::Malformed { file, .. } if file == "timestamp.json"), "{error}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let repository = Repository::new();
    let good = repository.publish();
    for missing in ["timestamp.json", "1.snapshot.json", "1.targets.json"] {
        let bad: Archive = good.files().filter(|(path, _)| *path != missing).collect();
        let error = refuse(&repository, &bad);
        assert!(matches!(&error, TufError::Missing { file } if file == missing), "{error}");
    }
}

/// Serves a repository, and more of one file than anyone asked for; keeps to no bound.
struct Endless<'a>(&'a Archive, &'a str);

impl Mirror for Endless<'_> {
    async fn fetch(&self, path: &str, max_length: u64) -> Result<Option<Vec<u8>>, FetchError> {
        let mut bytes = self.0.fetch(path, u64::MAX).await?;
        if let Some(bytes) = bytes.as_mut().filter(|_| path.contains(self.1)) {
            bytes.resize(usize::try_from(max_length).unwrap() + 1, b' ');
        }
        Ok(bytes)
    }
}

#[test]
fn endless_data_is_refused_for_every_file() {
    let mut repository = Repository::new();
    repository.rotate(|_| ());
    let published = repository.publish();
    for file in ["2.root.json", "timestamp.json", "snapshot.json", "targets.json", "trusted_root.json"] {
        let outcome = ready(&repository, &Endless(&published, file));
        assert!(
            matches!(&outcome, Err(TufError::Fetch { source: FetchError::TooLong { .. }, .. })),
            "{file}: {outcome:?}"
        );
    }
    assert!(ready(&repository, &Endless(&published, "nothing")).is_ok());
}

/// Runs an update over a mirror that answers at once.
fn ready(repository: &Repository, mirror: &impl Mirror) -> Result<Verified, TufError> {
    use std::task::{Context, Poll, Waker};
    let (floor, limits) = (Floor::default(), Limits::default());
    let request = Request::new(repository.first_root(), &floor, &limits, now());
    let mut update = std::pin::pin!(update(&request, mirror));
    match update.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome.map_err(|failure| failure.error),
        Poll::Pending => panic!("the mirror answers at once"),
    }
}

/// A caller on a runtime of many threads must be able to spawn an update.
#[test]
fn an_update_can_go_to_another_thread() {
    fn assert_send(_: &impl Send) {}
    let repository = Repository::new();
    let archive = repository.publish();
    let (floor, limits) = (Floor::default(), Limits::default());
    let request = Request::new(repository.first_root(), &floor, &limits, now());
    assert_send(&update(&request, &archive));
}

#[test]
fn what_has_not_changed_is_not_read_again() {
    let repository = Repository::new();
    let known = repository.publish();
    let only: Archive = known.files().filter(|(path, _)| *path == "timestamp.json").collect();
    let again = after(&repository, &only, Some(&known), &Floor::default()).unwrap();
    assert_eq!(again, accept(&repository, &known));
    // Nor is it believed: a known file that was changed is read again.
    let mut changed = known.clone();
    changed.insert("1.targets.json", *b"{}");
    let error = after(&repository, &only, Some(&changed), &Floor::default()).unwrap_err();
    assert!(matches!(error, TufError::Missing { .. }), "{error}");
    assert_eq!(after(&repository, &known, Some(&changed), &Floor::default()).unwrap(), again);
}

/// Notes what is asked for, in its order.
struct Noting<'a>(&'a Archive, std::sync::Mutex<Vec<String>>);

impl Mirror for Noting<'_> {
    async fn fetch(&self, path: &str, max_length: u64) -> Result<Option<Vec<u8>>, FetchError> {
        self.1.lock().unwrap().push(path.to_owned());
        self.0.fetch(path, max_length).await
    }
}

#[test]
fn files_are_asked_for_in_the_order_of_the_specification() {
    let repository = Repository::new();
    let published = repository.publish();
    let mirror = Noting(&published, std::sync::Mutex::default());
    ready(&repository, &mirror).unwrap();
    let target = repository.target_path("trusted_root.json", &repository.files["trusted_root.json"]);
    let asked = mirror.1.into_inner().unwrap();
    assert_eq!(asked, ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json", &target]);
}

#[test]
fn a_known_target_that_was_changed_is_read_again() {
    let repository = Repository::new();
    let good = repository.publish();
    let mut known = good.clone();
    let path = repository.target_path("trusted_root.json", &repository.files["trusted_root.json"]);
    known.insert(&path, *b"{}");
    let verified = after(&repository, &good, Some(&known), &Floor::default()).unwrap();
    assert_eq!(verified, accept(&repository, &good));
}

#[test]
fn a_failure_speaks_only_of_what_this_update_reached() {
    let repository = Repository::new();
    let known = repository.publish();
    let none = Archive::default();
    let failure = run(&repository, &none, |_| ()).unwrap_err();
    let (floor, limits) = (Floor::default(), Limits::default());
    let request =
        Request { known: Some(&known), ..Request::new(repository.first_root(), &floor, &limits, now()) };
    let after_known = verify(&request, &none).unwrap_err();
    for failure in [failure, after_known] {
        assert_eq!(failure.floor, Floor { root: 1, ..Floor::default() });
    }
}
