//! The definitions of our kinds: over those of the system we replace, and with us away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use trustwright_testkit::{
    ControlPlane, Operator,
    control_plane::Options,
    operator,
    process::{Command, eventually},
};

use crate::{
    fixture::{SOON, cluster, options},
    objects::{Objects, POLICY, ROOT, condition},
};

mod round_trip;
mod unseen;

/// Manifests of policy-controller at the version that `tests/tools/policy-controller` pins.
async fn policy_controller() -> Result<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tools/policy-controller");
    let download = Command::new("go")
        .args(["mod", "download", "-json", "github.com/sigstore/policy-controller"])
        .directory(module)
        .envs([("GOFLAGS", ""), ("GOWORK", "off")])
        .output(Duration::from_mins(2))
        .await?;
    let answer: Value =
        serde_json::from_str(&download.stdout).context("go printed something else than JSON")?;
    Ok(Path::new(answer["Dir"].as_str().context("go names no folder")?).join("config"))
}

/// Objects as policy-controller leaves them: with the zero values that its defaulting webhook writes, and
/// with conditions that have neither reason nor message.
fn left_behind() -> [Value; 2] {
    let conditions = |types: &[&str]| -> Vec<Value> {
        types.iter().map(|type_| json!({"type": type_, "status": "True"})).collect()
    };
    [
        json!({
            "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
            "metadata": {"name": "left", "finalizers": ["clusterimagepolicies.policy.sigstore.dev"]},
            "spec": {
                "mode": "enforce",
                "images": [{"glob": "ghcr.io/left/**"}],
                "match": [{"group": "", "version": "v1", "resource": "pods"}],
                "authorities": [
                    {"name": "authority-0", "static": {"action": "pass"}},
                    {"name": "authority-1", "ctlog": {"trustRootRef": "left"}, "rfc3161timestamp": {},
                        "keyless": {
                        "url": "https://fulcio.sigstore.dev", "insecureIgnoreSCT": false,
                        "identities": [{"issuer": "i", "subjectRegExp": "s.*"}]},
                        "attestations": [{"name": "a", "predicateType": "https://slsa.dev/provenance/v1",
                            "policy": {"type": "cue", "data": "a: string", "remote": {"url": ""}}}]},
                ],
                "policy": {"type": "rego", "configMapRef": {"name": "m", "key": "k"}, "includeSpec": true},
            },
            "status": {
                "observedGeneration": 1,
                "annotations": {"kept": "yes"},
                "conditions": conditions(&["ConfigMapUpdated", "KeysInlined", "PoliciesInlined", "Ready"]),
            },
        }),
        json!({
            "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot",
            "metadata": {"name": "left", "finalizers": ["trustroots.policy.sigstore.dev"]},
            "spec": {"remote": {"mirror": "https://tuf.example", "root": "e30=", "targets": "targets"}},
            "status": {
                "observedGeneration": 1,
                "conditions": conditions(&["ConfigMapUpdated", "KeysInlined", "Ready"]),
            },
        }),
    ]
}

