//! The YAML of the configuration.

use std::{num::NonZeroU32, path::PathBuf};

use serde::Deserialize;

use super::RegistriesProblem;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    #[serde(default)]
    pub(super) repositories: Vec<Repositories>,
    #[serde(default)]
    pub(super) registries: Vec<Registry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Repositories {
    pub(super) prefix: String,
    #[serde(default)]
    pub(super) mirrors: Vec<String>,
    #[serde(default)]
    pub(super) location: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Registry {
    pub(super) host: String,
    #[serde(default, rename = "plainHTTP")]
    pub(super) plain_http: Option<bool>,
    #[serde(default)]
    pub(super) ca_files: Vec<PathBuf>,
    #[serde(default)]
    pub(super) requests_per_second: Option<NonZeroU32>,
    #[serde(default)]
    pub(super) concurrent_requests: Option<NonZeroU32>,
}

pub(super) fn parse(yaml: &[u8]) -> Result<Document, RegistriesProblem> {
    let text = std::str::from_utf8(yaml).map_err(|error| RegistriesProblem::Document(error.to_string()))?;
    // A file that is empty, or all comments, says nothing.
    let document: Result<Option<Document>, _> = serde_saphyr::from_str(text);
    document.map(Option::unwrap_or_default).map_err(|error| RegistriesProblem::Document(error.to_string()))
}

impl Document {
    /// The files with certificates in their order, each with its field.
    pub(super) fn ca_files(&self) -> impl Iterator<Item = (String, &PathBuf)> {
        self.registries.iter().enumerate().flat_map(|(index, registry)| {
            let files = registry.ca_files.iter().enumerate();
            files.map(move |(number, path)| (format!("registries[{index}].caFiles[{number}]"), path))
        })
    }
}
