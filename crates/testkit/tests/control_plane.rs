//! The control plane does what tests rely on.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use trustwright_testkit::control_plane::{ControlPlane, Options, client};
use trustwright_testkit::process::eventually;
use trustwright_testkit::{Tool, shared, tools};

const SOON: Duration = Duration::from_mins(1);

async fn pods(client: &Client, namespace: &str, phase: &str) -> Result<Vec<Pod>> {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace).list(&ListParams::default()).await?.items;
    ensure!(!pods.is_empty(), "no pod yet");
    for pod in &pods {
        let found = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        ensure!(found == Some(phase), "a pod is {found:?}");
    }
    Ok(pods)
}

fn deployment(namespace: &str, node: &str) -> String {
    serde_json::json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"nodeName": node, "containers": [{"name": "web", "image": "a.example/web:1"}]},
            },
        },
    })
    .to_string()
}

#[tokio::test]
async fn a_deployment_gets_pods_and_kwok_runs_them() -> Result<()> {
    let control_plane = shared().await?;
    control_plane.create_namespace("deployments").await?;
    control_plane.start_kwok()?;
    control_plane.add_node("deployments").await?;
    control_plane.apply(&deployment("deployments", "deployments")).await?;
    let client = control_plane.client().await?;
    let pods = eventually("pods run", SOON, async || pods(&client, "deployments", "Running").await).await?;
    assert_eq!(pods.len(), 2);
    let owner =
        pods[0].metadata.owner_references.as_ref().and_then(|owners| owners.first()).context("no owner")?;
    assert_eq!(owner.kind, "ReplicaSet");
    control_plane.kubectl(&["--namespace=deployments", "delete", "deployment", "web"]).await?;
    let all = Api::<Pod>::namespaced(client, "deployments");
    eventually("pods gone", SOON, async || {
        ensure!(all.list(&ListParams::default()).await?.items.is_empty(), "pods left");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_service_account_has_its_own_rights_and_no_more() -> Result<()> {
    let control_plane = shared().await?;
    control_plane.create_namespace("accounts").await?;
    let kubeconfig = control_plane.service_account_kubeconfig("accounts", "default").await?;
    let account = client(&kubeconfig).await?;
    let reviews = Api::<SelfSubjectReview>::all(account.clone());
    let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await?;
    let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
    assert_eq!(user.as_deref(), Some("system:serviceaccount:accounts:default"));

    let maps = Api::<ConfigMap>::namespaced(account, "accounts");
    let refused = maps.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
    let binding =
        ["create", "rolebinding", "view", "--clusterrole=view", "--serviceaccount=accounts:default"];
    control_plane.kubectl(&[&["--namespace=accounts"], binding.as_slice()].concat()).await?;
    eventually("the binding acts", SOON, async || Ok(maps.list(&ListParams::default()).await?)).await?;

    let text = std::fs::read_to_string(kubeconfig)?;
    assert!(text.contains("\"token\"") && !text.contains("client-key"), "{text}");
    Ok(())
}

#[tokio::test]
async fn the_apiserver_says_which_version_it_is() -> Result<()> {
    let version = shared().await?.client().await?.apiserver_version().await?;
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "37"));
    assert_eq!(version.git_version, "v1.37.2");
    Ok(())
}

#[tokio::test]
async fn the_apiserver_keeps_its_objects_over_a_stop_and_nothing_is_left_after_a_drop() -> Result<()> {
    tools::ensure(&Tool::CONTROL_PLANE)?;
    let start = std::time::Instant::now();
    let options = Options::default().with_apiserver_flag("--v=1").with_feature_gate("WatchList", true);
    let control_plane = ControlPlane::start(options).await?;
    println!("ready after {:?}", start.elapsed());
    for (name, pid) in control_plane.processes() {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let memory = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
        println!("{name}: {memory}");
    }
    control_plane.create_namespace("kept").await?;

    control_plane.stop_apiserver();
    let client = control_plane.client().await?;
    assert!(client.apiserver_version().await.is_err());
    let start = std::time::Instant::now();
    control_plane.start_apiserver().await?;
    println!("ready again after {:?}", start.elapsed());
    control_plane.kubectl(&["get", "namespace", "kept"]).await?;

    let processes = control_plane.processes();
    assert_eq!(processes.len(), 3);
    drop(control_plane);
    for (name, pid) in processes {
        assert!(!Path::new("/proc").join(pid.to_string()).exists(), "{name} is left");
    }
    Ok(())
}
