//! `--all-targets`: what the repository lists beside the trusted root.
//!
//! Everything comes through the search of `trust::tuf`, as any client of the folder would find it. What is read here
//! by other means are lists in files that were verified before.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use trustwright_trust::tuf::{self, Archive, FetchError, Mirror, Request, TufError};

use super::folder::Folder;
use super::order::{TIMESTAMP, root_version};
use crate::trust::files::Files;
use crate::trust::role_name;

/// Returns the verified files with every target that can be found, and the delegated roles that lead there.
pub(super) async fn complete(
    verified: Archive,
    request: &Request<'_>,
    folder: &Folder,
    upstream: &Files,
) -> anyhow::Result<Archive> {
    let mut rest = Rest { known: verified.clone(), verified, request, folder, upstream };
    rest.add_roles().await?;
    let mut names = rest.names()?;
    loop {
        rest.read_known_targets(&names).await;
        let wanted: Vec<_> = names.keys().map(String::as_str).collect();
        match rest.download(&wanted).await {
            Err(TufError::TargetNotFound { target }) if names.contains_key(&target) => {
                eprintln!(
                    "trustwright: {target} is listed by a role that it is not delegated to, and left out"
                );
                names.remove(&target);
            }
            done => {
                done?;
                return Ok(rest.verified);
            }
        }
    }
}

/// A repository whose top level is read.
struct Rest<'a> {
    /// What was verified.
    verified: Archive,
    /// That, and what the folder has under names that may be asked for.
    known: Archive,
    request: &'a Request<'a>,
    folder: &'a Folder,
    upstream: &'a Files,
}

impl Rest<'_> {
    /// Looks for these targets, and keeps what was verified on the way also where one is not found.
    async fn download(&mut self, names: &[&str]) -> Result<(), TufError> {
        let source = Beside { verified: &self.verified, upstream: self.upstream };
        let request = Request { known: Some(&self.known), ..*self.request };
        let (found, done) = match tuf::download(&request, &source, names).await {
            Ok(download) => (download.archive, Ok(())),
            Err(failure) => (failure.archive, Err(failure.error)),
        };
        for (path, bytes) in found.files() {
            self.verified.insert(path, bytes);
        }
        done
    }

    /// Reads the delegated roles: for each, a name is looked for that would be its own.
    async fn add_roles(&mut self) -> anyhow::Result<()> {
        self.read_known_roles().await;
        let mut asked = BTreeSet::new();
        while let Some((role, paths)) = self.delegated().into_iter().find(|(role, _)| !asked.contains(role)) {
            let limit = self.request.limits.delegations;
            ensure!(asked.len() < limit as usize, "there are more than {limit} delegated roles");
            for path in &paths {
                match self.download(&[&path.replace(['*', '?'], "x")]).await {
                    Ok(()) | Err(TufError::TargetNotFound { .. }) => {}
                    Err(error) => return Err(error).with_context(|| format!("delegated role {role}")),
                }
            }
            if paths.is_empty() {
                eprintln!("trustwright: the targets of {role} are delegated by hash and cannot be listed");
            }
            asked.insert(role);
        }
        Ok(())
    }

    /// Returns the roles to which those delegate that are read, with the patterns of their targets.
    fn delegated(&self) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for role in self.roles() {
            for child in role["signed"]["delegations"]["roles"].as_array().into_iter().flatten() {
                let patterns = child["paths"].as_array().into_iter().flatten();
                let patterns = patterns.filter_map(|path| path.as_str().map(str::to_owned));
                all.entry(text(&child["name"]).to_owned()).or_default().extend(patterns);
            }
        }
        all
    }

    /// Returns the targets roles that are read.
    fn roles(&self) -> impl Iterator<Item = Value> {
        let metadata = self.verified.files().filter(|(path, _)| !path.starts_with("targets/"));
        let documents = metadata.filter_map(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok());
        documents.filter(|document| document["signed"]["_type"] == "targets")
    }

    /// Returns what the roles list: hashes by name.
    fn names(&self) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
        let (members, unpacked) = (self.request.limits.members, self.request.limits.unpacked);
        let (mut names, mut size) = (BTreeMap::new(), 0_u64);
        for role in self.roles() {
            for (name, listed) in role["signed"]["targets"].as_object().into_iter().flatten() {
                size = size.saturating_add(listed["length"].as_u64().unwrap_or(u64::MAX));
                let hashes =
                    ["sha256", "sha512"].map(|algorithm| text(&listed["hashes"][algorithm]).to_owned());
                names.insert(name.clone(), Vec::from(hashes));
            }
        }
        if names.len() as u64 > u64::from(members) || size > unpacked {
            bail!(
                "{} targets of {size} bytes are listed, of which at most {members} and {unpacked} bytes are read",
                names.len()
            );
        }
        Ok(names)
    }

    /// What the folder has need not be read again. Whether it is right is seen when it is used.
    async fn read_known_roles(&mut self) {
        let snapshot = self.verified.files().find(|(path, _)| path.ends_with(".snapshot.json"));
        let snapshot = snapshot.and_then(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok());
        let listed = snapshot.as_ref().and_then(|snapshot| snapshot["signed"]["meta"].as_object());
        for (file, meta) in listed.into_iter().flatten() {
            let role = role_name::encoded(file.strip_suffix(".json").unwrap_or(file));
            let path = format!("{}.{role}.json", meta["version"]);
            self.read_known(&path, self.request.limits.targets).await;
        }
    }

    async fn read_known_targets(&mut self, names: &BTreeMap<String, Vec<String>>) {
        for (name, hashes) in names {
            let (folder, file) =
                name.rsplit_once('/').map_or(("", name.as_str()), |(folder, file)| (folder, file));
            let slash = if folder.is_empty() { "" } else { "/" };
            for hash in hashes.iter().filter(|hash| !hash.is_empty()) {
                let path = format!("targets/{folder}{slash}{hash}.{file}");
                self.read_known(&path, self.request.limits.target).await;
            }
        }
    }

    async fn read_known(&mut self, path: &str, limit: u64) {
        if self.known.get(path).is_none()
            && let Some(bytes) = self.folder.get(path, limit).await
        {
            self.known.insert(path, bytes);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An upstream of which the top level is settled: should it change meanwhile, that is for the next time.
struct Beside<'a> {
    verified: &'a Archive,
    upstream: &'a Files,
}

impl Mirror for Beside<'_> {
    async fn fetch(&self, path: &str, max_length: u64) -> Result<Option<Vec<u8>>, FetchError> {
        if self.verified.get(path).is_some() || path == TIMESTAMP || root_version(path).is_some() {
            return self.verified.fetch(path, max_length).await;
        }
        self.upstream.fetch(path, max_length).await
    }
}
