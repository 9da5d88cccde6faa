//! Its manifests, read out of its Go module, and applied so that no cluster network is needed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::NAMESPACE;
use crate::ControlPlane;
use crate::process::Command;

/// How long Go may take to find its module, which it may have to fetch first.
const FIND: Duration = Duration::from_mins(2);

/// What is not applied: the Deployment, since nothing runs containers here, and the Service, which gets another one.
const LEFT_OUT: [&str; 3] = ["400-webhook-service.yaml", "kustomization.yaml", "webhook.yaml"];

/// Its webhook configurations.
const WEBHOOKS: [(&str, &str); 4] = [
    ("mutatingwebhookconfiguration", "policy.sigstore.dev"),
    ("validatingwebhookconfiguration", "policy.sigstore.dev"),
    ("mutatingwebhookconfiguration", "defaulting.clusterimagepolicy.sigstore.dev"),
    ("validatingwebhookconfiguration", "validating.clusterimagepolicy.sigstore.dev"),
];

/// Returns the folder of its Go module, at the version that `tests/tools/policy-controller` pins.
pub async fn module_folder() -> Result<PathBuf> {
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tools/policy-controller");
    let download = Command::new("go")
        .args(["mod", "download", "-json", "github.com/sigstore/policy-controller"])
        .directory(pinned)
        .envs([("GOFLAGS", ""), ("GOWORK", "off")])
        .output(FIND)
        .await?;
    let answer: Value =
        serde_json::from_str(&download.stdout).context("go printed something else than JSON")?;
    Ok(answer["Dir"].as_str().context("go names no folder")?.into())
}

/// Applies everything, so that the API server reaches its webhooks on `port` of loopback.
pub(super) async fn install(control_plane: &ControlPlane, port: u16) -> Result<()> {
    let mut args = vec!["create".to_owned()];
    for file in files(&module_folder().await?.join("config"))? {
        args.extend(["-f".to_owned(), file.to_string_lossy().into_owned()]);
    }
    control_plane.kubectl(&args.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "webhook", "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    });
    control_plane.apply(&service.to_string()).await?;
    let port = json!([{"op": "add", "path": "/webhooks/0/clientConfig/service/port", "value": port}]);
    for (kind, name) in WEBHOOKS {
        control_plane.kubectl(&["patch", kind, name, "--type=json", "-p", &port.to_string()]).await?;
    }
    let established = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
    control_plane.kubectl(&established).await?;
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        let is_manifest = path.extension().is_some_and(|extension| extension == "yaml");
        if is_manifest && !LEFT_OUT.iter().any(|name| path.file_name().is_some_and(|file| file == *name)) {
            files.push(path);
        }
    }
    // The namespace first.
    files.sort();
    ensure!(!files.is_empty(), "no manifests in {}", folder.display());
    Ok(files)
}
