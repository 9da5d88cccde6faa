//! What a workload was told of, trust root by trust root.
//!
//! One combined hash would not do: when one of two trust roots is not ready for an hour, the hash over those that
//! are is another one, though nobody trusts anything new.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::wish::is_name;

/// The fingerprint of each trust root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known(pub(crate) BTreeMap<String, String>);

impl Known {
    /// Reads what [`Known::text`] wrote. `None` for anything else: then nothing is known.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut pairs = BTreeMap::new();
        for pair in text.split(',') {
            let (name, fingerprint) = pair.split_once('=')?;
            if !is_name(name) || !is_fingerprint(fingerprint) {
                return None;
            }
            pairs.insert(name.to_owned(), fingerprint.to_owned());
        }
        Some(Self(pairs))
    }

    /// As the value of an annotation.
    pub(crate) fn text(&self) -> String {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, fingerprint)| format!("{name}={fingerprint}")).collect();
        pairs.join(",")
    }

    /// The combined fingerprint: SHA-256 over the lines `name=fingerprint`, sorted by name.
    pub(crate) fn combined(&self) -> String {
        let mut hash = Sha256::new();
        for (name, fingerprint) in &self.0 {
            // Neither holds `=` or a line break, so no two lists are the same text.
            hash.update(format!("{name}={fingerprint}\n"));
        }
        format!("sha256:{}", hex::encode(hash.finalize()))
    }
}

fn is_fingerprint(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}
