//! Nodes and pods that pretend to run.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Node;
use kube::Api;

use super::ControlPlane;
use crate::process::Command;
use crate::{Tool, run_dir};

/// Stages of our own: kwok's binary knows none, and those it is published with do more than tests need.
const STAGES: &str = include_str!("stages.yaml");

pub(super) fn start(control_plane: &ControlPlane) -> Result<()> {
    if control_plane.kwok().is_some() {
        return Ok(());
    }
    let config = run_dir::data("kwok")?.join("stages.yaml");
    std::fs::write(&config, STAGES).with_context(|| format!("failed to write {}", config.display()))?;
    let process = Command::new(Tool::Kwok.path()?)
        .arg("--kubeconfig")
        .arg(control_plane.kubeconfig())
        .arg("--config")
        .arg(config)
        .args(["--manage-all-nodes", "--node-lease-duration-seconds=40"])
        .env("HOME", control_plane.files.folder())
        .spawn()?;
    *control_plane.kwok() = Some(process);
    Ok(())
}

pub(super) async fn add_node(control_plane: &ControlPlane, name: &str) -> Result<()> {
    let manifest = serde_json::json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
    control_plane.apply(&manifest.to_string()).await?;
    let nodes = Api::<Node>::all(control_plane.client().await?);
    let ready = async || {
        let node = nodes.get(name).await.with_context(|| format!("node {name}"))?;
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        let is_ready = conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
        ensure!(is_ready, "node {name} is not ready");
        Ok(())
    };
    control_plane.until(&format!("node {name} ready"), ready).await
}
