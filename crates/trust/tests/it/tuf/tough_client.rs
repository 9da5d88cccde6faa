//! A second opinion: `tough` as a client accepts and refuses what we do.

use std::path::Path;

use tempfile::TempDir;
use tough::{ExpirationEnforcement, FilesystemTransport, IntoVec as _, RepositoryLoader, TargetName};
use trustwright_trust::tuf::{Archive, Content, Floor, Limits, Request, Verified, verify};
use url::Url;

use super::targets::{delegating, role};
use super::with_a_changed_byte;
use crate::support::now;
use trustwright_testkit::tuf_repository::{Delegation, Key, Repository, Role};

/// A repository as it was published at one time after the other, and what a client that saw all of them makes of
/// the last.
struct Case {
    name: String,
    /// The root that both clients start from.
    root: Vec<u8>,
    published: Vec<Archive>,
    accepted: bool,
}

impl Case {
    fn new(name: impl Into<String>, repository: &Repository, accepted: bool) -> Self {
        Self::later(name, repository, vec![repository.publish()], accepted)
    }

    fn later(
        name: impl Into<String>,
        repository: &Repository,
        published: Vec<Archive>,
        accepted: bool,
    ) -> Self {
        Self { name: name.into(), root: repository.first_root().to_vec(), published, accepted }
    }