#[tokio::test]
async fn over_the_definitions_of_policy_controller_stored_objects_lose_nothing() -> Result<()> {
    let control_plane = ControlPlane::start(Options::default()).await?;
    let folder = policy_controller().await?;
    for file in ["300-clusterimagepolicy.yaml", "300-trustroot.yaml"] {
        // The way of making them that leaves `kubectl apply` the least to go by.
        control_plane.kubectl(&["create", "-f", &folder.join(file).to_string_lossy()]).await?;
    }
    control_plane.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]).await?;
    let objects = Objects::new(control_plane.client().await?);
    let kinds = [POLICY, ROOT];
    for (kind, object) in kinds.into_iter().zip(left_behind()) {
        eventually("the kind is served", SOON, async || control_plane.apply(&object.to_string()).await)
            .await?;
        let status = json!({"status": object["status"]});
        objects.api(kind).patch_status("left", &PatchParams::default(), &Patch::Merge(&status)).await?;
        let stored = objects.api(kind).get("left").await?;
        assert_eq!((&stored.data["spec"], &stored.data["status"]), (&object["spec"], &object["status"]));
    }

    // As people do who installed the release with it: it knows which fields to take away. Server-side apply
    // does not, and is refused, since a conversion webhook would be left without its strategy.
    for file in ["00-crd-clusterimagepolicies.yaml", "00-crd-trustroots.yaml"] {
        let path = operator::manifests_folder().join(file);
        control_plane.kubectl(&["apply", "-f", &path.to_string_lossy()]).await?;
    }
    let operator = Operator::start(&control_plane, options()).await?;
    for (kind, object) in kinds.into_iter().zip(left_behind()) {
        // Ready is ours from now on; what the others wrote beside it stays.
        let settled = objects.wait_for_ready(kind, "left", "False").await?;
        assert_eq!(settled.data["spec"], object["spec"]);
        assert_eq!(
            settled.metadata.finalizers,
            serde_json::from_value(object["metadata"]["finalizers"].clone())?
        );
        let status = &settled.data["status"];
        assert_eq!(status.get("annotations"), object["status"].get("annotations"));
        for type_ in ["ConfigMapUpdated", "KeysInlined"] {
            assert_eq!(condition(&settled, type_), Some(&json!({"type": type_, "status": "True"})));
        }
    }
    let beta = objects.api_in("v1beta1", POLICY).get("left").await?;
    assert_eq!(beta.data["spec"], left_behind()[0]["spec"]);

    // Whom the finalizer was for is gone; we do not stand in the way of taking it off.
    for kind in kinds {
        let api = objects.api(kind);
        api.delete("left", &DeleteParams::default()).await?;
        assert!(api.get("left").await?.metadata.deletion_timestamp.is_some());
        let patch = json!({"metadata": {"finalizers": null}});
        api.patch("left", &PatchParams::default(), &Patch::Merge(&patch)).await?;
        assert!(api.get_opt("left").await?.is_none());
    }
    drop(operator);
    Ok(())
}

#[tokio::test]
async fn kubectl_shows_our_kinds_by_short_name_and_category_with_what_matters_in_columns() -> Result<()> {
    let cluster = cluster().await?;
    let objects = Objects::new(cluster.control_plane.client().await?);
    let spec = json!({
        "images": [{"glob": "registry.example/shown/**"}], "mode": "warn",
        "authorities": [{"name": "me", "static": {"action": "pass"}}],
    });
    objects.create(POLICY, "shown", &spec).await.map_err(anyhow::Error::msg)?;
    let root = json!({"remote": {"root": "eyJzaWduYXR1cmVzIjpbXX0=", "mirror": "https://tuf.example"}});
    objects.create(ROOT, "shown", &root).await.map_err(anyhow::Error::msg)?;
    objects.wait_for_ready(POLICY, "shown", "True").await?;
    objects.wait_for_ready(ROOT, "shown", "False").await?;

    let shown = cluster.control_plane.kubectl(&["get", "cip,trustroots"]).await?.stdout;
    let words = |start: &str| -> Vec<&str> {
        let line = shown.lines().find(|line| line.starts_with(start)).unwrap_or_default();
        line.split_whitespace().collect()
    };
    let headers: Vec<&str> = shown.lines().filter(|line| line.starts_with("NAME ")).collect();
    let columns: Vec<&str> = headers[0].split_whitespace().collect();
    assert_eq!(columns, ["NAME", "READY", "MODE", "IMAGES", "AUTHORITIES", "AGE"]);
    let line = words("clusterimagepolicy.policy.sigstore.dev/shown ");
    let expected = ["True", "warn", "registry.example/shown/**", "me"];
    assert_eq!(line[1..5], expected, "{shown}");
    let columns: Vec<&str> = headers[1].split_whitespace().collect();
    assert_eq!(columns, ["NAME", "READY", "SOURCE", "ROOT", "EXPIRES", "CHANGED", "AGE"]);
    let line = words("trustroot.policy.sigstore.dev/shown ");
    // Neither a root, nor an expiry, nor a change: nothing was read.
    assert_eq!(line[1..3], ["False", "remote"], "{shown}");
    assert_eq!(line.len(), 4, "{shown}");

    for category in ["sigstore", "all"] {
        let names = cluster.control_plane.kubectl(&["get", category, "-o", "name"]).await?.stdout;
        for name in ["clusterimagepolicy.policy.sigstore.dev/shown", "trustroot.policy.sigstore.dev/shown"] {
            assert!(names.contains(name), "{category}: {names}");
        }
    }
    Ok(())
}
