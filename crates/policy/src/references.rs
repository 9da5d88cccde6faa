//! What policies name in our own namespace.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use sha2::{Digest as _, Sha256};

/// The Secrets and `ConfigMaps` of our own namespace, as a policy reads them.
pub trait References {
    /// The entries of a Secret; `None` where there is no such Secret.
    fn secret(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>>;

    /// The entries of a `ConfigMap`; `None` where there is no such `ConfigMap`.
    fn config_map(&self, name: &str) -> Option<BTreeMap<String, String>>;
}

/// Two functions do: how a Secret is read, and how a `ConfigMap` is.
impl<S, C> References for (S, C)
where
    S: Fn(&str) -> Option<BTreeMap<String, Vec<u8>>>,
    C: Fn(&str) -> Option<BTreeMap<String, String>>,
{
    fn secret(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        self.0(name)
    }

    fn config_map(&self, name: &str) -> Option<BTreeMap<String, String>> {
        self.1(name)
    }
}

/// A namespace in which there is nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoReferences;

impl References for NoReferences {
    fn secret(&self, _: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        None
    }

    fn config_map(&self, _: &str) -> Option<BTreeMap<String, String>> {
        None
    }
}

/// An object that a policy names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// A `ConfigMap`.
    ConfigMap(String),
    /// A Secret.
    Secret(String),
}

/// What a policy was compiled from besides its spec: which objects, and a digest of what stood in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// The objects, also those that are not there.
    pub references: BTreeSet<Reference>,
    /// SHA-256 over what was read, or found missing; zero where nothing was looked for.
    pub digest: [u8; 32],
}

/// Takes note of everything that is read.
pub(crate) struct Reader<'a> {
    references: &'a dyn References,
    named: RefCell<BTreeSet<Reference>>,
    hash: RefCell<Sha256>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(references: &'a dyn References) -> Self {
        Self { references, named: RefCell::default(), hash: RefCell::default() }
    }

    pub(crate) fn secret(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let found = self.references.secret(name);
        self.note(Reference::Secret(name.to_owned()), found.as_ref());
        found
    }

    pub(crate) fn config_map(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let found = self.references.config_map(name);
        self.note(Reference::ConfigMap(name.to_owned()), found.as_ref());
        found
    }

    pub(crate) fn inputs(self) -> Inputs {
        let references = self.named.into_inner();
        if references.is_empty() {
            return Inputs::default();
        }
        Inputs { references, digest: self.hash.into_inner().finalize().into() }
    }

    fn note<V: AsRef<[u8]>>(&self, reference: Reference, found: Option<&BTreeMap<String, V>>) {
        let mut hash = self.hash.borrow_mut();
        let mut part = |bytes: &[u8]| {
            // With its length, so that no two readings look alike.
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        match &reference {
            Reference::ConfigMap(name) => part(format!("c/{name}").as_bytes()),
            Reference::Secret(name) => part(format!("s/{name}").as_bytes()),
        }
        part(&[u8::from(found.is_some())]);
        for (key, value) in found.into_iter().flatten() {
            part(key.as_bytes());
            part(value.as_ref());
        }
        self.named.borrow_mut().insert(reference);
    }
}
