//! Targets and delegations (5.6.7, 5.7).

use std::task::{Context, Poll, Waker};

use trustwright_trust::tuf::{Archive, Content, Floor, Limits, Request, TufError, download, verify};

use super::{accept, refuse, run};
use trustwright_testkit::tuf_repository::{Delegation, Key, Repository, Role};

fn trusted_root(repository: &Repository) -> Vec<u8> {
    repository.files["trusted_root.json"].clone()
}

/// Returns a role that may sign for everything, and lists `trusted_root` where there is one.
pub(super) fn role(name: &str, trusted_root: Option<&Vec<u8>>) -> Delegation {
    Delegation {
        name: name.to_owned(),
        role: Role::new(),
        paths: vec!["*"],
        terminating: false,
        targets: trusted_root
            .map(|json| ("trusted_root.json".to_owned(), json.clone()))
            .into_iter()
            .collect(),
        children: Vec::new(),
    }
}

/// Delegates the trusted root to each of `roles`, of which those that are `true` list it.
pub(super) fn delegating(roles: &[(&str, &'static str, bool, bool)]) -> Repository {
    let mut repository = Repository::new();
    let trusted_root = repository.files.remove("trusted_root.json").unwrap();
    repository.delegations = roles
        .iter()
        .map(|(name, path, lists, terminating)| Delegation {
            paths: vec![path],
            terminating: *terminating,
            ..role(name, lists.then_some(&trusted_root))
        })
        .collect();
    repository
}

#[test]
fn another_target_in_its_place_is_refused() {
    let repository = Repository::new();
    let good = repository.publish();
    let path = repository.target_path("trusted_root.json", &trusted_root(&repository));
    let mut same_length = trusted_root(&repository);
    same_length[100] ^= 1;
    let mut bad = good.clone();
    bad.insert(&path, same_length);
    assert!(matches!(refuse(&repository, &bad), TufError::HashMismatch { .. }));
    bad.insert(&path, *b"{}");
    assert!(matches!(refuse(&repository, &bad), TufError::LengthMismatch { actual: 2, .. }));
    bad.insert(&path, [trusted_root(&repository), b" ".to_vec()].concat());
    assert!(matches!(refuse(&repository, &bad), TufError::Fetch { .. }));
    accept(&repository, &good);
}

#[test]
fn a_target_without_a_hash_that_we_know_is_refused() {
    for (algorithm, consistent) in [("md5", true), ("md5", false), ("sha256", false)] {
        let repository = Repository { algorithm, consistent, roots: Vec::new(), ..Repository::new() };
        let root = repository.root_signed_by(&repository.root.keys);
        let repository = Repository { roots: vec![(1, root)], ..repository };
        match run(&repository, &repository.publish(), |_| ()) {
            Ok(_) => assert_eq!(algorithm, "sha256"),
            Err(failure) => assert!(matches!(
                &failure.error,
                TufError::NoUsableHash { algorithms, .. } if algorithms.contains(&"md5".to_owned())
            )),
        }
    }
}

#[test]
fn a_target_larger_than_the_limit_is_not_asked_for() {
    let repository = Repository::new();
    let length = trusted_root(&repository).len() as u64;
    let limits = [length, length - 1].map(|target| Limits { target, ..Limits::default() });
    let check = |limits: &Limits| {
        let floor = Floor::default();
        let request = Request::new(repository.first_root(), &floor, limits, crate::support::now());
        verify(&request, &repository.publish()).map_err(|failure| failure.error)
    };
    assert!(check(&limits[0]).is_ok());
    assert!(matches!(check(&limits[1]), Err(TufError::TargetTooLarge { .. })));
}

#[test]
fn a_delegated_target_is_found_and_its_role_is_kept() {
    let repository = delegating(&[("other", "other/*", false, false), ("roots", "*.json", true, false)]);
    let verified = accept(&repository, &repository.publish());
    assert!(matches!(verified.content, Content::TrustedRoot(_)));
    let roles: Vec<_> = verified.metadata.iter().map(|role| role.role.as_str()).collect();
    assert_eq!(roles, ["root", "timestamp", "snapshot", "targets", "roots"]);
    // The role that has no say was not read.
    assert!(verified.archive.get("1.other.json").is_none());
    assert_eq!(accept(&repository, &verified.archive), verified);
}

#[test]
fn a_role_without_a_say_or_behind_a_terminating_one_does_not_count() {
    let cases = [
        (delegating(&[("roots", "other/*", true, false)]), false),
        (delegating(&[("first", "*", false, true), ("roots", "*", true, false)]), false),
        (delegating(&[("first", "*", false, false), ("roots", "*", true, false)]), true),
    ];
    for (repository, found) in cases {
        let outcome = run(&repository, &repository.publish(), |_| ());
        assert_eq!(outcome.is_ok(), found);
        if let Err(failure) = outcome {
            assert!(matches!(failure.error, TufError::NoTrustedRoot { .. }));
        }
    }
}

#[test]
fn a_terminating_role_ends_the_search_of_those_above_it_too() {
    for terminating in [true, false] {
        let mut repository = Repository::new();
        let json = repository.files.remove("trusted_root.json").unwrap();
        let last = Delegation { terminating, ..role("last", None) };
        let first = Delegation { children: vec![last], ..role("first", None) };
        repository.delegations = vec![first, role("second", Some(&json))];
        let outcome = run(&repository, &repository.publish(), |_| ());
        assert_eq!(outcome.is_err(), terminating);
    }
}

/// Each parent says who may sign for the role; what one of them vouches for is nothing to the other.
#[test]
fn a_role_reached_twice_needs_the_keys_of_the_parent_through_which_it_counts() {
    for same_keys in [true, false] {
        let mut repository = Repository::new();
        let json = repository.files.remove("trusted_root.json").unwrap();
        let shared = Delegation { paths: vec!["trusted_root.json"], ..role("shared", Some(&json)) };
        let mut other = Delegation { paths: vec!["absent.json"], ..shared.clone() };
        if !same_keys {
            other.role.keys = vec![Key::new()];
        }
        repository.delegations = vec![
            Delegation { children: vec![shared], ..role("first", None) },
            Delegation { children: vec![other], ..role("second", None) },
        ];
        // The role's file is the one that the keys in `first` signed.
        let published = repository.publish();
        let (floor, limits) = (Floor::default(), Limits::default());
        let request = Request::new(repository.first_root(), &floor, &limits, crate::support::now());
        let absent = read(&request, &published, &["absent.json"]);
        assert_eq!(matches!(absent, TufError::TargetNotFound { .. }), same_keys, "{absent}");
        let both = read(&request, &published, &["trusted_root.json", "absent.json"]);
        if same_keys {
            // The second search finds the role trusted, and that it does not list the target.
            assert!(matches!(both, TufError::TargetNotFound { .. }), "{both}");
        } else {
            assert!(matches!(both, TufError::Threshold { found: 0, .. }), "{both}");
        }
    }
}

/// Returns why not all of `names` can be read.
fn read(request: &Request<'_>, archive: &Archive, names: &[&str]) -> TufError {
    let mut reading = std::pin::pin!(download(request, archive, names));
    match reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome.unwrap_err().error,
        Poll::Pending => panic!("an archive answers at once"),
    }
}

#[test]
fn a_role_named_like_a_top_level_file_does_not_exist() {
    for (name, found) in [("root", false), ("timestamp", false), ("2.root", false), ("two.root", true)] {
        let repository = delegating(&[(name, "*", true, false)]);
        let outcome = run(&repository, &repository.publish(), |_| ());
        assert_eq!(outcome.is_ok(), found, "{name}");
    }
}

#[test]
fn a_delegated_role_needs_the_keys_that_its_delegator_names() {
    let repository = delegating(&[("roots", "*", true, false)]);
    let good = repository.publish();
    accept(&repository, &good);
    let mut forged = repository.clone();
    forged.delegations[0].role.keys = vec![Key::new()];
    let mut bad = good.clone();
    bad.insert("1.roots.json", forged.publish().get("1.roots.json").unwrap());
    let error = refuse(&repository, &bad);
    assert!(matches!(error, TufError::Threshold { found: 0, .. }), "{error}");
}

#[test]
fn an_expired_delegated_role_is_refused() {
    let mut repository = delegating(&[("roots", "*", true, false)]);
    repository.delegations[0].role.expires = "2026-08-01T00:00:00Z";
    let error = refuse(&repository, &repository.publish());
    assert!(matches!(&error, TufError::Expired { role, .. } if role == "roots"), "{error}");
}

#[test]
fn the_search_is_bounded() {
    let repository =
        delegating(&[("a", "*", false, false), ("b", "*", false, false), ("c", "*", true, false)]);
    for (delegations, fits) in [(4, true), (3, false)] {
        let (floor, limits) = (Floor::default(), Limits { delegations, ..Limits::default() });
        let request = Request::new(repository.first_root(), &floor, &limits, crate::support::now());
        let outcome = verify(&request, &repository.publish());
        assert_eq!(outcome.is_ok(), fits);
        if let Err(failure) = outcome {
            assert!(matches!(failure.error, TufError::TooManyRoles { limit: 3, .. }));
        }
    }
}

#[test]
fn a_target_in_a_folder_has_its_hash_before_the_files_name() {
    let mut repository = Repository::new();
    let json = repository.files.remove("trusted_root.json").unwrap();
    repository.files.insert("our/roots/root.json".to_owned(), json.clone());
    let published = repository.publish();
    let path = repository.target_path("our/roots/root.json", &json);
    assert!(path.starts_with("targets/our/roots/") && published.get(&path).is_some());
    let verified = run(&repository, &published, |request| request.target = "our/roots/root.json").unwrap();
    assert_eq!(verified.content, Content::TrustedRoot(json));
}
