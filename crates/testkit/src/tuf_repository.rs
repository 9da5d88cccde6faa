//! A small TUF repository, to be changed and signed again.
//!
//! Everything in it is made here, so nothing can fail that a test could do something about.
#![allow(clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigstore_verify::trust_root::SigstoreInstance;
use trustwright_trust::tuf::Archive;

/// An Ed25519 key with its ID.
#[derive(Clone)]
pub struct Key {
    id: String,
    pair: Arc<Ed25519KeyPair>,
}

impl Key {
    /// Generates a key.
    #[allow(clippy::new_without_default)] // two are never equal
    pub fn new() -> Self {
        let pair = Arc::new(Ed25519KeyPair::generate().expect("made here"));
        let mut key = Self { id: String::new(), pair };
        // What the specification says of a KEYID (4.2); there are clients that compute it again.
        let document = sigstore_tuf::canonical_json::to_canonical_bytes(&key.document()).expect("made here");
        key.id = hex::encode(Sha256::digest(document));
        key
    }

    /// Generates a key whose ID is the producer's choice, as TAP 12 has it.
    #[must_use]
    pub fn with_id(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::new() }
    }

    fn document(&self) -> Value {
        let public = hex::encode(self.pair.public_key().as_ref());
        json!({ "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": public } })
    }
}

/// Returns `signed` in its envelope, with a signature of each key.
pub fn sign(signed: &Value, keys: &[Key]) -> Vec<u8> {
    let content = sigstore_tuf::canonical_json::to_canonical_bytes(signed).expect("made here");
    let signature = |key: &Key| json!({ "keyid": key.id, "sig": hex::encode(key.pair.sign(&content)) });
    let signatures: Vec<_> = keys.iter().map(signature).collect();
    json!({ "signed": signed, "signatures": signatures }).to_string().into_bytes()
}

/// What a role is signed with, and what stands in it besides its content.
#[derive(Clone)]
pub struct Role {
    /// The keys that sign it.
    pub keys: Vec<Key>,
    /// How many of them have to.
    pub threshold: usize,
    /// Its version.
    pub version: u64,
    /// When it ends, RFC 3339.
    pub expires: &'static str,
}

impl Role {
    /// Returns version 1 with one new key, until 2026-09-30.
    #[allow(clippy::new_without_default)] // two are never equal
    pub fn new() -> Self {
        Self { keys: vec![Key::new()], threshold: 1, version: 1, expires: "2026-09-30T00:00:00Z" }
    }

    /// Returns `content` as signed content of this role.
    fn signed(&self, kind: &str, content: &Value) -> Value {
        let mut signed = json!({
            "_type": kind, "spec_version": "1.0.31", "version": self.version, "expires": self.expires,
        });
        signed.as_object_mut().expect("made here").extend(content.as_object().expect("made here").clone());
        signed
    }

    fn authority(&self) -> Value {
        let ids: Vec<_> = self.keys.iter().map(|key| key.id.clone()).collect();
        json!({ "keyids": ids, "threshold": self.threshold })
    }
}

/// A delegation of the top-level targets, or of another delegated role.
#[derive(Clone)]
pub struct Delegation {
    /// The role's name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The patterns of its targets.
    pub paths: Vec<&'static str>,
    /// Whether the search for a target ends with it.
    pub terminating: bool,
    /// Its targets.
    pub targets: BTreeMap<String, Vec<u8>>,
    /// What the role delegates further.
    pub children: Vec<Delegation>,
}

/// Returns `delegations` as a delegating role lists them.
fn delegating(delegations: &[Delegation]) -> Value {
    let keys = delegations.iter().flat_map(|one| &one.role.keys);
    let keys: BTreeMap<_, _> = keys.map(|key| (key.id.clone(), key.document())).collect();
    let roles = delegations.iter().map(|one| {
        let mut role = one.role.authority();
        role["name"] = json!(one.name);
        role["paths"] = json!(one.paths);
        role["terminating"] = json!(one.terminating);
        role
    });
    json!({ "keys": keys, "roles": roles.collect::<Vec<_>>() })
}

/// A repository; its fields are changed, and [`Repository::publish`] signs what comes of it.
#[derive(Clone)]
pub struct Repository {
    /// The root role.
    pub root: Role,
    /// The timestamp role.
    pub timestamp: Role,
    /// The snapshot role.
    pub snapshot: Role,
    /// The top-level targets role.
    pub targets: Role,
    /// Its targets by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// `custom` of targets.
    pub custom: BTreeMap<String, Value>,
    /// What it delegates.
    pub delegations: Vec<Delegation>,
    /// Whether file names carry versions and hashes.
    pub consistent: bool,
    /// What the hashes of targets are said to be.
    pub algorithm: &'static str,
    /// Each root that was published, in order.
    pub roots: Vec<(u64, Vec<u8>)>,
}

impl Repository {
    /// Returns the repository with every role ending at `expires` (RFC 3339), and its one root signed anew.
    #[must_use]
    pub fn until(mut self, expires: &'static str) -> Self {
        for role in [&mut self.root, &mut self.timestamp, &mut self.snapshot, &mut self.targets] {
            role.expires = expires;
        }
        let root = self.root_signed_by(&self.root.keys);
        self.roots = vec![(self.root.version, root)];
        self
    }

