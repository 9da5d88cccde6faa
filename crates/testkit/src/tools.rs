//! The programs that tests run, built from `tests/tools/<module>/go.mod` and kept outside the tree.
//!
//! A cold build of everything takes a quarter of an hour, so each result is kept in a cache keyed by what
//! went into it: `go.mod`, `go.sum`, the version of Go and the linker flags. Binaries land there by rename,
//! under a lock per module, so an interrupted build goes on where it stopped and two at once do not disturb
//! each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

mod build;
mod cache;
mod cue;
mod go;

pub use cue::{cue, place_cue};

/// A program that tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// Says what health scripts of Argo CD make of objects; see [`argocd`](crate::argocd).
    ArgocdHealth,
    /// Signs and verifies images.
    Cosign,
    /// Pushes and copies images.
    Crane,
    /// The store under the API server.
    Etcd,
    /// Sigstore's certificate authority.
    Fulcio,
    /// Says what kstatus makes of objects; see [`kstatus`](crate::kstatus).
    Kstatus,
    /// The Kubernetes API server.
    KubeApiserver,
    /// The controllers that fill namespaces and turn Deployments into Pods.
    KubeControllerManager,
    /// The command line of Kubernetes.
    Kubectl,
    /// Pretends to run nodes and pods.
    Kwok,
    /// The system whose resources ours are; see [`PolicyController`](crate::PolicyController).
    PolicyController,
    /// A registry in memory with the referrers API.
    Referrers,
    /// Distribution's registry, which has no referrers API.
    Registry,
    /// Sigstore's transparency log, version 2.
    RekorServer,
    /// Sigstore's RFC 3161 timestamp authority.
    TimestampServer,
}

impl Tool {
    /// Every tool, the quick builds first.
    pub const ALL: [Self; 15] = [
        Self::ArgocdHealth,
        Self::Crane,
        Self::Referrers,
        Self::Etcd,
        Self::RekorServer,
        Self::TimestampServer,
        Self::Kstatus,
        Self::Fulcio,
        Self::Registry,
        Self::Kwok,
        Self::Cosign,
        Self::PolicyController,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubectl,
    ];

    /// What a [`ControlPlane`](crate::ControlPlane) starts or calls, kwok aside.
    pub const CONTROL_PLANE: [Self; 4] =
        [Self::Etcd, Self::KubeApiserver, Self::KubeControllerManager, Self::Kubectl];

    /// Returns the name of the binary.
    pub fn name(self) -> &'static str {
        match self {
            Self::ArgocdHealth => "argocd-health",
            Self::Cosign => "cosign",
            Self::Crane => "crane",
            Self::Etcd => "etcd",
            Self::Fulcio => "fulcio",
            Self::Kstatus => "kstatus",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Kwok => "kwok",
            Self::PolicyController => "policy-controller",
            Self::Referrers => "referrers",
            Self::Registry => "registry",
            Self::RekorServer => "rekor-server",
            Self::TimestampServer => "timestamp-server",
        }
    }

    /// Returns the tool whose binary is called `name`.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name).with_context(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("no tool is called {name}; there are {known}")
        })
    }

    /// Returns the folder under `tests/tools` whose `go.mod` pins the tool.
    fn module(self) -> &'static str {
        match self {
            Self::ArgocdHealth => "argocd",
            Self::Cosign => "cosign",
            Self::Crane | Self::Referrers => "crane",
            Self::Etcd => "etcd",
            Self::Fulcio => "fulcio",
            Self::Kstatus => "kstatus",
            Self::KubeApiserver | Self::KubeControllerManager | Self::Kubectl => "kubernetes",
            Self::Kwok => "kwok",
            Self::PolicyController => "policy-controller",
            Self::Registry => "registry",
            Self::RekorServer => "rekor",
            Self::TimestampServer => "timestamp-authority",
        }
    }

    /// Returns the Go package that builds to the tool.
    fn package(self) -> &'static str {
        match self {
            Self::ArgocdHealth => "./health",
            Self::Cosign => "github.com/sigstore/cosign/v3/cmd/cosign",
            Self::Crane => "github.com/google/go-containerregistry/cmd/crane",
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::Fulcio => "github.com/sigstore/fulcio",
            // Ours, in the module's own folder, as `referrers` is.
            Self::Kstatus => "./compute",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::Kwok => "sigs.k8s.io/kwok/cmd/kwok",
            Self::PolicyController => "github.com/sigstore/policy-controller/cmd/webhook",
            Self::Referrers => "./referrers",
            Self::Registry => "github.com/distribution/distribution/v3/cmd/registry",
            Self::RekorServer => "github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix",
            Self::TimestampServer => "github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server",
        }
    }

    /// Says whether a folder in `KUBEBUILDER_ASSETS` holds the tool.
    fn is_kubebuilder_asset(self) -> bool {
        matches!(self, Self::Etcd | Self::KubeApiserver | Self::Kubectl)
    }

    /// Builds the tool unless the cache has it, and returns where it is.
    pub fn path(self) -> Result<PathBuf> {
        Ok(ensure(&[self])?.join(self.name()))
    }
}

/// Builds every tool that the cache lacks and returns the folder that holds them all.
pub fn dir() -> Result<PathBuf> {
    ensure(&Tool::ALL)
}

/// Builds those of `tools` that the cache lacks and returns one folder that holds all of them, under the
/// names that [`Tool::name`] gives.
///
/// With `KUBEBUILDER_ASSETS` set, etcd, kube-apiserver and kubectl are taken from there.
pub fn ensure(tools: &[Tool]) -> Result<PathBuf> {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = cache::root()?;
    let mut found = BTreeMap::new();
    for &tool in tools {
        let path = match &assets {
            Some(folder) if tool.is_kubebuilder_asset() => asset(tool, folder)?,
            _ => build::ensure(tool, &cache)?,
        };
        found.insert(tool.name(), path);
    }
    cache::view(&cache, &found)
}

/// Returns cargo's folder `target` of this repository.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from)
}

/// Returns the folder `tests/tools` of this repository.
fn modules() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tools");
    fs::canonicalize(&folder).with_context(|| format!("failed to find {}", folder.display()))
}

fn asset(tool: Tool, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(tool.name());
    if !path.is_file() {
        bail!(
            "KUBEBUILDER_ASSETS names {}, which has no {}; complete it, or unset it to build from source",
            folder.display(),
            tool.name(),
        );
    }
    fs::canonicalize(&path).with_context(|| format!("failed to resolve {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_found_by_its_name() {
        for tool in Tool::ALL {
            assert_eq!(Tool::parse(tool.name()).unwrap(), tool);
        }
        let error = Tool::parse("helm").unwrap_err().to_string();
        assert!(error.contains("helm") && error.contains("kube-apiserver"), "{error}");
    }

    #[test]
    fn a_kubebuilder_asset_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("etcd"), "").unwrap();
        assert!(asset(Tool::Etcd, folder.path()).is_ok());
        let error = asset(Tool::Kubectl, folder.path()).unwrap_err().to_string();
        assert!(error.contains("has no kubectl"), "{error}");
    }
}
