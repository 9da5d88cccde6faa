//! What is known of the trust roots.

use std::collections::BTreeMap;

use super::known::Known;
use super::wish::Selection;

/// What is known of one trust root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Nothing yet: it has not been looked at, or its mirror is being read for the first time.
    Open,
    /// It is not ready.
    NotReady,
    /// It is ready with verified material of this fingerprint.
    Ready(String),
}

/// All trust roots, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roots {
    /// Whether they have been listed; before that, one that is not here may still exist.
    pub(crate) listed: bool,
    pub(crate) all: BTreeMap<String, Judgement>,
}

impl Roots {
    /// What those of `selection` come to that are ready.
    pub(crate) fn ready(&self, selection: &Selection) -> Known {
        let ready = self.selected(selection).filter_map(|(name, judgement)| match judgement {
            Judgement::Ready(fingerprint) => Some((name.clone(), fingerprint.clone())),
            Judgement::Open | Judgement::NotReady => None,
        });
        Known(ready.collect())
    }

    /// Whether one of `selection` may still turn out to be ready in a moment.
    pub(crate) fn is_open(&self, selection: &Selection) -> bool {
        !self.listed || self.selected(selection).any(|(_, judgement)| *judgement == Judgement::Open)
    }

    /// The names in `selection` that no trust root has.
    pub(crate) fn missing<'s>(&self, selection: &'s Selection) -> Vec<&'s str> {
        match selection {
            Selection::All => Vec::new(),
            Selection::Names(names) => {
                names.iter().filter(|name| !self.all.contains_key(*name)).map(String::as_str).collect()
            }
        }
    }

    fn selected(&self, selection: &Selection) -> impl Iterator<Item = (&String, &Judgement)> {
        self.all.iter().filter(|(name, _)| selection.includes(name))
    }
}