    /// Returns a repository with one root and the production trusted root.
    #[allow(clippy::new_without_default)] // two are never equal
    pub fn new() -> Self {
        let trusted_root = SigstoreInstance::PublicGood.embedded_trusted_root_json();
        let mut repository = Self {
            root: Role::new(),
            timestamp: Role::new(),
            snapshot: Role::new(),
            targets: Role::new(),
            files: BTreeMap::from([("trusted_root.json".to_owned(), trusted_root.as_bytes().to_vec())]),
            custom: BTreeMap::new(),
            delegations: Vec::new(),
            consistent: true,
            algorithm: "sha256",
            roots: Vec::new(),
        };
        let root = repository.root_signed_by(&repository.root.keys);
        repository.roots.push((1, root));
        repository
    }

    /// Returns the root that users pin.
    pub fn first_root(&self) -> &[u8] {
        &self.roots[0].1
    }

    /// Returns the root as the fields are, signed by `keys`.
    pub fn root_signed_by(&self, keys: &[Key]) -> Vec<u8> {
        let roles = [
            ("root", &self.root),
            ("timestamp", &self.timestamp),
            ("snapshot", &self.snapshot),
            ("targets", &self.targets),
        ];
        let all = roles.iter().flat_map(|(_, role)| &role.keys);
        let all: BTreeMap<_, _> = all.map(|key| (key.id.clone(), key.document())).collect();
        let authorities: BTreeMap<_, _> =
            roles.iter().map(|(name, role)| (*name, role.authority())).collect();
        let content = json!({ "consistent_snapshot": self.consistent, "keys": all, "roles": authorities });
        sign(&self.root.signed("root", &content), keys)
    }

    /// Publishes the next root, signed by the keys before and after `change`.
    pub fn rotate(&mut self, change: impl FnOnce(&mut Self)) {
        let mut keys = self.root.keys.clone();
        change(self);
        self.root.version += 1;
        for key in &self.root.keys {
            if keys.iter().all(|old| old.id != key.id) {
                keys.push(key.clone());
            }
        }
        let root = self.root_signed_by(&keys);
        self.roots.push((self.root.version, root));
    }

    /// Raises the version of everything below the root.
    pub fn advance(&mut self) {
        for role in [&mut self.timestamp, &mut self.snapshot, &mut self.targets] {
            role.version += 1;
        }
        for delegation in &mut self.delegations {
            delegation.role.version += 1;
        }
    }

    /// Returns all files as they are served.
    pub fn publish(&self) -> Archive {
        let mut archive: Archive =
            self.roots.iter().map(|(version, root)| (format!("{version}.root.json"), root.clone())).collect();
        let mut snapshot_meta = json!({ "targets.json": { "version": self.targets.version } });
        let targets = self.targets_document();
        archive.insert(self.path("targets", self.targets.version), targets);
        let mut open: Vec<_> = self.delegations.iter().collect();
        let mut all = Vec::new();
        while let Some(one) = open.pop() {
            open.extend(&one.children);
            all.push(one);
            snapshot_meta[format!("{}.json", one.name)] = json!({ "version": one.role.version });
            let mut content = json!({ "targets": self.listed(&one.targets) });
            if !one.children.is_empty() {
                content["delegations"] = delegating(&one.children);
            }
            let bytes = sign(&one.role.signed("targets", &content), &one.role.keys);
            archive.insert(self.path(&one.name, one.role.version), bytes);
        }
        let snapshot =
            sign(&self.snapshot.signed("snapshot", &json!({ "meta": snapshot_meta })), &self.snapshot.keys);
        let meta = json!({ "snapshot.json": {
            "version": self.snapshot.version,
            "length": snapshot.len(),
            "hashes": { "sha256": hex::encode(Sha256::digest(&snapshot)) },
        }});
        archive.insert(self.path("snapshot", self.snapshot.version), snapshot);
        let timestamp = self.timestamp.signed("timestamp", &json!({ "meta": meta }));
        archive.insert("timestamp.json", sign(&timestamp, &self.timestamp.keys));
        for files in std::iter::once(&self.files).chain(all.iter().map(|one| &one.targets)) {
            for (name, bytes) in files {
                archive.insert(self.target_path(name, bytes), bytes.clone());
            }
        }
        archive
    }

    fn targets_document(&self) -> Vec<u8> {
        let mut content = json!({ "targets": self.listed(&self.files) });
        if !self.delegations.is_empty() {
            content["delegations"] = delegating(&self.delegations);
        }
        sign(&self.targets.signed("targets", &content), &self.targets.keys)
    }

    fn listed(&self, files: &BTreeMap<String, Vec<u8>>) -> Value {
        let listed = files.iter().map(|(name, bytes)| {
            let mut listed =
                json!({ "length": bytes.len(), "hashes": { self.algorithm: hex::encode(Sha256::digest(bytes)) } });
            if let Some(custom) = self.custom.get(name) {
                listed["custom"] = custom.clone();
            }
            (name.clone(), listed)
        });
        listed.collect::<serde_json::Map<_, _>>().into()
    }

    fn path(&self, role: &str, version: u64) -> String {
        if self.consistent { format!("{version}.{role}.json") } else { format!("{role}.json") }
    }

    /// Returns where a target is served.
    pub fn target_path(&self, name: &str, bytes: &[u8]) -> String {
        let (folder, file) = name
            .rsplit_once('/')
            .map_or((String::new(), name), |(folder, file)| (format!("{folder}/"), file));
        let hash = hex::encode(Sha256::digest(bytes));
        if self.consistent { format!("targets/{folder}{hash}.{file}") } else { format!("targets/{name}") }
    }
}