    /// Returns the trusted root that tough reads from the last state, or why it does not.
    async fn tough(&self, expiry: ExpirationEnforcement) -> Result<Vec<u8>, String> {
        let store = TempDir::new().unwrap();
        let mut outcome = Err("nothing is published".to_owned());
        for (index, archive) in self.published.iter().enumerate() {
            if index > 0 {
                outcome.unwrap_or_else(|error| panic!("{}: state {index}: {error}", self.name));
            }
            let mirror = TempDir::new().unwrap();
            for (path, bytes) in archive.files() {
                let path = mirror.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
            outcome = read(&self.root, mirror.path(), store.path(), expiry).await;
        }
        outcome
    }

    /// Returns what we make of the last state.
    fn ours(&self) -> Result<Vec<u8>, String> {
        let limits = Limits::default();
        let mut known: Option<Verified> = None;
        let mut outcome = Err("nothing is published".to_owned());
        for (index, archive) in self.published.iter().enumerate() {
            if index > 0 {
                outcome.unwrap_or_else(|error| panic!("{}: state {index}: {error}", self.name));
            }
            let floor = known.as_ref().map_or_else(Floor::default, |known| known.floor.clone());
            let request = Request {
                known: known.as_ref().map(|known| &known.archive),
                ..Request::new(&self.root, &floor, &limits, now())
            };
            match verify(&request, archive) {
                Ok(verified) => {
                    let Content::TrustedRoot(json) = &verified.content else { panic!("{}", self.name) };
                    outcome = Ok(json.clone());
                    known = Some(verified);
                }
                Err(failure) => outcome = Err(failure.to_string()),
            }
        }
        outcome
    }

    async fn check(&self, expiry: ExpirationEnforcement) {
        let (ours, theirs) = (self.ours(), self.tough(expiry).await);
        assert_eq!(ours.is_ok(), self.accepted, "{}: {ours:?}", self.name);
        assert_eq!(theirs.is_ok(), self.accepted, "{}: tough: {theirs:?}", self.name);
        if self.accepted {
            assert_eq!(ours, theirs, "{}", self.name);
        }
    }
}

async fn read(
    root: &[u8],
    mirror: &Path,
    store: &Path,
    expiry: ExpirationEnforcement,
) -> Result<Vec<u8>, String> {
    let url = |path: &Path| Url::from_directory_path(path).unwrap();
    let repository = RepositoryLoader::new(&root, url(mirror), url(&mirror.join("targets")))
        .transport(FilesystemTransport)
        .datastore(store)
        .expiration_enforcement(expiry)
        .load()
        .await
        .map_err(|error| error.to_string())?;
    let name = TargetName::new("trusted_root.json").unwrap();
    let stream = repository.read_target(&name).await.map_err(|error| error.to_string())?;
    let bytes = stream.ok_or("no role lists the target")?.into_vec().await;
    bytes.map_err(|error| error.to_string())
}

/// Checks cases in which nothing has expired by our clock. tough asks the machine's, and so must not ask at all.
async fn agree(cases: Vec<Case>) {
    for case in cases {
        case.check(ExpirationEnforcement::Unsafe).await;
    }
}

type Part = fn(&mut Repository) -> &mut Role;

const PARTS: [(&str, Part); 4] = [
    ("root", |one| &mut one.root),
    ("timestamp", |one| &mut one.timestamp),
    ("snapshot", |one| &mut one.snapshot),
    ("targets", |one| &mut one.targets),
];

/// Returns the repository with its one root signed anew.
fn anew(mut repository: Repository) -> Repository {
    repository.roots = vec![(1, repository.root_signed_by(&repository.root.keys))];
    repository
}

#[tokio::test]
async fn both_agree_on_signatures_and_thresholds() {
    let plain = anew(Repository { consistent: false, ..Repository::new() });
    let mut cases = vec![Case::new("consistent", &Repository::new(), true), Case::new("plain", &plain, true)];
    for (role, part) in PARTS {
        let mut two = Repository::new();
        part(&mut two).keys.push(Key::new());
        part(&mut two).threshold = 2;
        let two = anew(two);
        cases.push(Case::new(format!("two keys of {role}"), &two, true));
        let mut one = two.clone();
        part(&mut one).keys.pop();
        if role == "root" {
            // The document stays that of two keys.
            one.roots = vec![(1, two.root_signed_by(&one.root.keys))];
        }
        cases.push(Case::new(format!("one key of two of {role}"), &one, false));
        let mut other = Repository::new();
        if role == "root" {
            other.roots = vec![(1, other.root_signed_by(&[Key::new()]))];
        } else {
            part(&mut other).keys = vec![Key::new()];
        }
        cases.push(Case::new(format!("another key of {role}"), &other, false));
    }
    agree(cases).await;
}

#[tokio::test]
async fn both_agree_on_chains_of_roots() {
    let mut chain = Repository::new();
    for _ in 0..3 {
        chain.rotate(|one| one.root = Role { version: one.root.version, ..Role::new() });
    }
    let mut cases = vec![Case::new("a chain", &chain, true)];
    for (old, new) in [(true, true), (true, false), (false, true)] {
        let mut one = Repository::new();
        let before = one.root.keys.clone();
        one.root.keys = vec![Key::new()];
        one.root.version = 2;
        let signers = [(old, &before), (new, &one.root.keys)];
        let signers: Vec<_> =
            signers.iter().filter(|(signs, _)| *signs).flat_map(|(_, keys)| (*keys).clone()).collect();
        let second = one.root_signed_by(&signers);
        one.roots.push((2, second));
        cases.push(Case::new(format!("old keys {old}, new keys {new}"), &one, old && new));
    }
    let good = chain.publish();
    let mut skipped = good.clone();
    skipped.insert("2.root.json", good.get("3.root.json").unwrap());
    cases.push(Case::later("a version skipped", &chain, vec![skipped], false));
    agree(cases).await;
}

#[tokio::test]
async fn both_agree_on_going_back() {
    let repository = Repository::new();
    let mut later = repository.clone();
    later.advance();
    let states = |first: &Repository, last: &Repository| vec![first.publish(), last.publish()];
    let mut cases = vec![
        Case::later("forward", &repository, states(&repository, &later), true),
        Case::later("the same again", &repository, states(&later, &later), true),
        Case::later("all back", &repository, states(&later, &repository), false),
    ];
    for (role, part) in &PARTS[1..] {
        let mut back = later.clone();
        back.advance();
        part(&mut back).version = 1;
        cases.push(Case::later(format!("{role} back"), &repository, states(&later, &back), false));
        let mut recovered = back.clone();
        recovered.rotate(|one| {
            for role in [&mut one.timestamp, &mut one.snapshot] {
                role.keys = vec![Key::new()];
            }
        });
        cases.push(Case::later(
            format!("{role} back behind new keys of timestamp and snapshot"),
            &repository,
            states(&later, &recovered),
            true,
        ));
    }
    agree(cases).await;
}

#[tokio::test]
async fn both_agree_on_files_that_do_not_belong_together() {
    let mut repository = Repository::new();
    let old = repository.publish();
    repository.advance();
    let new = repository.publish();
    let target = repository.target_path("trusted_root.json", &repository.files["trusted_root.json"]);
    let mut cases = vec![Case::later("as published", &repository, vec![new.clone()], true)];
    for (file, from) in [
        ("2.snapshot.json", "1.snapshot.json"),
        ("2.targets.json", "1.targets.json"),
        ("timestamp.json", "2.targets.json"),
    ] {
        let mut mixed = new.clone();
        mixed.insert(file, old.get(from).or_else(|| new.get(from)).unwrap());
        cases.push(Case::later(format!("{from} as {file}"), &repository, vec![mixed], false));
    }
    for (path, _) in new.files() {
        let less = new.files().filter(|(other, _)| *other != path).collect();
        // Both have the first root already.
        let accepted = path == "1.root.json";
        cases.push(Case::later(format!("without {path}"), &repository, vec![less], accepted));
        let changed = with_a_changed_byte(&new, path);
        cases.push(Case::later(format!("changed {path}"), &repository, vec![changed], accepted));
    }
    assert!(new.get(&target).is_some());
    agree(cases).await;
}

#[tokio::test]
async fn both_agree_on_delegations() {
    // A role, its pattern, whether it lists the trusted root, whether it ends the search.
    let found: [&[(&str, &'static str, bool, bool)]; 4] = [
        &[("roots", "*.json", true, false)],
        &[("roots", "*.json", true, true)],
        &[("first", "*", false, false), ("roots", "*", true, false)],
        &[("first", "other/*", false, true), ("roots", "*", true, false)],
    ];
    let hidden: [&[(&str, &'static str, bool, bool)]; 1] =
        [&[("first", "*", false, true), ("roots", "*", true, false)]];
    let mut cases = Vec::new();
    for (roles, accepted) in
        found.iter().map(|roles| (roles, true)).chain(hidden.iter().map(|roles| (roles, false)))
    {
        cases.push(Case::new(format!("{roles:?}"), &delegating(roles), accepted));
    }
    let repository = delegating(found[0]);
    let mut forged = repository.clone();
    forged.delegations[0].role.keys = vec![Key::new()];
    let mut mixed = repository.publish();
    mixed.insert("1.roots.json", forged.publish().get("1.roots.json").unwrap());
    cases.push(Case::later("another key of a delegated role", &repository, vec![mixed], false));
    let mut nested = repository.clone();
    let inner = nested.delegations.pop().unwrap();
    nested.delegations = vec![Delegation { children: vec![inner], ..role("outer", None) }];
    cases.push(Case::new("nested", &nested, true));
    agree(cases).await;
}

/// By the machine's clock and by ours alike: what ended in 2020 is refused, what ends in 2099 is not.
#[tokio::test]
async fn both_agree_on_expiry() {
    let lasting = Repository::new().until("2099-01-01T00:00:00Z");
    Case::new("lasting", &lasting, true).check(ExpirationEnforcement::Safe).await;
    for (role, part) in PARTS {
        let mut ended = lasting.clone();
        part(&mut ended).expires = "2020-01-01T00:00:00Z";
        Case::new(format!("{role} ended"), &anew(ended), false).check(ExpirationEnforcement::Safe).await;
    }
    let mut ended = lasting.clone();
    ended.root.expires = "2020-01-01T00:00:00Z";
    let mut renewed = anew(ended);
    renewed.rotate(|one| one.root.expires = "2099-01-01T00:00:00Z");
    Case::new("a root that ended before another", &renewed, true).check(ExpirationEnforcement::Safe).await;
}

/// The one difference that was found: tough computes key IDs again, and the specification has a repository compute
/// them (4.2). To us they are names, as TAP 12 has it.
#[tokio::test]
async fn a_key_with_an_id_that_is_no_hash_of_it_is_good_for_us_and_not_for_tough() {
    for (id, accepted) in [(None, true), (Some("0123456789abcdef"), false)] {
        let mut repository = Repository::new();
        repository.timestamp.keys = vec![id.map_or_else(Key::new, Key::with_id)];
        let case = Case::new("a key ID", &anew(repository), accepted);
        assert!(case.ours().is_ok());
        let theirs = case.tough(ExpirationEnforcement::Unsafe).await;
        assert_eq!(theirs.is_ok(), accepted, "{theirs:?}");
    }
}

/// Root 11 of the public repository has a key with such an ID, so that tough reads the repository from the roots
/// after it only.
#[tokio::test]
#[cfg_attr(not(shared_data), ignore = "the recorded repository is not here")]
async fn both_read_the_same_in_the_public_repository_from_the_roots_that_tough_takes() {
    let published = super::public_good::published();
    for version in 5..=15 {
        let case = Case {
            name: format!("root {version}"),
            root: published.get(&format!("{version}.root.json")).unwrap().to_vec(),
            published: vec![published.clone()],
            accepted: version > 11,
        };
        let (ours, theirs) = (case.ours().unwrap(), case.tough(ExpirationEnforcement::Unsafe).await);
        assert_eq!(theirs.is_ok(), case.accepted, "{}: {theirs:?}", case.name);
        assert!(theirs.is_err() || theirs == Ok(ours), "{}", case.name);
    }
}
