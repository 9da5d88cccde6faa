//! Everything that a trust root rests on, gathered.

use std::{sync::Arc, time::Duration};

use kube::core::DynamicObject;
use serde_json::Value;
use trustwright_api::v1alpha1::TrustRootReason;
use trustwright_roots::{
    Anchor, DEFAULT_NAME, DefaultRoot, Entry, EntryKind, FLOORS_SECRET, FloorEntry, OnExpiry, Refusal,
    Remote, Rule, Source, SourceKind, Spec, Text, anchored, floor_key, read,
};
use trustwright_trust::tuf::{Floor, TRUSTED_ROOT_TARGET};

use super::Entries;

/// What a `TrustRoot` object says, as far as it counts here.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// The UID and generation that `spec` was read from; none of both for a default root without an object.
    pub(super) version: (Option<String>, Option<i64>),
    /// To whom memory and floor belong: the UID, or the name of the default root, which outlives its object.
    owner: Arc<str>,
    spec: Arc<Result<Spec, Refusal>>,
    /// The key of its floor; only what is downloaded has one.
    floor_key: Option<Arc<str>>,
    packed: Option<Arc<str>>,
}

/// Everything that a trust root rests on besides time: where all of it is equal, nothing has to be done again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Inputs {
    pub(super) owner: Arc<str>,
    pub(super) spec: Arc<Result<Spec, Refusal>>,
    /// `status.repository`.
    pub(super) packed: Option<Arc<str>>,
    /// The entry that `spec.trustedRoot` names.
    pub(super) text: Option<Vec<u8>>,
    pub(super) floor: StoredFloor,
}

/// What the Secret of floors says of one object and anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoredFloor {
    /// Nothing was in force before.
    None,
    /// These versions were.
    At(Floor),
    /// Something was, and nobody knows what. This is not the absence of a floor.
    Damaged(String),
}

impl Object {
    /// Reads an object; what `known` was read from already is not read again.
    pub(super) fn read(object: &DynamicObject, default: Option<&DefaultRoot>, known: Option<&Self>) -> Self {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let version = (object.metadata.uid.clone(), object.metadata.generation);
        let status = object.data.get("status").and_then(|status| status.get("repository"));
        let packed: Option<&str> = match status {
            None | Some(Value::Null) => None,
            // What is no text is damaged, and not absent.
            Some(value) => Some(value.as_str().unwrap_or("?")).filter(|text| !text.is_empty()),
        };
        let packed = packed.map(|text| {
            let same = known.and_then(|known| known.packed.clone()).filter(|known| **known == *text);
            same.unwrap_or_else(|| text.into())
        });
        if let Some(known) = known.filter(|known| known.version == version && version.1.is_some()) {
            return Self { packed, ..known.clone() };
        }
        let spec = read(object.data.get("spec"));
        if name == DEFAULT_NAME {
            let spec = match default {
                Some(default) => Ok(of_default(default, spec)),
                None => Err(Refusal {
                    reason: TrustRootReason::InvalidSpec,
                    source_kind: spec.ok().map(|spec| spec.kind()),
                    message: format!(
                        "the name {DEFAULT_NAME:?} belongs to the default root, which is disabled"
                    ),
                }),
            };
            return Self::new(version, DEFAULT_NAME, spec, packed);
        }
        let owner = version.0.clone().unwrap_or_default();
        Self::new(version, &owner, spec, packed)
    }

    /// The default root while there is no object that shows it.
    pub(super) fn absent_default(default: &DefaultRoot) -> Self {
        Self::new((None, None), DEFAULT_NAME, Ok(unsaid(default)), None)
    }

    fn new(
        version: (Option<String>, Option<i64>),
        owner: &str,
        spec: Result<Spec, Refusal>,
        packed: Option<Arc<str>>,
    ) -> Self {
        let anchor = spec.as_ref().ok().and_then(|spec| match &spec.source {
            Source::Remote(remote) => Some(&remote.anchor),
            Source::Repository(_) | Source::SigstoreKeys(_) | Source::TrustedRoot(_) => None,
        });
        let floor_key = anchor.map(|anchor| floor_key(owner, anchor).into());
        Self { version, owner: owner.into(), spec: Arc::new(spec), floor_key, packed }
    }

    pub(super) fn is_of(&self, inputs: &Inputs) -> bool {
        self.owner == inputs.owner && self.spec == inputs.spec
    }

    pub(super) fn gather(&self, entries: &dyn Entries) -> Inputs {
        let text = match self.spec.as_ref() {
            Ok(Spec { source: Source::TrustedRoot(Text::Entry(Entry { kind, name, key })), .. }) => {
                entries.entry(*kind, name, key)
            }
            Ok(_) | Err(_) => None,
        };
        Inputs {
            owner: self.owner.clone(),
            spec: self.spec.clone(),
            // Nothing else comes from a status.
            packed: self.packed.clone().filter(|_| self.floor_key.is_some()),
            text,
            floor: self.floor_key.as_deref().map_or(StoredFloor::None, |key| stored_floor(entries, key)),
        }
    }
}

/// The spec of the default root: our mirror and anchor. What its object says counts where it fits that, and cannot take
/// the default root away where it does not.
fn of_default(default: &DefaultRoot, said: Result<Spec, Refusal>) -> Spec {
    said.and_then(|said| anchored(said, DEFAULT_NAME, Some(default))).unwrap_or_else(|_| unsaid(default))
}

fn unsaid(default: &DefaultRoot) -> Spec {
    let remote = Remote {
        anchor: Anchor { root: default.root.clone(), target: TRUSTED_ROOT_TARGET.to_owned() },
        mirror: default.mirror.clone(),
        // Nobody here asks the mirror.
        refresh_interval: Duration::MAX,
        ca_bundle: None,
        credentials: None,
    };
    Spec {
        source: Source::Remote(Box::new(remote)),
        rule: Rule { on_expiry: OnExpiry::Keep, max_staleness: None },
    }
}

fn stored_floor(entries: &dyn Entries, key: &str) -> StoredFloor {
    let Some(bytes) = entries.entry(EntryKind::Secret, FLOORS_SECRET, key) else { return StoredFloor::None };
    match FloorEntry::decode(&bytes) {
        Ok(entry) => entry.for_restore().map_or(StoredFloor::None, |floor| StoredFloor::At(floor.clone())),
        Err(error) => StoredFloor::Damaged(format!("key {key:?} of Secret {FLOORS_SECRET:?}: {error}")),
    }
}

/// The words for where `spec.trustedRoot` points to nothing.
pub(super) fn missing(entry: &Entry) -> Refusal {
    let message = format!("{}: {entry} is not there", SourceKind::TrustedRoot);
    Refusal::new(TrustRootReason::InvalidReference, SourceKind::TrustedRoot, message)
}
