//! The floors of all trust roots, as a Secret in our namespace keeps them.
//!
//! An entry belongs to one object (its UID) and one anchor (the root in its spec), so that neither making the object
//! anew nor another anchor inherits it, and going back to an anchor finds its floor again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trustwright_trust::tuf::Floor;

use crate::Anchor;

/// Name of the Secret.
pub const FLOORS_SECRET: &str = "trustwright-floors";
/// Characters of the anchor's hash in a key: enough that nobody finds two anchors with the same.
const HASH: usize = 40;

/// What is remembered about one object and anchor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FloorEntry {
    /// The versions that were in force. A repository below them is not accepted from anybody.
    pub accepted: Floor,
    /// The versions that a mirror proved, also where it broke off before anything could be put in force. What comes
    /// from a mirror is held against these as well.
    pub seen: Floor,
}

impl FloorEntry {
    /// Returns the entry that refuses whatever either of the two refuses.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        Self { accepted: self.accepted.max(&other.accepted), seen: self.seen.max(&other.seen) }
    }

    /// Returns what a repository of a status must not go below; `None` if none was ever in force, so that any would be
    /// like a first download.
    pub fn for_restore(&self) -> Option<&Floor> {
        Some(&self.accepted).filter(|accepted| accepted.timestamp > 0)
    }

    /// Returns what a download must not go below.
    pub fn for_download(&self) -> Floor {
        self.accepted.max(&self.seen)
    }

    /// Returns the entry as the Secret holds it: JSON, the same bytes for the same versions.
    pub fn encode(&self) -> Vec<u8> {
        let stored = Stored { accepted: Versions::of(&self.accepted), seen: Versions::of(&self.seen) };
        // Numbers and text in maps with text as keys always encode.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// The text is not one. Whoever reads it must not take that for the absence of a floor.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let stored: Stored = serde_json::from_slice(bytes)?;
        Ok(Self { accepted: stored.accepted.floor(), seen: stored.seen.floor() })
    }
}

/// Returns the key of the entry for `object` (its UID, or a name of ours) and `anchor`.
pub fn floor_key(object: &str, anchor: &Anchor) -> String {
    let hash: String = anchor.hash().chars().take(HASH).collect();
    format!("{object}.{hash}")
}

#[derive(Serialize, Deserialize)]
struct Stored {
    accepted: Versions,
    #[serde(default, skip_serializing_if = "Versions::is_none")]
    seen: Versions,
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Versions {
    root: u64,
    recovery: u64,
    timestamp: u64,
    snapshot: u64,
    targets: BTreeMap<String, u64>,
}

impl Versions {
    fn of(floor: &Floor) -> Self {
        let Floor { root, recovery, timestamp, snapshot, targets } = floor.clone();
        Self { root, recovery, timestamp, snapshot, targets }
    }

    fn floor(self) -> Floor {
        let Self { root, recovery, timestamp, snapshot, targets } = self;
        Floor { root, recovery, timestamp, snapshot, targets }
    }

    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_survives_the_secret_and_what_is_none_is_refused() {
        let accepted = Floor {
            root: 15,
            recovery: 12,
            timestamp: 762,
            snapshot: 165,
            targets: BTreeMap::from([("targets".to_owned(), 14)]),
        };
        for seen in [Floor::default(), Floor { root: 16, ..Floor::default() }] {
            let entry = FloorEntry { accepted: accepted.clone(), seen };
            assert_eq!(FloorEntry::decode(&entry.encode()).unwrap(), entry);
        }
        for damaged in [&b""[..], b"{}", b"{\"accepted\":{\"root\":-1}}"] {
            assert!(FloorEntry::decode(damaged).is_err());
        }
    }

    #[test]
    fn a_key_names_the_object_and_the_anchor() {
        let anchor = |root: &[u8]| Anchor { root: root.to_vec(), target: "t".to_owned() };
        let key = floor_key("uid", &anchor(b"a"));
        assert_ne!(key, floor_key("uid", &anchor(b"b")));
        assert_ne!(key, floor_key("other", &anchor(b"a")));
        assert!(key.chars().all(|c| c.is_ascii_alphanumeric() || c == '.') && key.len() <= 253, "{key}");
    }
}
