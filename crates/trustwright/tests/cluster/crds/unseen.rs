//! An object that nobody has looked at yet: what its status says, and what tools make of that.

use anyhow::{Context as _, Result};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use trustwright_testkit::{
    ControlPlane, Operator,
    argocd::{HealthStatus, health},
    control_plane::Options,
    kstatus::{Status, compute},
    operator,
    process::{Command, free_port},
    public_good,
};

use crate::{
    fixture::{SOON, options},
    objects::{Objects, POLICY, ROOT},
};

const SERVED: [(&str, &str, &str); 3] = [
    ("ClusterImagePolicy", "clusterimagepolicies", "v1alpha1"),
    ("ClusterImagePolicy", "clusterimagepolicies", "v1beta1"),
    ("TrustRoot", "trustroots", "v1alpha1"),
];

async fn api(control_plane: &ControlPlane, of: (&str, &str, &str)) -> Result<Api<DynamicObject>> {
    let (kind, plural, version) = of;
    let kind = GroupVersionKind::gvk("policy.sigstore.dev", version, kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    Ok(Api::all_with(control_plane.client().await?, &resource))
}

/// Each kind and version, made in each of the three ways that people have.
async fn make(control_plane: &ControlPlane) -> Result<Vec<(Api<DynamicObject>, String)>> {
    let mut made = Vec::new();
    for (kind, plural, version) in SERVED {
        let api = api(control_plane, (kind, plural, version)).await?;
        let spec = match kind {
            "TrustRoot" => public_good::trust_root_manifest()?["spec"].clone(),
            _ => json!({
                "images": [{"glob": "none.example/**"}],
                "authorities": [{"name": "a", "static": {"action": "pass"}}], "mode": "enforce",
            }),
        };
        for way in ["create", "apply", "server-side"] {
            let name = format!("{version}-{way}");
            let object = json!({
                "apiVersion": format!("policy.sigstore.dev/{version}"), "kind": kind,
                "metadata": {"name": name}, "spec": spec,
            });
            match way {
                "create" => {
                    let object = serde_json::from_value(object)?;
                    api.create(&PostParams::default(), &object).await.map(drop)?;
                }
                "apply" => control_plane.apply(&object.to_string()).await.map(drop)?,
                _ => {
                    let params = PatchParams::apply("gitops");
                    api.patch(&name, &params, &Patch::Apply(&object)).await?;
                    // A second time at most stores what the API server shows, and a third time changes nothing; nobody
                    // but the API server owns what it fills in.
                    let second = api.patch(&name, &params, &Patch::Apply(&object)).await?;
                    let again = api.patch(&name, &params, &Patch::Apply(&object)).await?;
                    assert_eq!(again.metadata.resource_version, second.metadata.resource_version);
                    assert_eq!(again.metadata.generation, Some(1));
                    let owned = serde_json::to_string(&again.metadata.managed_fields)?;
                    assert!(!owned.contains("f:status") && owned.contains("f:spec"), "{owned}");
                }
            }
            made.push((api.clone(), name));
        }
    }
    Ok(made)
}

async fn read(made: &[(Api<DynamicObject>, String)]) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for (api, name) in made {
        objects.push(serde_json::to_value(api.get(name).await?)?);
    }
    Ok(objects)
}

#[tokio::test]
async fn what_nobody_has_looked_at_is_on_its_way_until_somebody_has() -> Result<()> {
    let control_plane = ControlPlane::start(Options::default()).await?;
    operator::install(&control_plane, free_port()?).await?;
    // Nobody is there to answer them.
    for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        control_plane.kubectl(&["delete", kind, "--all"]).await?;
    }
    let made = make(&control_plane).await?;
    let objects = read(&made).await?;
    assert_eq!(objects.len(), 9);
    for object in &objects {
        assert_eq!(object["status"], json!({"observedGeneration": -1}), "{object}");
        assert_eq!(object["metadata"]["generation"], 1);
    }
    assert!(compute(&objects)?.iter().all(|found| found.status == Status::InProgress));
    assert!(health(&objects)?.iter().all(|found| found.status == HealthStatus::Progressing));
    // Without that, kstatus takes it for current.
    let bare: Vec<_> = objects
        .iter()
        .cloned()
        .map(|mut object| {
            object.as_object_mut().map(|fields| fields.remove("status"));
            object
        })
        .collect();
    assert!(compute(&bare)?.iter().all(|found| found.status == Status::Current));
    let (status, screen) = Command::new(env!("CARGO_BIN_EXE_trustwright"))
        .arg("status")
        .only_own_env()
        .env("KUBECONFIG", control_plane.kubeconfig())
        .finish(SOON)
        .await?;
    assert_eq!(status.code(), Some(1), "{}", screen.stderr);
    assert!(screen.stdout.contains("no controller has looked at it"), "{}", screen.stdout);

    // An edit is no look either.
    let (edited, name) = made.first().context("nothing made")?;
    let edit = json!({"spec": {"images": [{"glob": "more.example/**"}]}});
    let object = edited.patch(name, &PatchParams::default(), &Patch::Merge(&edit)).await?;
    assert_eq!(
        (object.metadata.generation, &object.data["status"]),
        (Some(2), &json!({"observedGeneration": -1}))
    );

    let _operator = Operator::start(&control_plane, options()).await?;
    let ours = Objects::new(control_plane.client().await?);
    for ((_, name), object) in made.iter().zip(&objects) {
        let kind = if object["kind"] == "TrustRoot" { ROOT } else { POLICY };
        let found = ours.wait_for_ready(kind, name, "True").await?;
        assert_eq!(found.data["status"]["observedGeneration"], json!(found.metadata.generation));
    }
    let objects = read(&made).await?;
    assert!(compute(&objects)?.iter().all(|found| found.status == Status::Current));
    assert!(health(&objects)?.iter().all(|found| found.status == HealthStatus::Healthy));
    // Who applies it again after that changes nothing.
    for (index, of) in SERVED.into_iter().enumerate() {
        let (object, name) = (&objects[index * 3 + 2], &made[index * 3 + 2].1);
        let applied = json!({
            "apiVersion": object["apiVersion"], "kind": object["kind"],
            "metadata": {"name": name}, "spec": object["spec"],
        });
        let params = PatchParams::apply("gitops");
        let again = api(&control_plane, of).await?.patch(name, &params, &Patch::Apply(&applied)).await?;
        assert_eq!(again.data["status"], object["status"], "{name}");
        assert_eq!(
            again.metadata.generation,
            serde_json::from_value(object["metadata"]["generation"].clone())?
        );
    }
    Ok(())
}
