//! Objects and Secrets in, trust roots out.

mod default_root;
mod floors;
mod lists;
mod sources;
mod status;
mod time;

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use trustwright_roots::{Anchor, EntryKind, FLOORS_SECRET, FloorEntry, floor_key};
use trustwright_testkit::tuf_repository::{Repository, Role};
use trustwright_trust::tuf::{Floor, TRUSTED_ROOT_TARGET};

use super::*;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// Every role of a fresh [`Repository`] holds then, and for five weeks more.
fn today() -> Timestamp {
    at("2026-08-22T12:00:00Z")
}

/// A replica of the webhook without its clients.
struct Replica {
    index: TrustIndex,
    namespace: Namespace,
    now: Timestamp,
}

/// Secrets and `ConfigMaps`.
#[derive(Default)]
struct Namespace(HashMap<String, Vec<u8>>);

impl Entries for Namespace {
    fn entry(&self, kind: EntryKind, name: &str, key: &str) -> Option<Vec<u8>> {
        self.0.get(&format!("{kind:?} {name} {key}")).cloned()
    }
}

impl Namespace {
    fn put(&mut self, kind: EntryKind, name: &str, key: &str, bytes: &[u8]) {
        self.0.insert(format!("{kind:?} {name} {key}"), bytes.to_vec());
    }

    fn put_floor(&mut self, object: &str, root: &[u8], entry: &[u8]) {
        let anchor = Anchor { root: root.to_vec(), target: TRUSTED_ROOT_TARGET.to_owned() };
        self.put(EntryKind::Secret, FLOORS_SECRET, &floor_key(object, &anchor), entry);
    }
}

impl Replica {
    /// A replica that has just been started.
    fn new() -> Self {
        Self::with_default(None)
    }

    fn with_default(default: Option<DefaultRoot>) -> Self {
        let mut replica =
            Self { index: TrustIndex::new(default), namespace: Namespace::default(), now: today() };
        replica.settle();
        replica
    }

    /// Does what is due, and returns how much that was.
    fn settle(&mut self) -> usize {
        let due = self.index.due(&self.namespace, self.now);
        let count = due.len();
        for task in due {
            self.index.accept(task.run(self.now));
        }
        assert!(self.index.due(&self.namespace, self.now).is_empty(), "work without end");
        count
    }

    /// Hears of an object as it is now.
    fn apply(&mut self, object: &Value) -> usize {
        self.index.apply(&serde_json::from_value(object.clone()).unwrap());
        self.settle()
    }

    fn delete(&mut self, object: &Value) {
        self.index.delete(&serde_json::from_value(object.clone()).unwrap());
        self.settle();
    }

    /// The fingerprint of what is in force.
    fn trusts(&self, name: &str) -> String {
        let root = self.index.roots()[name].clone();
        root.trusted.as_ref().unwrap_or_else(|refusal| panic!("{refusal}")).fingerprint().to_string()
    }

    /// Why nothing is.
    fn refuses(&self, name: &str) -> (TrustRootReason, String) {
        let root = self.index.roots()[name].clone();
        let refusal = root.trusted.as_ref().expect_err("something is in force");
        (refusal.reason, refusal.message.clone())
    }
}

/// A trust root called `r`, version 1 of it.
fn object(spec: &Value) -> Value {
    json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot",
        "metadata": {"name": "r", "uid": "uid-1", "generation": 1}, "spec": spec,
    })
}

/// `spec.remote` that starts from the first root of `repository`.
fn remote(repository: &Repository) -> Value {
    let root = STANDARD.encode(repository.first_root());
    json!({"remote": {"mirror": "https://mirror.invalid", "root": root}})
}

/// The same object with `value` at `pointer`, a member of an object.
fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[key] = value;
    object
}

/// A `remote` trust root whose status holds `repository` as it is now.
fn shown(repository: &Repository) -> Value {
    with(object(&remote(repository)), "/status", json!({"repository": packed(repository)}))
}

fn packed(repository: &Repository) -> String {
    STANDARD.encode(repository.publish().pack(1 << 20).unwrap())
}

/// The next version of a repository, with fewer keys in it.
fn next(repository: &Repository) -> Repository {
    let mut next = repository.clone();
    next.advance();
    let mut trusted_root: Value = serde_json::from_slice(&next.files[TRUSTED_ROOT_TARGET]).unwrap();
    trusted_root["timestampAuthorities"] = json!([]);
    next.files.insert(TRUSTED_ROOT_TARGET.to_owned(), trusted_root.to_string().into_bytes());
    next
}

/// What the Secret holds once `repository` has been in force.
fn floor(repository: &Repository) -> Vec<u8> {
    FloorEntry { accepted: versions(repository), seen: Floor::default() }.encode()
}

fn versions(repository: &Repository) -> Floor {
    let Role { version, .. } = repository.targets;
    Floor {
        root: repository.root.version,
        recovery: 0,
        timestamp: repository.timestamp.version,
        snapshot: repository.snapshot.version,
        targets: BTreeMap::from([("targets".to_owned(), version)]),
    }
}

/// The same object, as if it had been made anew.
fn anew(object: Value) -> Value {
    with(object, "/metadata/uid", json!("uid-2"))
}

/// The same object after a change of its spec.
fn changed(object: Value, pointer: &str, value: Value) -> Value {
    let generation = object["metadata"]["generation"].as_i64().unwrap();
    with(with(object, pointer, value), "/metadata/generation", json!(generation + 1))
}
