//! The public Sigstore repository, as it was on 2026-08-22.

use std::path::Path;

use jiff::Timestamp;
use trustwright_trust::tuf::{
    Archive, Content, Expiry, Floor, Limits, Request, TufError, Verified, download, load, verify,
};
use trustwright_trust::{KeyReport, to_trusted_root};

use super::folder;
use crate::support::now;

const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/sigstore-tuf");

/// Most bytes of a packed repository in a status.
const STATUS_LIMIT: u64 = 512 << 10;

pub(super) fn published() -> Archive {
    folder(Path::new(PUBLISHED))
}

fn verified(root: u64, archive: &Archive, at: Timestamp, expiry: Expiry) -> Result<Verified, TufError> {
    let (floor, limits) = (Floor::default(), Limits::default());
    let published = published();
    let anchor = published.get(&format!("{root}.root.json")).unwrap();
    let request = Request { expiry, ..Request::new(anchor, &floor, &limits, at) };
    verify(&request, archive).map_err(|failure| failure.error)
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded repository is not here")]
fn every_root_with_pem_keys_leads_to_the_trusted_root() {
    let published = published();
    for root in 5..=15 {
        let verified = verified(root, &published, now(), Expiry::Enforce).unwrap();
        let versions: Vec<_> =
            verified.metadata.iter().map(|role| (role.role.as_str(), role.version)).collect();
        assert_eq!(versions, [("root", 15), ("timestamp", 762), ("snapshot", 165), ("targets", 14)]);
        assert_eq!(verified.expired, Vec::<String>::new());
        assert_eq!(verified.earliest_expiry(), Some("2026-08-28T19:25:56Z".parse().unwrap()));
        let Content::TrustedRoot(json) = &verified.content else { panic!("{:?}", verified.content) };
        assert_eq!(json.len(), 6787);
        let loaded = load(&verified, now()).unwrap();
        assert!(loaded.reports.iter().all(KeyReport::is_usable));
        assert_eq!(to_trusted_root(&loaded.material).unwrap().tlogs.len(), 2);
        // The chain starts at the anchor, and nothing else is kept that was not used.
        let roots = verified.archive.files().filter(|(path, _)| path.ends_with(".root.json")).count() as u64;
        assert_eq!(roots, 15 - root + 1);
        assert_eq!(verified.archive.files().count() as u64, roots + 4);
    }
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded repository is not here")]
fn what_was_verified_packs_small_and_verifies_again() {
    let first = verified(5, &published(), now(), Expiry::Enforce).unwrap();
    let packed = first.archive.pack(STATUS_LIMIT).unwrap();
    assert!((10_000..30_000).contains(&packed.len()), "{}", packed.len());
    assert_eq!(packed, first.archive.pack(STATUS_LIMIT).unwrap());
    let unpacked = Archive::unpack(&packed, &Limits::default()).unwrap();
    assert_eq!(unpacked, first.archive);
    assert_eq!(verified(5, &unpacked, now(), Expiry::Enforce).unwrap(), first);
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded repository is not here")]
fn expired_roles_are_refused_or_reported_by_name() {
    let published = published();
    let timestamp_ended = "2026-09-01T00:00:00Z".parse().unwrap();
    let root_ended = "2026-11-23T00:00:00Z".parse().unwrap();
    for (at, first, all) in
        [(timestamp_ended, "timestamp", vec!["timestamp"]), (root_ended, "root", vec!["root", "timestamp"])]
    {
        let error = verified(8, &published, at, Expiry::Enforce).unwrap_err();
        assert!(matches!(&error, TufError::Expired { role, .. } if role == first), "{error}");
        assert_eq!(verified(8, &published, at, Expiry::Keep).unwrap().expired, all);
    }
}

/// A target that the repository does not have leads to the keys that it lists one by one.
#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded repository is not here")]
fn the_legacy_layout_of_the_public_repository_is_read() {
    let published = published();
    let (floor, limits) = (Floor::default(), Limits::default());
    let anchor = published.get("8.root.json").unwrap();
    let request = Request { target: "absent.json", ..Request::new(anchor, &floor, &limits, now()) };
    let verified = verify(&request, &published).unwrap();
    let Content::SigstoreKeys(keys) = &verified.content else { panic!("{:?}", verified.content) };
    let counts = (keys.certificate_authorities.len(), keys.t_logs.len(), keys.ct_logs.len());
    assert_eq!(counts, (3, 1, 2));
    let loaded = load(&verified, now()).unwrap();
    assert!(loaded.reports.iter().all(KeyReport::is_usable), "{:?}", loaded.reports);
    assert_eq!(verify(&request, &verified.archive).unwrap(), verified);
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded repository is not here")]
fn a_target_of_the_npm_delegation_is_read() {
    let published = published();
    let (floor, limits) = (Floor::default(), Limits::default());
    let request = Request::new(published.get("12.root.json").unwrap(), &floor, &limits, now());
    let names = ["registry.npmjs.org/keys.json", "trusted_root.json"];
    let mut update = std::pin::pin!(download(&request, &published, &names));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(outcome) = update.as_mut().poll(&mut context) else {
        panic!("an archive answers at once")
    };
    let download = outcome.unwrap();
    assert_eq!(download.targets.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
    let last = download.metadata.last().unwrap();
    assert_eq!((last.role.as_str(), last.version), ("registry.npmjs.org", 8));
}
