//! The steps of the workflow, in their order.

use sigstore_tuf::{Error, TargetFile};

use super::client::{BEFORE_ALL, Client, missing, online_keys, root_path};
use super::error::TufError;
use super::integrity::{check_metadata, check_target, target_paths};
use super::mirror::Mirror;

const TIMESTAMP: &str = "timestamp.json";

impl<M: Mirror> Client<'_, M> {
    /// Walks the chain of roots (5.3): first what is known, then what the mirror has.
    pub(super) async fn update_root(&mut self) -> Result<(), TufError> {
        let mut known = self.request.known;
        let mut steps = 0;
        while let Some(next) = self.set.root().version.checked_add(1) {
            let path = root_path(next);
            let limit = self.request.limits.root_rotations;
            if let Some(bytes) = known.and_then(|known| known.get(&path))
                && steps < limit
                && self.adopt_root(bytes, &path).is_ok()
            {
                self.known_root = next;
                steps += 1;
                continue;
            }
            known = None;
            let Some(bytes) = self.fetch(&path, self.request.limits.root).await? else { break };
            if steps == limit {
                return Err(TufError::TooManyRoots { limit });
            }
            self.adopt_root(&bytes, &path)?;
            steps += 1;
        }
        let (version, expires) = (self.set.root().version, self.set.root().expires);
        refuse_rollback("root", self.request.floor.root, version)?;
        self.accept("root", version, expires)?;
        self.floor = self.request.floor.below_root(self.recovery);
        Ok(())
    }

    fn adopt_root(&mut self, bytes: &[u8], path: &str) -> Result<(), TufError> {
        let before = online_keys(self.set.root());
        self.set.update_root(bytes).map_err(|error| self.put(error, path))?;
        let after = online_keys(self.set.root());
        if before.iter().zip(&after).any(|(before, after)| !before.is_subset(after)) {
            self.recovery = self.set.root().version;
        }
        self.archive.insert(path, bytes);
        Ok(())
    }

    /// Takes known metadata as what must not be gone back from, whether it has expired or not (5.4.3, 5.5.5), unless
    /// a root since then took keys from its roles (5.3.11).
    pub(super) fn seed_from_known(&mut self) {
        let Some(known) = self.request.known.filter(|_| self.recovery <= self.known_root) else { return };
        let Some(timestamp) = known.get(TIMESTAMP) else { return };
        if self.set.update_timestamp(timestamp, BEFORE_ALL).is_err() {
            return;
        }
        let version = self.set.timestamp().and_then(|one| one.snapshot_meta()).map(|listed| listed.version);
        if let Some(snapshot) = version.and_then(|version| known.get(&self.path("snapshot", version))) {
            // What does not verify is no floor. The request's floor holds in any case.
            let _ = self.set.update_snapshot(snapshot, BEFORE_ALL);
        }
    }

    /// Reads the timestamp (5.4).
    pub(super) async fn update_timestamp(&mut self) -> Result<(), TufError> {
        let bytes = self.fetch(TIMESTAMP, self.request.limits.timestamp).await?;
        let mut bytes = bytes.ok_or_else(|| TufError::Missing { file: TIMESTAMP.to_owned() })?;
        match self.set.update_timestamp(&bytes, self.clock()) {
            Ok(()) => {}
            // 5.4.3.1: what has the same version is not taken, whatever else it says.
            Err(Error::EqualVersion { .. }) => {
                if let Some(known) = self.request.known.and_then(|known| known.get(TIMESTAMP)) {
                    bytes = known.to_vec();
                }
            }
            Err(error) => return Err(self.put(error, TIMESTAMP)),
        }
        let timestamp = self.set.timestamp().ok_or_else(|| missing(TIMESTAMP))?;
        let (version, expires) = (timestamp.version, timestamp.expires);
        let snapshot = timestamp.snapshot_meta().map_or(0, |listed| listed.version);
        refuse_rollback("timestamp", self.floor.timestamp, version)?;
        refuse_rollback("snapshot", self.floor.snapshot, snapshot)?;
        self.accept("timestamp", version, expires)?;
        self.archive.insert(TIMESTAMP, bytes);
        Ok(())
    }

    /// Reads the snapshot that the timestamp lists (5.5).
    pub(super) async fn update_snapshot(&mut self) -> Result<(), TufError> {
        let listed = self.set.timestamp().and_then(|one| one.snapshot_meta()).cloned();
        let listed = listed.ok_or_else(|| not_listed(TIMESTAMP, "snapshot.json"))?;
        let path = self.path("snapshot", listed.version);
        let clock = self.clock();
        let known = self.request.known.and_then(|known| known.get(&path));
        // The state machine holds it against the timestamp again.
        let reused = known.filter(|bytes| self.set.update_snapshot(bytes, clock).is_ok());
        let bytes = if let Some(bytes) = reused {
            bytes.to_vec()
        } else {
            let limit = self.request.limits.snapshot.min(listed.length.unwrap_or(u64::MAX));
            let bytes = self.fetch_present(&path, limit).await?;
            check_metadata(&bytes, &listed, &path)?;
            self.set.update_snapshot(&bytes, clock).map_err(|error| self.put(error, &path))?;
            bytes
        };
        let snapshot = self.set.snapshot().ok_or_else(|| missing(&path))?;
        for (role, floor) in &self.floor.targets {
            match snapshot.meta.get(&format!("{role}.json")) {
                Some(listed) => refuse_rollback(role, *floor, listed.version)?,
                None => return Err(TufError::RoleRemoved { role: role.clone(), floor: *floor }),
            }
        }
        let (version, expires) = (snapshot.version, snapshot.expires);
        self.accept("snapshot", version, expires)?;
        self.archive.insert(path, bytes);
        Ok(())
    }

    /// Reads the top-level targets (5.6).
    pub(super) async fn update_targets(&mut self) -> Result<(), TufError> {
        self.update_targets_role("targets", None).await
    }

    /// Reads the targets role that the snapshot lists, as `delegator` delegates it; the root does where there is
    /// none.
    pub(super) async fn update_targets_role(
        &mut self,
        role: &str,
        delegator: Option<&str>,
    ) -> Result<(), TufError> {
        let name = format!("{role}.json");
        let listed = self.set.snapshot().and_then(|snapshot| snapshot.meta.get(&name)).cloned();
        let listed = listed.ok_or_else(|| not_listed("snapshot.json", &name))?;
        let path = self.path(&encode(role), listed.version);
        let known = self.request.known.and_then(|known| known.get(&path));
        let reused = known.filter(|bytes| self.take_targets(bytes, role, delegator).is_ok());
        let bytes = if let Some(bytes) = reused {
            bytes.to_vec()
        } else {
            let limit = self.request.limits.targets.min(listed.length.unwrap_or(u64::MAX));
            let bytes = self.fetch_present(&path, limit).await?;
            check_metadata(&bytes, &listed, &path)?;
            self.take_targets(&bytes, role, delegator).map_err(|error| self.put(error, &path))?;
            bytes
        };
        let targets = self.set.targets_role(role).ok_or_else(|| missing(&path))?;
        let (version, expires) = (targets.version, targets.expires);
        self.accept(role, version, expires)?;
        self.archive.insert(path, bytes);
        Ok(())
    }

    fn take_targets(&mut self, bytes: &[u8], role: &str, delegator: Option<&str>) -> Result<(), Error> {
        let clock = self.clock();
        match delegator {
            None => self.set.update_targets(bytes, clock).map(|_| ()),
            Some(delegator) => self.set.update_delegated_targets(bytes, role, delegator, clock).map(|_| ()),
        }
    }

    /// Checks a role that is trusted already for another that delegates to it.
    pub(super) fn check_delegated(&self, role: &str, delegator: &str) -> Result<(), TufError> {
        let checked = self.set.verify_delegated_targets(role, delegator, self.clock());
        checked.map(|_| ()).map_err(|error| self.put(error, role))
    }

    /// Reads a target: what is known, where it is still the same, or what the mirror has (5.7).
    pub(super) async fn read_target(&mut self, name: &str, listed: &TargetFile) -> Result<Vec<u8>, TufError> {
        let limit = self.request.limits.target;
        if listed.length > limit {
            return Err(TufError::TargetTooLarge { target: name.to_owned(), length: listed.length, limit });
        }
        let paths = target_paths(name, listed, self.set.root().consistent_snapshot);
        let mut found = None;
        for path in &paths {
            let known = self.request.known.and_then(|known| known.get(path));
            found = match known.filter(|bytes| check_target(bytes, listed, path).is_ok()) {
                Some(bytes) => Some((path, bytes.to_vec())),
                None => self.fetch(path, listed.length).await?.map(|bytes| (path, bytes)),
            };
            if found.is_some() {
                break;
            }
        }
        let Some((path, bytes)) = found else {
            // Without a hash that we know there is no name to ask for.
            let algorithms = listed.hashes.keys().cloned().collect();
            return Err(match paths.first() {
                Some(path) => missing(path),
                None => TufError::NoUsableHash { file: name.to_owned(), algorithms },
            });
        };
        check_target(&bytes, listed, path)?;
        self.archive.insert(path, bytes.clone());
        Ok(bytes)
    }
}

fn not_listed(file: &str, listed: &str) -> TufError {
    TufError::NotListed { file: file.to_owned(), listed: listed.to_owned() }
}

fn refuse_rollback(role: &str, floor: u64, offered: u64) -> Result<(), TufError> {
    if offered < floor {
        return Err(TufError::Rollback { role: role.to_owned(), floor, offered });
    }
    Ok(())
}

/// Percent-encodes a role's name for its file: everything but the unreserved characters of RFC 3986.
fn encode(role: &str) -> String {
    use std::fmt::Write as _;
    role.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
