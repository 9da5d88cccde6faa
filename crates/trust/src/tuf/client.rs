//! One update: what is trusted so far, and the steps of the workflow up to the top-level targets.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sigstore_tuf::{Error, Root, Targets, TrustedMetadataSet};

use super::archive::Archive;
use super::error::{Failure, TufError};
use super::floor::Floor;
use super::mirror::{FetchError, Mirror};
use super::update::{Expiry, Request};
use super::verified::{Download, RoleState};

/// A time at which nothing has expired.
pub(super) const BEFORE_ALL: Timestamp = Timestamp::MIN;

pub(super) struct Client<'a, M> {
    pub(super) request: &'a Request<'a>,
    pub(super) source: &'a M,
    pub(super) set: TrustedMetadataSet,
    /// What was used, by path.
    pub(super) archive: Archive,
    roles: Vec<RoleState>,
    /// Version of the last root that known metadata brought.
    pub(super) known_root: u64,
    /// The last root version that took a key from `timestamp` or `snapshot`.
    pub(super) recovery: u64,
    /// The request's floor, without what a recovery has overtaken.
    pub(super) floor: Floor,
}

impl<'a, M: Mirror> Client<'a, M> {
    /// Trusts the anchor (5.2).
    pub(super) fn start(request: &'a Request<'a>, source: &'a M) -> Result<Self, Box<Failure>> {
        let set = TrustedMetadataSet::from_root(request.anchor).map_err(|error| {
            let error = TufError::of(error, "the first root", request.now);
            Box::new(Failure { error, archive: Archive::default(), floor: Floor::default() })
        })?;
        let version = set.root().version;
        let archive = Archive::from_iter([(root_path(version), request.anchor)]);
        let floor = request.floor.clone();
        Ok(Self { request, source, set, archive, roles: Vec::new(), known_root: version, recovery: 0, floor })
    }

    pub(super) fn is_listed(&self, role: &str) -> bool {
        self.set.snapshot().is_some_and(|snapshot| snapshot.meta.contains_key(&format!("{role}.json")))
    }

    pub(super) fn targets(&self, role: &str) -> Option<&Targets> {
        self.set.targets_role(role)
    }

    pub(super) fn request(&self) -> &'a Request<'a> {
        self.request
    }

    pub(super) fn finish(self) -> Download {
        let floor = self.reached();
        let Self { archive, roles, request, .. } = self;
        let now = request.now;
        let expired =
            roles.iter().filter(|role| role.is_expired(now)).map(|role| role.role.clone()).collect();
        Download { archive, metadata: roles, expired, floor, targets: Vec::new() }
    }

    pub(super) fn fail(self, error: TufError) -> Box<Failure> {
        let floor = self.reached();
        Box::new(Failure { error, floor, archive: self.archive })
    }

    /// Returns the versions that have been accepted.
    fn reached(&self) -> Floor {
        let version =
            |role: &str| self.roles.iter().find(|one| one.role == role).map_or(0, |one| one.version);
        let mut floor = Floor {
            root: self.set.root().version,
            recovery: self.recovery,
            timestamp: version("timestamp"),
            snapshot: version("snapshot"),
            ..Floor::default()
        };
        if let Some(snapshot) = self.set.snapshot().filter(|_| floor.snapshot > 0) {
            let listed = snapshot
                .meta
                .iter()
                .filter_map(|(name, file)| Some((name.strip_suffix(".json")?.to_owned(), file.version)));
            floor.targets = listed.collect();
        }
        floor
    }

    /// Notes a role; refuses it when it has expired and that counts. Its last instant does not belong to it.
    pub(super) fn accept(&mut self, role: &str, version: u64, expires: Timestamp) -> Result<(), TufError> {
        let state = RoleState { role: role.to_owned(), version, expires };
        let now = self.request.now;
        if self.request.expiry == Expiry::Enforce && state.is_expired(now) {
            return Err(TufError::Expired { role: state.role, expires, now });
        }
        self.roles.push(state);
        Ok(())
    }

    /// The time that the state machine gets: it refuses what has expired by then.
    pub(super) fn clock(&self) -> Timestamp {
        match self.request.expiry {
            Expiry::Enforce => self.request.now,
            Expiry::Keep => BEFORE_ALL,
        }
    }

    pub(super) async fn fetch(&self, path: &str, max_length: u64) -> Result<Option<Vec<u8>>, TufError> {
        let found = self.source.fetch(path, max_length).await;
        // A mirror's port that does not keep to the bound gets us no further than one that does.
        let found = found.and_then(|found| match found {
            Some(bytes) if bytes.len() as u64 > max_length => Err(FetchError::TooLong { max_length }),
            found => Ok(found),
        });
        found.map_err(|source| TufError::Fetch { file: path.to_owned(), source })
    }

    pub(super) async fn fetch_present(&self, path: &str, max_length: u64) -> Result<Vec<u8>, TufError> {
        self.fetch(path, max_length).await?.ok_or_else(|| missing(path))
    }

    pub(super) fn path(&self, encoded_role: &str, version: u64) -> String {
        if self.set.root().consistent_snapshot {
            format!("{version}.{encoded_role}.json")
        } else {
            format!("{encoded_role}.json")
        }
    }

    pub(super) fn put(&self, error: Error, file: &str) -> TufError {
        TufError::of(error, file, self.request.now)
    }
}

pub(super) fn root_path(version: u64) -> String {
    format!("{version}.root.json")
}

pub(super) fn missing(file: &str) -> TufError {
    TufError::Missing { file: file.to_owned() }
}

/// Returns the keys of `timestamp` and of `snapshot` by value: a key under a new ID is the same key.
pub(super) fn online_keys(root: &Root) -> [BTreeSet<(String, String)>; 2] {
    ["timestamp", "snapshot"].map(|role| {
        let ids = root.role(role).map(|role| role.keyids.as_slice()).unwrap_or_default();
        let keys = ids.iter().filter_map(|id| root.keys.get(id));
        keys.map(|key| (key.scheme.clone(), key.keyval.public.clone())).collect()
    })
}
