//! How much is read, unpacked and followed.

/// Bounds of a repository, a mirror's answers and an archive. Sizes are bytes.
///
/// The defaults of the metadata's are those of sigstore-go, so that what the Policy Controller could read stays
/// readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One root.
    pub root: u64,
    /// `timestamp.json`.
    pub timestamp: u64,
    /// The snapshot, unless the timestamp states a smaller length.
    pub snapshot: u64,
    /// One targets file, unless the snapshot states a smaller length.
    pub targets: u64,
    /// One target; a target whose stated length is more is not asked for.
    pub target: u64,
    /// Steps from the first root to the last.
    pub root_rotations: u32,
    /// Targets roles that are visited in the search for one target, the top level included.
    pub delegations: u32,
    /// Keys of the legacy layout, each a target.
    pub legacy_keys: u32,
    /// An archive before it is unpacked.
    pub compressed: u64,
    /// An archive's whole tar file.
    pub unpacked: u64,
    /// One member of an archive.
    pub member: u64,
    /// Members of an archive, folders included.
    pub members: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            root: 512_000,
            timestamp: 16_384,
            snapshot: 2_000_000,
            targets: 5_000_000,
            target: 5_000_000,
            root_rotations: 256,
            delegations: 32,
            legacy_keys: 64,
            compressed: 4 << 20,
            unpacked: 32 << 20,
            member: 5_000_000,
            members: 1024,
        }
    }
}
