//! Credentials by registry: Docker's configuration files, read and looked up as the kubelet does.

mod document;
mod location;

use std::fmt;

use trustwright_core::Repository;

use self::location::Location;
use crate::Credential;

/// Credentials, each with the registries and repositories that it is for.
///
/// Looking one up is pure: what is asked for decides, not who asks. Whoever holds secrets of several tenants keeps
/// a keychain for each.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keychain {
    /// In the order in which they are tried.
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    location: Location,
    credential: Credential,
}

/// The form of a document with credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeychainFormat {
    /// `{"auths": {"<registry>": {…}}}`: Docker's `config.json`, podman's `auth.json`, and Secrets of type
    /// `kubernetes.io/dockerconfigjson`.
    DockerConfigJson,
    /// `{"<registry>": {…}}`: Docker's former `.dockercfg`, and Secrets of type `kubernetes.io/dockercfg`.
    DockerCfg,
}

/// Why a document with credentials cannot be read. Says where, and nothing of what stands there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeychainError {
    /// It is not the JSON document that it should be.
    #[error("is no {format} document (line {line}, column {column})")]
    Document {
        /// What it should be.
        format: KeychainFormat,
        /// The line where that shows, from 1.
        line: usize,
        /// The column, from 1; 0 where the line is empty.
        column: usize,
    },
    /// The `auth` of an entry is not `username:password` in base64.
    #[error("entry {entry:?}: auth is not username:password in base64")]
    Auth {
        /// The registry that the entry is for, as written.
        entry: String,
    },
}

impl KeychainFormat {
    /// The form of a Secret's data, by its `type`; `None` for a Secret that holds something else.
    pub fn of_secret(kind: &str) -> Option<Self> {
        [Self::DockerConfigJson, Self::DockerCfg].into_iter().find(|format| format.secret_type() == kind)
    }

    /// The `type` of the Secrets that hold this form.
    pub const fn secret_type(self) -> &'static str {
        match self {
            Self::DockerConfigJson => "kubernetes.io/dockerconfigjson",
            Self::DockerCfg => "kubernetes.io/dockercfg",
        }
    }

    /// The key of such a Secret's data.
    pub const fn secret_key(self) -> &'static str {
        match self {
            Self::DockerConfigJson => ".dockerconfigjson",
            Self::DockerCfg => ".dockercfg",
        }
    }
}

impl fmt::Display for KeychainFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DockerConfigJson => "dockerconfigjson",
            Self::DockerCfg => "dockercfg",
        })
    }
}

impl Keychain {
    /// Reads a document. Of each entry, `identitytoken` comes before `auth`, and that before `username` and
    /// `password`; an entry without any of them holds no credential, and neither does one whose name is no
    /// registry. Credential helpers (`credsStore`, `credHelpers`) are not run.
    pub fn parse(format: KeychainFormat, bytes: &[u8]) -> Result<Self, KeychainError> {
        let found = document::read(format, bytes)?;
        let entries = found.into_iter().filter_map(|(name, credential)| {
            let location = Location::parse(&name)?;
            (credential != Credential::Anonymous).then_some(Entry { location, credential })
        });
        let mut keychain = Self { entries: entries.collect() };
        keychain.sort();
        Ok(keychain)
    }

    /// Puts several keychains into one. Of two entries for the same registry and path, the earlier keychain's counts.
    pub fn merge<'a>(keychains: impl IntoIterator<Item = &'a Self>) -> Self {
        let entries = keychains.into_iter().flat_map(|keychain| keychain.entries.iter().cloned());
        let mut merged = Self { entries: entries.collect() };
        merged.sort();
        merged
    }

    /// The credential for a repository: that of the first entry which matches it, in the kubelet's order, which is
    /// the reverse of the alphabet's, so that longer paths come first.
    pub fn credential(&self, repository: &Repository) -> Credential {
        let found = self.entries.iter().find(|entry| entry.location.covers(repository));
        found.map_or(Credential::Anonymous, |entry| entry.credential.clone())
    }

    /// Whether there is no credential at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A stable sort, so that of equals the first stays first.
    fn sort(&mut self) {
        self.entries.sort_by(|a, b| b.location.key().cmp(a.location.key()));
    }
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| entry.location.key())).finish()
    }
}

#[cfg(test)]
mod tests;
