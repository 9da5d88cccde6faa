//! Why a configuration of registries cannot be used.

use std::{io, path::PathBuf};

use super::MAX_BYTES;

/// Why a configuration of registries cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct RegistriesError {
    /// The file of the configuration.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: RegistriesProblem,
}

/// What is wrong with a configuration of registries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistriesProblem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// It is larger than the limit.
    #[error("is larger than the limit of {MAX_BYTES} bytes")]
    TooLarge,
    /// It is not the YAML document that it should be; the parser's words, with the place.
    #[error("{0}")]
    Document(String),
    /// A field has a value that means nothing.
    #[error("{field}: {cause}")]
    Field {
        /// The field's path, such as `registries[0].caFiles[1]`.
        field: String,
        /// What is wrong with it.
        cause: FieldProblem,
    },
}

/// What is wrong with a field of a configuration of registries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    /// It names no place of a registry.
    #[error("{0:?} is no host with an optional port and path")]
    Prefix(String),
    /// It names more than a host.
    #[error("{0:?} is no host with an optional port")]
    Host(String),
    /// The same is said of it elsewhere.
    #[error("{0:?} is there already")]
    Twice(String),
    /// It has no path, and the prefix that it stands for has one: that path itself would be no repository.
    #[error("{0:?} has no path, although the prefix has one")]
    NoPath(String),
    /// It says nothing.
    #[error("expected a location or mirrors")]
    NoPlace,
    /// Certificates are not looked at in plain HTTP.
    #[error("expected no caFiles beside plainHTTP")]
    CaWithoutTls,
    /// The file with certificates cannot be read.
    #[error("{} cannot be read: {kind}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate in PEM", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
    },
    /// No client can be made with these certificates.
    #[error("cannot be used for TLS: {0}")]
    Tls(String),
}
