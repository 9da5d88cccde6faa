//! Why a repository is not accepted.

use jiff::Timestamp;
use sigstore_tuf::Error;

use super::archive::Archive;
use super::floor::Floor;
use super::mirror::FetchError;

/// Why a repository is not accepted. One variant per attack of the TUF specification, section 1.5.2, and per fault.
#[derive(Debug, thiserror::Error)]
pub enum TufError {
    /// A role is past its end: a freeze attack, or a repository that nobody signs any more (5.3.10, 5.4.4, 5.5.6,
    /// 5.6.6).
    #[error("{role} expired at {expires}, and it is {now}")]
    Expired {
        /// Role.
        role: String,
        /// When it ended.
        expires: Timestamp,
        /// The time that was given.
        now: Timestamp,
    },
    /// The mirror failed; that a file is absent is [`TufError::Missing`].
    #[error("failed to read {file} from the mirror")]
    Fetch {
        /// Path of the file.
        file: String,
        /// What the mirror's port says.
        #[source]
        source: FetchError,
    },
    /// A file is not the one that was signed for: arbitrary software, mix-and-match (5.5.2, 5.6.2, 5.7.2).
    #[error("{file} has the {algorithm} hash {actual}, expected {expected}")]
    HashMismatch {
        /// Path of the file.
        file: String,
        /// Hash algorithm.
        algorithm: String,
        /// Hash that is signed for, in hexadecimal.
        expected: String,
        /// Hash of the file.
        actual: String,
    },
    /// A file contradicts the one that lists it, in its version or in the roles that it lists: mix-and-match (5.5.4,
    /// 5.6.4).
    #[error("{file} contradicts the file that lists it: {detail}")]
    Inconsistent {
        /// Path of the file.
        file: String,
        /// What differs, for people; nothing may depend on it.
        detail: String,
    },
    /// A file is longer or shorter than the one that was signed for.
    #[error("{file} has {actual} bytes, expected {expected}")]
    LengthMismatch {
        /// Path of the file.
        file: String,
        /// Bytes that are signed for.
        expected: u64,
        /// Bytes that are there.
        actual: u64,
    },
    /// A file is not metadata of its role, as the HTML of a captive portal is not.
    #[error("{file} is not valid metadata")]
    Malformed {
        /// Path of the file.
        file: String,
        /// What is wrong with it.
        #[source]
        source: Error,
    },
    /// The mirror has no such file, and it must be there.
    #[error("the mirror has no {file}")]
    Missing {
        /// Path of the file.
        file: String,
    },
    /// The repository has neither the target nor keys in the legacy layout.
    #[error("no role lists {target}, and no target says what it is used for")]
    NoTrustedRoot {
        /// Name of the target.
        target: String,
    },
    /// A file is listed without a hash that we can check.
    #[error("{file} is listed with no hash of a known algorithm, only {algorithms:?}")]
    NoUsableHash {
        /// Path of the file.
        file: String,
        /// Algorithms that are there.
        algorithms: Vec<String>,
    },
    /// A file does not list another that it must list.
    #[error("{file} does not list {listed}")]
    NotListed {
        /// Path of the file.
        file: String,
        /// What it should list.
        listed: String,
    },
    /// A targets role that was there is gone from the snapshot, which hides its rollback (5.5.5).
    #[error("the snapshot no longer lists {role}, which it did at version {floor}")]
    RoleRemoved {
        /// Role.
        role: String,
        /// Its last known version.
        floor: u64,
    },
    /// A role goes back to an older version (5.3.5, 5.4.3, 5.5.5).
    #[error("{role} goes back to version {offered}, and version {floor} is known")]
    Rollback {
        /// Role, by the file that shows it.
        role: String,
        /// Lowest version that is accepted.
        floor: u64,
        /// Version found.
        offered: u64,
    },
    /// A root does not follow the one before it (5.3.5).
    #[error("{file} is version {offered}, expected {expected}")]
    RootVersion {
        /// Path of the file.
        file: String,
        /// Version after the trusted one.
        expected: u64,
        /// Version found.
        offered: u64,
    },
    /// No role that may sign for it lists a target (5.6.7).
    #[error("no role lists {target}")]
    TargetNotFound {
        /// Name of the target.
        target: String,
    },
    /// A target's stated length is more than is read.
    #[error("{target} has {length} bytes, of which at most {limit} are allowed")]
    TargetTooLarge {
        /// Name of the target.
        target: String,
        /// Its length as it is signed for.
        length: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Too few keys of the role have signed (5.3.4, 5.4.2, 5.5.3, 5.6.3): wrong keys, or a changed file.
    #[error("{file} has {found} of the {threshold} valid signatures that it needs")]
    Threshold {
        /// Path of the file.
        file: String,
        /// Signatures that count.
        found: usize,
        /// Signatures that are needed.
        threshold: usize,
    },
    /// More keys in the legacy layout than are read.
    #[error("the repository has {found} keys, of which at most {limit} are allowed")]
    TooManyKeys {
        /// Keys found.
        found: usize,
        /// What is allowed.
        limit: u32,
    },
    /// More roles than are visited for one target.
    #[error("the search for {target} needs more than {limit} roles")]
    TooManyRoles {
        /// Name of the target.
        target: String,
        /// What is allowed.
        limit: u32,
    },
    /// More roots than are followed: a mirror that never ends (5.3.3).
    #[error("the chain of roots has more than {limit} steps")]
    TooManyRoots {
        /// What is allowed.
        limit: u32,
    },
}

impl TufError {
    /// Returns the variant's name, for conditions and metric labels.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "Expired",
            Self::Fetch { .. } => "Fetch",
            Self::HashMismatch { .. } => "HashMismatch",
            Self::Inconsistent { .. } => "Inconsistent",
            Self::LengthMismatch { .. } => "LengthMismatch",
            Self::Malformed { .. } => "Malformed",
            Self::Missing { .. } => "Missing",
            Self::NoTrustedRoot { .. } => "NoTrustedRoot",
            Self::NoUsableHash { .. } => "NoUsableHash",
            Self::NotListed { .. } => "NotListed",
            Self::RoleRemoved { .. } => "RoleRemoved",
            Self::Rollback { .. } => "Rollback",
            Self::RootVersion { .. } => "RootVersion",
            Self::TargetNotFound { .. } => "TargetNotFound",
            Self::TargetTooLarge { .. } => "TargetTooLarge",
            Self::Threshold { .. } => "Threshold",
            Self::TooManyKeys { .. } => "TooManyKeys",
            Self::TooManyRoles { .. } => "TooManyRoles",
            Self::TooManyRoots { .. } => "TooManyRoots",
        }
    }

    /// Puts what the state machine says of `file` in our words.
    pub(super) fn of(error: Error, file: &str, now: Timestamp) -> Self {
        let file = file.to_owned();
        match error {
            Error::BadRootVersion { trusted, new } => {
                Self::RootVersion { file, expected: trusted.saturating_add(1), offered: new }
            }
            Error::Expired { role, expires } => Self::Expired { role, expires, now },
            Error::IntegrityMismatch(detail) => Self::Inconsistent { file, detail },
            Error::Rollback { role, trusted, new } => Self::Rollback { role, floor: trusted, offered: new },
            Error::ThresholdNotMet { found, threshold, .. } => Self::Threshold { file, found, threshold },
            source => Self::Malformed { file, source },
        }
    }
}

/// An update that did not succeed, and how far it came.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// Why it ended.
    #[source]
    pub error: TufError,
    /// What had been verified by then. Its roots are worth keeping with the last good files
    /// ([`Archive::with_roots_of`]), so that a mirror which shows a root and then breaks off does not have it
    /// forgotten. No material can be built from it.
    pub archive: Archive,
    /// The versions that had been verified by then. Roles that were not reached are absent. A caller that restores
    /// its last good files later keeps `root` and `recovery` of it: those files are below the other versions.
    pub floor: Floor,
}
