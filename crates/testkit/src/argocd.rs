//! What Argo CD makes of objects, by the health scripts that this project ships.

use std::path::Path;

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;

use crate::Tool;
use crate::judge::judge;
use crate::operator::manifests_folder;

/// What Argo CD says of one object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// The health.
    pub status: HealthStatus,
    /// Why, for people.
    pub message: String,
}

/// What a health script can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum HealthStatus {
    /// It is as its spec says.
    Healthy,
    /// It is on its way there.
    Progressing,
    /// It will not get there by itself.
    Degraded,
    /// It waits for somebody.
    Suspended,
}

/// Returns what the scripts in `deploy/argocd/health.yaml` say of each of `objects`, in their order.
///
/// # Errors
/// As for [`health_by`].
pub fn health(objects: &[Value]) -> Result<Vec<Health>> {
    health_by(&manifests_folder().join("../argocd/health.yaml"), objects)
}

/// Returns what the scripts in `config_map`, a `ConfigMap` as YAML, say of each of `objects`, in their order; each by
/// the script for its group and kind, run by the interpreter of Argo CD.
///
/// # Errors
/// When the tool cannot be built, there is no script for an object, a script fails, or what it says is no health.
pub fn health_by(config_map: &Path, objects: &[Value]) -> Result<Vec<Health>> {
    judge(Tool::ArgocdHealth, &[config_map.as_os_str()], objects)
}
