//! Repositories that `tough` builds, when the tests run: an implementation that shares nothing with ours but aws-lc.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, SignatureAlgorithm};
use sigstore_verify::trust_root::SigstoreInstance;
use tempfile::TempDir;
use tough::editor::RepositoryEditor;
use tough::editor::signed::{PathExists, SignedRole};
use tough::key_source::{KeySource, LocalKeySource};
use tough::schema::{KeyHolder, PathPattern, PathSet, RoleKeys, RoleType, Root};
use trustwright_trust::tuf::{
    Archive, Content, Expiry, Floor, Limits, Request, TufError, Verified, load, verify,
};

use super::{folder, refuse_each_changed_byte};
use crate::support::now;

const EXPIRES: &str = "2026-09-30T00:00:00Z";

/// A key of some kind, in the file in which tough wants it.
struct Key(PathBuf);

impl Key {
    fn new(folder: &Path, name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        // Of RSA keys it reads PEM, of the others DER.
        let rsa = algorithm == &PKCS_RSA_SHA256;
        let bytes = if rsa { key.serialize_pem().into_bytes() } else { key.serialize_der() };
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn source(&self) -> Box<dyn KeySource> {
        Box::new(LocalKeySource { path: self.0.clone() })
    }
}

fn sources<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Vec<Box<dyn KeySource>> {
    keys.into_iter().map(Key::source).collect()
}

fn number(value: u64) -> NonZeroU64 {
    NonZeroU64::new(value).unwrap()
}

/// Returns a root whose root role wants both of `keys`, and in which each other role has the one key given.
async fn root(version: u64, keys: &[Key; 2], online: &[Key; 3]) -> Root {
    let roles = [
        (RoleType::Root, keys.as_slice()),
        (RoleType::Timestamp, &online[..1]),
        (RoleType::Snapshot, &online[1..2]),
        (RoleType::Targets, &online[2..]),
    ];
    let mut root = Root {
        spec_version: "1.0.0".to_owned(),
        consistent_snapshot: true,
        version: number(version),
        expires: EXPIRES.parse().unwrap(),
        keys: [].into(),
        roles: [].into(),
        _extra: [].into(),
    };
    for (role, keys) in roles {
        let mut keyids = Vec::new();
        for key in keys {
            let key = key.source().as_sign().await.unwrap().tuf_key();
            keyids.push(key.key_id().unwrap());
            root.keys.insert(key.key_id().unwrap(), key);
        }
        let threshold = number(keys.len() as u64);
        root.roles.insert(role, RoleKeys { keyids, threshold, _extra: [].into() });
    }
    root
}

/// Signs a root with those of `keys` that `holder` gives to the role.
async fn signed(root: &Root, holder: &Root, keys: &[Key]) -> SignedRole<Root> {
    let holder = KeyHolder::Root(holder.clone());
    SignedRole::new(root.clone(), &holder, &sources(keys), &SystemRandom::new()).await.unwrap()
}

/// Builds a repository with two roots, between which all keys change, and the trusted root with a delegated role.
/// The second root is signed by as many keys of the first as `cross` says.
async fn build(cross: usize) -> Archive {
    let workshop = TempDir::new().unwrap();
    let at = |name: &str| workshop.path().join(name);
    let key = |name: &str, algorithm| Key::new(workshop.path(), name, algorithm);
    let before = [key("a", &PKCS_ED25519), key("b", &PKCS_ECDSA_P256_SHA256)];
    let after = [key("c", &PKCS_RSA_SHA256), key("d", &PKCS_ECDSA_P256_SHA256)];
    let old = [key("e", &PKCS_ED25519), key("f", &PKCS_ED25519), key("g", &PKCS_ED25519)];
    let online = [key("h", &PKCS_ED25519), key("i", &PKCS_RSA_SHA256), key("j", &PKCS_ECDSA_P256_SHA256)];
    let delegated = key("k", &PKCS_ED25519);

    let first = root(1, &before, &old).await;
    let second = root(2, &after, &online).await;
    let repository = at("repository");
    signed(&first, &first, &before).await.write(&repository, true).await.unwrap();
    let mut crossed = signed(&second, &second, &after).await;
    if cross > 0 {
        let old = signed(&second, &first, &before[..cross]).await;
        crossed = crossed.add_old_signatures(old.signed().signatures.clone()).unwrap();
    }
    crossed.write(&repository, true).await.unwrap();

    let files = at("files");
    std::fs::create_dir(&files).unwrap();
    let target = files.join("trusted_root.json");
    std::fs::write(&target, SigstoreInstance::PublicGood.embedded_trusted_root_json()).unwrap();
    let expires = || EXPIRES.parse().unwrap();
    let paths = PathSet::Paths(vec![PathPattern::new("*.json").unwrap()]);
    let mut editor = RepositoryEditor::new(repository.join("2.root.json")).await.unwrap();
    editor.targets_version(number(4)).unwrap().targets_expires(expires()).unwrap();
    editor
        .delegate_role("roots", &sources([&delegated]), paths, true, number(1), expires(), number(3))
        .await
        .unwrap();
    // Fills the delegated role, and goes back to the one above it.
    editor.sign_targets_editor(&sources(&online)).await.unwrap();
    editor.change_delegated_targets("roots").unwrap().add_target_path(&target).await.unwrap();
    editor.targets_version(number(3)).unwrap().targets_expires(expires()).unwrap();
    editor.sign_targets_editor(&sources([&delegated])).await.unwrap();
    editor.change_delegated_targets("targets").unwrap();
    editor.targets_version(number(4)).unwrap().targets_expires(expires()).unwrap();
    editor.snapshot_version(number(5)).snapshot_expires(expires());
    editor.timestamp_version(number(6)).timestamp_expires(expires());
    let published = editor.sign(&sources(&online)).await.unwrap();
    published.write(&repository).await.unwrap();
    published.copy_targets(&files, repository.join("targets"), PathExists::Fail).await.unwrap();
    folder(&repository)
}

fn read(archive: &Archive, root: u64) -> Result<Verified, TufError> {
    let (floor, limits) = (Floor::default(), Limits::default());
    let anchor = archive.get(&format!("{root}.root.json")).unwrap();
    verify(&Request::new(anchor, &floor, &limits, now()), archive).map_err(|failure| failure.error)
}

#[tokio::test]
async fn a_repository_of_tough_is_read_from_each_of_its_roots() {
    let published = build(2).await;
    for root in 1..=2 {
        let verified = read(&published, root).unwrap();
        let versions: Vec<_> =
            verified.metadata.iter().map(|role| (role.role.as_str(), role.version)).collect();
        assert_eq!(versions, [("root", 2), ("timestamp", 6), ("snapshot", 5), ("targets", 4), ("roots", 3)]);
        let Content::TrustedRoot(json) = &verified.content else { panic!("{:?}", verified.content) };
        assert_eq!(json, SigstoreInstance::PublicGood.embedded_trusted_root_json().as_bytes());
        assert!(load(&verified, now()).is_ok());
        assert_eq!(read(&verified.archive, root).unwrap(), verified);
    }
}

#[tokio::test]
async fn a_changed_byte_in_a_repository_of_tough_is_refused() {
    let published = build(2).await;
    for root in 1..=2 {
        let used = read(&published, root).unwrap().archive;
        // Roots, timestamp, snapshot, targets, the delegated role, the target.
        assert_eq!(used.files().count() as u64, 3 - root + 5);
        refuse_each_changed_byte(&used, root, |archive| read(archive, root));
    }
}

#[tokio::test]
async fn a_root_of_tough_needs_both_keys_of_the_one_before_it() {
    for cross in 0..=2 {
        let outcome = read(&build(cross).await, 1);
        if cross == 2 {
            assert_eq!(outcome.unwrap().floor.root, 2);
        } else {
            let error = outcome.unwrap_err();
            assert!(
                matches!(&error, TufError::Threshold { file, found, threshold: 2 }
                    if file == "2.root.json" && *found == cross),
                "{cross}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn a_repository_of_tough_ends_when_it_says() {
    let published = build(2).await;
    let (floor, limits) = (Floor::default(), Limits::default());
    let end = EXPIRES.parse().unwrap();
    let anchor = published.get("1.root.json").unwrap();
    let request = Request::new(anchor, &floor, &limits, end);
    let error = verify(&request, &published).unwrap_err().error;
    assert!(matches!(&error, TufError::Expired { expires, .. } if *expires == end), "{error}");
    let kept = Request { expiry: Expiry::Keep, ..request };
    assert_eq!(verify(&kept, &published).unwrap().expired.len(), 5);
}
