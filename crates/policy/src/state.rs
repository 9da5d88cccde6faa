//! What is in force somewhere, in a form that can be compared.

use sha2::{Digest as _, Sha256};

/// What a policy in force was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// Digest of what the policy names, as it was read; see [`Inputs`](crate::Inputs).
    pub inputs: [u8; 32],
}

/// Returns a digest, in hexadecimal, of these policies and of these trust roots by fingerprint, each in the order of
/// the names. Two who are given the same have the same in force.
pub fn state<'a>(
    policies: impl IntoIterator<Item = (&'a str, &'a Version)>,
    trust: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for (name, version) in policies {
        part(name.as_bytes());
        part(version.uid.as_bytes());
        part(&version.generation.to_be_bytes());
        part(&version.inputs);
    }
    part(b"");
    for (name, fingerprint) in trust {
        part(name.as_bytes());
        part(fingerprint.as_bytes());
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let version = Version { uid: "u".into(), generation: 1, inputs: [0; 32] };
        let base = state([("a", &version)], [("r", "f")]);
        assert_eq!(base, state([("a", &version)], [("r", "f")]));
        for other in [
            state([("b", &version)], [("r", "f")]),
            state([("a", &Version { uid: "v".into(), ..version.clone() })], [("r", "f")]),
            state([("a", &Version { generation: 2, ..version.clone() })], [("r", "f")]),
            state([("a", &Version { inputs: [1; 32], ..version.clone() })], [("r", "f")]),
            state([("a", &version)], [("r", "g")]),
            state([("a", &version)], [("s", "f")]),
            state([("a", &version)], []),
            state([], [("r", "f")]),
        ] {
            assert_ne!(base, other);
        }
    }
}
