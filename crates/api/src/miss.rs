//! What webhook replicas miss in trust roots, as they note it on their Leases.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Most misses in one note. A cluster has fewer trust roots that anybody rotates within a minute.
pub const MOST_MISSES: usize = 16;

/// A replica has seen evidence of a log, a key or an authority that a trust root does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Miss {
    /// The name of the trust root.
    pub trust_root: String,
    /// The fingerprint of what was in force of it.
    pub fingerprint: String,
    /// When that was, by the replica's clock. Tells one miss from the next, and nothing else rests on it.
    pub time: Timestamp,
}

impl Miss {
    /// Writes a note, with the last [`MOST_MISSES`] of `misses`; `None` where there are none.
    pub fn note(misses: &[Self]) -> Option<String> {
        let last = misses.get(misses.len().saturating_sub(MOST_MISSES)..).filter(|last| !last.is_empty())?;
        // Text and times can always be written.
        serde_json::to_string(last).ok()
    }

    /// Reads a note; at most [`MOST_MISSES`], and nothing from one that is damaged: what was missed will be missed again.
    pub fn read(note: &str) -> Vec<Self> {
        let mut misses: Vec<Self> = serde_json::from_str(note).unwrap_or_default();
        misses.truncate(MOST_MISSES);
        misses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn miss(trust_root: &str) -> Miss {
        Miss { trust_root: trust_root.into(), fingerprint: "sha256:00".into(), time: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn what_is_noted_is_read_and_no_miss_is_no_note() {
        let misses = [miss("a"), miss("b")];
        let note = Miss::note(&misses).unwrap();
        assert_eq!(
            note,
            r#"[{"trustRoot":"a","fingerprint":"sha256:00","time":"1970-01-01T00:00:00Z"},{"trustRoot":"b","fingerprint":"sha256:00","time":"1970-01-01T00:00:00Z"}]"#
        );
        assert_eq!(Miss::read(&note), misses);
        assert_eq!(Miss::note(&[]), None);
    }

    #[test]
    fn a_note_has_the_last_misses_and_a_longer_one_is_cut() {
        let misses: Vec<_> = (0..=MOST_MISSES).map(|number| miss(&number.to_string())).collect();
        assert_eq!(Miss::read(&Miss::note(&misses).unwrap()), misses[1..]);
        let longer = serde_json::to_string(&misses).unwrap();
        assert_eq!(Miss::read(&longer), misses[..MOST_MISSES]);
    }

    #[test]
    fn a_damaged_note_is_none() {
        let whole = Miss::note(&[miss("a")]).unwrap();
        assert_eq!(Miss::read(&whole).len(), 1);
        for damaged in ["", "{}", "[1]", &whole[1..], &whole.replace("1970", "later")] {
            assert_eq!(Miss::read(damaged), [], "{damaged}");
        }
    }
}
