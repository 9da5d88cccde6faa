//! Whom the webhooks and the policies speak to.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::{Api, api::PostParams};
use serde_json::json;
use trustwright_testkit::{operator::NAMESPACE, process::eventually};

use crate::fixture::{SOON, Space, cluster, dry_run, image, message, pod_of, refusal, run};

#[tokio::test]
async fn only_namespaces_that_opted_in_and_are_not_excluded_are_judged() -> Result<()> {
    let space = Space::new("labels").await?;
    // No policy matches it, and no registry knows it.
    let unknown = "registry.example/unknown:tag";
    let said = space.run("app", unknown).await.unwrap_err();
    assert!(said.contains("must be an image digest: spec.containers[0].image"), "{said}");

    for (name, labels) in [
        ("labels-none", &[][..]),
        ("labels-false", &["policy.sigstore.dev/include=false"]),
        ("labels-excluded", &["policy.sigstore.dev/include=true", "webhooks.knative.dev/exclude="]),
    ] {
        space.cluster.control_plane.create_namespace(name).await?;
        for label in labels {
            space.cluster.control_plane.kubectl(&["label", "namespace", name, label]).await?;
        }
        let pods = Api::<Pod>::namespaced(space.client.clone(), name);
        let pod = run(&pods, "app", unknown).await.map_err(anyhow::Error::msg).context(name)?;
        assert_eq!(image(&pod), unknown, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn our_own_namespace_is_exempt_so_that_we_can_always_come_back() -> Result<()> {
    let client = cluster().await?.control_plane.client().await?;
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), NAMESPACE);
    eventually("service account", SOON, async || Ok(accounts.get("default").await?)).await?;
    // As the Pod Security Standard `restricted` of the namespace wants it.
    let pod = pod_of(
        "exempt",
        &json!({
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "main", "image": "registry.example/unknown:tag",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        }),
    );
    let created = Api::<Pod>::namespaced(client, NAMESPACE).create(&dry_run(), &pod).await?;
    assert_eq!(image(&created), "registry.example/unknown:tag");
    Ok(())
}

#[tokio::test]
async fn a_policy_with_match_speaks_to_objects_of_that_kind_with_those_labels_only() -> Result<()> {
    let space = Space::new("matched").await?;
    space.policy("all", json!({"authorities": [{"static": {"action": "pass"}}]})).await?;
    let policy = space
        .policy(
            "some",
            json!({
                "match": [{"group": "apps", "version": "v1", "resource": "deployments",
                    "selector": {"matchLabels": {"tier": "front"}}}],
                "authorities": [{"static": {"action": "fail", "message": "m"}}],
            }),
        )
        .await?;
    let image = space.nowhere("app");
    let create = async |kind: &str, tier: &str| {
        let object = json!({
            "apiVersion": "apps/v1", "kind": kind,
            "metadata": {"name": "app", "labels": {"tier": tier}},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "app"}},
                // The labels of the template do not count.
                "template": {"metadata": {"labels": {"app": "app", "tier": "front"}},
                    "spec": {"containers": [{"name": "main", "image": image}]}},
            },
        });
        let object = serde_json::from_value(object).unwrap();
        space.all("apps/v1", kind).create(&PostParams::default(), &object).await.map(drop).map_err(message)
    };
    let said = create("Deployment", "front").await.unwrap_err();
    assert!(said.starts_with(&refusal(&policy, "spec.template.spec.containers[0].image", &image)), "{said}");
    assert_eq!(create("Deployment", "back").await, Ok(()));
    assert_eq!(create("StatefulSet", "front").await, Ok(()));
    Ok(())
}
