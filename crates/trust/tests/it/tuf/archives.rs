//! Archives that are cut off, blown up, or lead elsewhere.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};
use trustwright_trust::tuf::{Archive, ArchiveError, Limits};

/// Returns a tar with one member per entry, whatever its name.
fn tar(members: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, bytes) in members {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpack(members: &[(&str, EntryType, &[u8])]) -> Result<Archive, ArchiveError> {
    Archive::unpack(&gzip(&tar(members)), &Limits::default())
}

const FILE: EntryType = EntryType::Regular;

#[test]
fn names_are_cleaned_as_the_policy_controller_does() {
    let folder = EntryType::Directory;
    for name in ["root.json", "./root.json", "/root.json", "repository/root.json", "/repository//./root.json"]
    {
        let archive =
            unpack(&[("repository/", folder, b""), (name, FILE, b"x"), ("targets/a", FILE, b"y")]).unwrap();
        let files: Vec<_> = archive.files().collect();
        assert_eq!(files, [("root.json", b"x".as_slice()), ("targets/a", b"y")], "{name}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["../root.json", "a/../../b", "targets/..", "a\\b", "a\nb", "/", "."] {
        let error = unpack(&[(name, FILE, b"x")]).unwrap_err();
        assert!(
            matches!(&error, ArchiveError::UnsafeName { name: found } if found == name),
            "{name}: {error}"
        );
    }
    for name in ["..root.json", "a..b", "...", "a b", "%2e%2e"] {
        assert!(unpack(&[(name, FILE, b"x")]).is_ok(), "{name}");
    }
    let error = unpack(&[("../", EntryType::Directory, b"")]).unwrap_err();
    assert!(matches!(error, ArchiveError::UnsafeName { .. }), "{error}");
}

#[test]
fn links_devices_and_what_else_there_is_are_refused() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Continuous,
        EntryType::XGlobalHeader,
    ] {
        let error = unpack(&[("1.root.json", kind, b"")]).unwrap_err();
        assert!(
            matches!(&error, ArchiveError::UnexpectedType { name, .. } if name == "1.root.json"),
            "{error}"
        );
    }
    assert!(unpack(&[("1.root.json", FILE, b"")]).is_ok());
}

#[test]
fn a_name_counts_once() {
    for second in ["a", "./a", "repository/a"] {
        let error = unpack(&[("a", FILE, b"x"), (second, FILE, b"x")]).unwrap_err();
        assert!(matches!(&error, ArchiveError::Duplicate { name } if name == "a"), "{error}");
    }
    assert!(unpack(&[("a", FILE, b"x"), ("b", FILE, b"x")]).is_ok());
}

#[test]
fn every_bound_holds() {
    let tar = tar(&[("a", FILE, &[7; 2000]), ("b", FILE, b"")]);
    let packed = gzip(&tar);
    let fits = Limits {
        compressed: packed.len() as u64,
        unpacked: tar.len() as u64,
        member: 2000,
        members: 2,
        ..Limits::default()
    };
    assert!(Archive::unpack(&packed, &fits).is_ok());
    let refused = |limits: Limits| Archive::unpack(&packed, &limits).unwrap_err();
    let tight = Limits { compressed: fits.compressed - 1, ..fits.clone() };
    assert!(matches!(refused(tight), ArchiveError::InputTooLarge { .. }));
    let tight = Limits { unpacked: fits.unpacked - 1, ..fits.clone() };
    assert!(matches!(refused(tight), ArchiveError::UnpackedTooLarge { .. }));
    let tight = Limits { member: 1999, ..fits.clone() };
    assert!(matches!(refused(tight), ArchiveError::MemberTooLarge { size: 2000, limit: 1999, .. }));
    let tight = Limits { members: 1, ..fits };
    assert!(matches!(refused(tight), ArchiveError::TooManyMembers { limit: 1 }));
}

#[test]
fn a_bomb_is_not_unpacked() {
    let bomb = gzip(&vec![0; 40 << 20]);
    assert!(bomb.len() < 1 << 20);
    let error = Archive::unpack(&bomb, &Limits::default()).unwrap_err();
    assert!(matches!(error, ArchiveError::UnpackedTooLarge { limit } if limit == 32 << 20), "{error}");
    // A member that claims more than there is does not get memory for it.
    let mut claims = tar(&[("a", FILE, b"x")]);
    let mut header = Header::new_gnu();
    header.set_path("a").unwrap();
    header.set_size(4_000_000);
    header.set_cksum();
    claims[..512].copy_from_slice(header.as_bytes());
    assert!(Archive::unpack(&gzip(&claims), &Limits::default()).is_err());
}

#[test]
fn large_members_are_read_whole() {
    // The Policy Controller fills what lies beyond 32 KiB of the stream with zeros.
    let large: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    let archive: Archive = [("targets/large", large.clone())].into_iter().collect();
    let packed = archive.pack(u64::MAX).unwrap();
    assert_eq!(Archive::unpack(&packed, &Limits::default()).unwrap().get("targets/large"), Some(&large[..]));
}

#[test]
fn a_packed_archive_cut_anywhere_is_refused() {
    let archive: Archive = [("1.root.json", *b"root"), ("2.root.json", *b"tail")].into_iter().collect();
    let packed = archive.pack(1 << 20).unwrap();
    for length in 0..packed.len() {
        assert!(Archive::unpack(&packed[..length], &Limits::default()).is_err(), "{length}");
    }
    // So is a tar that ends early within a stream that does not.
    let cut = gzip(&tar(&[("a", FILE, &[7; 2000])])[..1500]);
    let error = Archive::unpack(&cut, &Limits::default()).unwrap_err();
    assert!(matches!(error, ArchiveError::Truncated { expected: 2000, actual: 988, .. }), "{error}");
}

#[test]
fn the_same_files_give_the_same_bytes_up_to_the_limit() {
    let files = [("b", *b"2"), ("a", *b"1"), ("targets/deep/c", *b"3")];
    let archive: Archive = files.into_iter().collect();
    let reversed: Archive = files.into_iter().rev().collect();
    let packed = archive.pack(1 << 20).unwrap();
    assert_eq!(packed, reversed.pack(1 << 20).unwrap());
    // No time and no system in the header (RFC 1952, section 2.3).
    assert_eq!((&packed[4..8], packed[9]), (&[0u8; 4][..], 255));
    let size = packed.len() as u64;
    assert!(archive.pack(size).is_ok());
    let error = archive.pack(size - 1).unwrap_err();
    assert!(
        matches!(error, ArchiveError::TooLarge { size: found, limit } if found == size && limit == size - 1)
    );
    assert_eq!(Archive::unpack(&packed, &Limits::default()).unwrap(), archive);
}

#[test]
fn names_longer_than_a_header_holds_survive() {
    let name = format!("targets/{}/{}.json", "d".repeat(90), "f".repeat(150));
    let archive: Archive = [(name, *b"x")].into_iter().collect();
    let packed = archive.pack(1 << 20).unwrap();
    assert_eq!(Archive::unpack(&packed, &Limits::default()).unwrap(), archive);
    let outside: Archive = [("../x", *b"x")].into_iter().collect();
    assert!(matches!(outside.pack(1 << 20), Err(ArchiveError::UnsafeName { .. })));
}
