//! Whatever is changed in a stored repository, it yields the same material or none.

use std::sync::LazyLock;

use proptest::prelude::*;
use trustwright_trust::tuf::{Archive, Limits, load};

use super::{accept, run};
use crate::support::now;
use trustwright_testkit::tuf_repository::Repository;

struct Stored {
    repository: Repository,
    archive: Archive,
    packed: Vec<u8>,
    fingerprint: String,
}

static STORED: LazyLock<Stored> = LazyLock::new(|| {
    let mut repository = Repository::new();
    repository.rotate(|_| ());
    let verified = accept(&repository, &repository.publish());
    let fingerprint = load(&verified, now()).unwrap().material.fingerprint().to_string();
    let packed = verified.archive.pack(512 << 10).unwrap();
    Stored { repository, archive: verified.archive, packed, fingerprint }
});

/// Returns the material's fingerprint, if there is material.
fn fingerprint(archive: &Archive) -> Option<String> {
    let verified = run(&STORED.repository, archive, |_| ()).ok()?;
    Some(load(&verified, now()).unwrap().material.fingerprint().to_string())
}

proptest! {
    #[test]
    fn a_changed_pack_yields_nothing_else(at in any::<prop::sample::Index>(), by in 1..=255u8) {
        let mut packed = STORED.packed.clone();
        *at.get_mut(&mut packed) ^= by;
        if let Ok(archive) = Archive::unpack(&packed, &Limits::default())
            && let Some(found) = fingerprint(&archive)
        {
            prop_assert_eq!(&found, &STORED.fingerprint);
        }
    }

    #[test]
    fn a_changed_file_yields_nothing_else(
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        by in 1..=255u8,
    ) {
        let mut files: Vec<_> =
            STORED.archive.files().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect();
        *at.get_mut(&mut file.get_mut(&mut files).1) ^= by;
        if let Some(found) = fingerprint(&files.into_iter().collect()) {
            prop_assert_eq!(&found, &STORED.fingerprint);
        }
    }

    #[test]
    fn files_that_are_swapped_or_lost_yield_nothing_else(
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        lose in any::<bool>(),
    ) {
        let mut files: Vec<_> =
            STORED.archive.files().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect();
        let bytes = from.get(&files).1.clone();
        if lose {
            files.remove(to.index(files.len()));
        } else {
            to.get_mut(&mut files).1 = bytes;
        }
        if let Some(found) = fingerprint(&files.into_iter().collect()) {
            prop_assert_eq!(&found, &STORED.fingerprint);
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_archive(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        if let Ok(archive) = Archive::unpack(&bytes, &Limits::default()) {
            prop_assert_eq!(fingerprint(&archive), None);
        }
    }
}

#[test]
fn the_unchanged_pack_yields_the_material() {
    let archive = Archive::unpack(&STORED.packed, &Limits::default()).unwrap();
    assert_eq!(fingerprint(&archive), Some(STORED.fingerprint.clone()));
}
