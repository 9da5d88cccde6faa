//! Every place of every kind that names an image.

use anyhow::Result;
use kube::{
    api::{Patch, PatchParams, PostParams},
    core::DynamicObject,
};
use serde_json::{Value, json};

use crate::fixture::{Space, image, message, pod, pod_of, refusal};

/// A namespace with a policy that wants a signature, and an image with one and one without.
struct Fixture {
    space: Space,
    policy: String,
    /// The image with a signature.
    good: Pinned,
    /// The image without one.
    bad: Pinned,
}

/// An image by tag, and as the webhook pins the tag.
struct Pinned {
    tag: String,
    pinned: String,
}

impl Fixture {
    async fn new(name: &str) -> Result<Self> {
        let space = Space::new(name).await?;
        let signer = &space.cluster.signer;
        let registry = &space.cluster.registry;
        let policy =
            space.policy("key", json!({"authorities": [{"key": {"data": signer.public_key_pem()}}]})).await?;
        let repository = space.repository("app");
        let push = async |tag: &str| {
            let image = registry.push_image(&repository, tag).await?;
            let tag = format!("{}/{repository}:{tag}", registry.host());
            let pinned = format!("{tag}@{}", image.digest());
            anyhow::Ok((image, Pinned { tag, pinned }))
        };
        let (image, good) = push("signed").await?;
        signer.sign_bundle(&image).await?;
        let (_, bad) = push("unsigned").await?;
        Ok(Self { space, policy, good, bad })
    }

    /// The start of the message that refuses the unsigned image at `path`.
    fn refusal(&self, path: &str) -> String {
        let name = self.bad.pinned.replace(":unsigned@", "@");
        refusal(&self.policy, path, &self.bad.pinned)
            + &format!(
                "signature key validation failed for authority authority-0 for {name}: no signatures found"
            )
    }
}

/// An object of a kind with a pod template that starts nothing.
fn workload(api_version: &str, kind: &str, name: &str, image: &str) -> DynamicObject {
    let template = |spec: Value| json!({"metadata": {"labels": {"app": name}}, "spec": spec});
    let containers = json!([{"name": "main", "image": image}]);
    let once = json!({"containers": containers, "restartPolicy": "Never"});
    let job = json!({"suspend": true, "template": template(once)});
    let mut spec = match kind {
        "Job" => job,
        "CronJob" => json!({"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": job}}),
        _ => json!({
            "selector": {"matchLabels": {"app": name}}, "template": template(json!({"containers": containers})),
        }),
    };
    if matches!(kind, "Deployment" | "ReplicaSet" | "StatefulSet") {
        spec["replicas"] = json!(0);
    }
    serde_json::from_value(json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec,
    }))
    .unwrap()
}

#[tokio::test]
async fn every_kind_with_a_pod_template_is_pinned_in_it_and_refused_by_its_path() -> Result<()> {
    let fixture = Fixture::new("templates").await?;
    for (api_version, kind, path) in [
        ("apps/v1", "Deployment", "spec.template.spec"),
        ("apps/v1", "ReplicaSet", "spec.template.spec"),
        ("apps/v1", "StatefulSet", "spec.template.spec"),
        ("apps/v1", "DaemonSet", "spec.template.spec"),
        ("batch/v1", "Job", "spec.template.spec"),
        ("batch/v1", "CronJob", "spec.jobTemplate.spec.template.spec"),
    ] {
        let api = fixture.space.all(api_version, kind);
        let create = async |image: &str| {
            api.create(&PostParams::default(), &workload(api_version, kind, "app", image))
                .await
                .map_err(message)
        };
        let refusal = create(&fixture.bad.tag).await.unwrap_err();
        assert!(
            refusal.starts_with(&fixture.refusal(&format!("{path}.containers[0].image"))),
            "{kind}: {refusal}"
        );

        let created = create(&fixture.good.tag).await.map_err(anyhow::Error::msg)?;
        let pointer = format!("/{}/containers/0/image", path.replace('.', "/"));
        assert_eq!(created.data.pointer(&pointer), Some(&json!(fixture.good.pinned)), "{kind}");
    }
    Ok(())
}

#[tokio::test]
async fn init_containers_and_image_volumes_are_pinned_and_judged_as_containers_are() -> Result<()> {
    let fixture = Fixture::new("places").await?;
    let containers = json!([{"name": "main", "image": fixture.good.tag}]);
    for (name, list, path, pointer) in [
        ("init", "initContainers", "spec.initContainers[0].image", "/spec/initContainers/0/image"),
        ("volume", "volumes", "spec.volumes[0].image", "/spec/volumes/0/image/reference"),
    ] {
        let create = async |image: &str| {
            let item = match list {
                "volumes" => json!({"name": "x", "image": {"reference": image}}),
                _ => json!({"name": "x", "image": image}),
            };
            let pod = pod_of(name, &json!({"containers": containers, list: [item]}));
            fixture.space.pods().create(&PostParams::default(), &pod).await.map_err(message)
        };
        let refusal = create(&fixture.bad.tag).await.unwrap_err();
        assert!(refusal.starts_with(&fixture.refusal(path)), "{refusal}");

        let created = create(&fixture.good.tag).await.map_err(anyhow::Error::msg)?;
        assert_eq!(image(&created), fixture.good.pinned);
        assert_eq!(serde_json::to_value(&created)?.pointer(pointer), Some(&json!(fixture.good.pinned)));
    }
    Ok(())
}

#[tokio::test]
async fn an_ephemeral_container_is_pinned_and_judged_when_it_joins_a_pod() -> Result<()> {
    let fixture = Fixture::new("ephemeral").await?;
    let pods = fixture.space.pods();
    pods.create(&PostParams::default(), &pod("target", &fixture.good.tag)).await?;
    let debug = async |image: &str| {
        let patch = json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": image}]}});
        let params = PatchParams::default();
        pods.patch_ephemeral_containers("target", &params, &Patch::Strategic(patch)).await.map_err(message)
    };
    let refusal = debug(&fixture.bad.tag).await.unwrap_err();
    assert!(refusal.starts_with(&fixture.refusal("spec.ephemeralContainers[0].image")), "{refusal}");

    let changed = debug(&fixture.good.tag).await.map_err(anyhow::Error::msg)?;
    let containers = changed.spec.unwrap().ephemeral_containers.unwrap();
    assert_eq!(containers[0].image.as_deref(), Some(fixture.good.pinned.as_str()));
    Ok(())
}
