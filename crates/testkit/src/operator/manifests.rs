//! The project's manifests: read as they are, applied so that no cluster network is needed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::READY;
use crate::ControlPlane;
use crate::process::eventually;

/// Applies the project's manifests, so that the API server reaches the webhooks on `port` of loopback.
pub async fn install(control_plane: &ControlPlane, port: u16) -> Result<()> {
    let kubectl = async |args: &[&str]| control_plane.kubectl(args).await;
    let folder = manifests_folder();
    let mut own = Vec::new();
    for name in manifest_files(&folder)? {
        let path = folder.join(&name);
        // Rendered by kubectl itself, so that it is the manifests as they are that get read.
        let path = path.to_string_lossy();
        let output =
            kubectl(&["create", "--dry-run=client", "--validate=false", "-o", "json", "-f", &path]).await?;
        for mut object in documents(&output.stdout)? {
            to_loopback(&mut object, port);
            own.push(object);
        }
    }
    for object in &own {
        apply(control_plane, object).await?;
    }
    Ok(())
}

/// Applies `deploy/companion`, less its Deployment: nothing runs containers here.
pub(super) async fn install_companion(control_plane: &ControlPlane) -> Result<()> {
    let folder = manifests_folder().join("../companion");
    for name in manifest_files(&folder)?.into_iter().filter(|name| !name.contains("deployment")) {
        control_plane.kubectl(&["apply", "-f", &folder.join(name).to_string_lossy()]).await?;
    }
    Ok(())
}

async fn apply(control_plane: &ControlPlane, object: &Value) -> Result<()> {
    control_plane.apply(&serde_json::to_string(object)?).await?;
    if object["kind"] == "CustomResourceDefinition" {
        let name = format!("crd/{}", object["metadata"]["name"].as_str().unwrap_or_default());
        // kubectl gives up at once where there is no condition yet.
        eventually(&format!("{name} established"), READY, async || {
            let wait = ["wait", "--for=condition=Established", "--timeout=30s", &name];
            control_plane.kubectl(&wait).await.map(drop)
        })
        .await?;
    }
    Ok(())
}

/// A cluster network is all that is missing: a Service of type `ExternalName` leads the API server to loopback.
fn to_loopback(object: &mut Value, port: u16) {
    match object["kind"].as_str() {
        Some("Service") => object["spec"] = json!({"type": "ExternalName", "externalName": "localhost"}),
        Some("MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => {
            for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
                webhook["clientConfig"]["service"]["port"] = json!(port);
            }
        }
        // Nothing runs containers here; what the Deployment says is what we start.
        Some("Deployment") => object["spec"]["replicas"] = json!(0),
        _ => {}
    }
}

/// The arguments of the Deployment's container.
pub(super) fn container_args() -> Result<Vec<String>> {
    let path = manifests_folder().join("40-deployment.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let lines = text.lines().skip_while(|line| line.trim() != "args:").skip(1);
    let args: Vec<String> = lines
        .map_while(|line| line.trim().strip_prefix("- "))
        .map(|arg| arg.trim_matches('"').to_owned())
        .collect();
    ensure!(!args.is_empty(), "no args in {}", path.display());
    Ok(args)
}

/// The folder of the manifests.
pub fn manifests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/manifests")
}

fn manifest_files(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let name = entry?.file_name();
        if Path::new(&name).extension().is_some_and(|extension| extension == "yaml") {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The objects of `kubectl -o json`: one, a list, or several in a row.
fn documents(output: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_json::Deserializer::from_str(output).into_iter::<Value>() {
        let document = document.context("kubectl printed something else than JSON")?;
        match document.get("items").and_then(Value::as_array) {
            Some(items) => objects.extend(items.iter().cloned()),
            None => objects.push(document),
        }
    }
    if objects.is_empty() {
        bail!("no objects in the manifests");
    }
    Ok(objects)
}
