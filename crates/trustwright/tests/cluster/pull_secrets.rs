//! A registry that wants a password, and the Secrets that have it.

use std::fs;

use anyhow::{Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::Api;
use serde_json::{Value, json};
use trustwright_testkit::{KeyKind, Registry, Signer, process::eventually, run_dir};

use crate::{
    fixture::{Own, SOON, dry_run, message, pod_of},
    objects::POLICY,
};

const TEAM: &str = "pulling";
/// What is said of a credential that a registry refuses.
const REFUSED: &str = ": UNAUTHORIZED\n";
const MISSING: &str = "the right to get it is missing (ClusterRole trustwright-pull-secrets)";

/// A cluster of one test, and a registry that answers nobody but those who have its password.
struct Stage {
    registry: Registry,
    signer: Signer,
    own: Own,
    pods: Api<Pod>,
}

impl Stage {
    async fn start() -> Result<Self> {
        let registry = Registry::with_auth_tls("alice").await?;
        let folder = run_dir::data("pull-secrets")?;
        let (authority, config) = (folder.join("ca.pem"), folder.join("registries.yaml"));
        fs::write(&authority, registry.ca_pem().unwrap())?;
        let trusted = json!({"registries": [{"host": registry.host(), "caFiles": [authority]}]});
        fs::write(&config, trusted.to_string())?;
        let own = Own::start(&[&format!("--registries-config={}", config.display())]).await?;
        let pods = own.namespace(TEAM).await?;
        Ok(Self { registry, signer: Signer::new(KeyKind::EcdsaP256).await?, own, pods })
    }

    /// A signed image that nobody has asked for yet: what is known of another needs no password any more.
    async fn image(&self, repository: &str, tag: &str) -> Result<String> {
        let image = self.registry.push_image(repository, tag).await?;
        self.signer.sign_legacy(&image).await?;
        Ok(image.to_string())
    }

    /// Creates a policy for `repository` by the signer's key, with more of its authority.
    async fn policy(&self, repository: &str, more: &Value) -> Result<()> {
        let mut authority = json!({"name": "a", "key": {"data": self.signer.public_key_pem()}});
        authority.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let spec = json!({"images": [{"glob": format!("{}/{repository}**", self.registry.host())}], "authorities": [authority]});
        self.own.objects.create(POLICY, repository, &spec).await.map_err(anyhow::Error::msg)?;
        self.own.objects.wait_for_ready(POLICY, repository, "True").await?;
        self.own.objects.wait_for_condition(POLICY, repository, "Enforced").await.map(drop)
    }

    /// Writes a pull secret for the registry.
    async fn secret(&self, name: &str, password: &str) -> Result<()> {
        let auths = json!({"auths": {self.registry.host(): {"username": "alice", "password": password}}});
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"namespace": TEAM, "name": name},
            "data": {".dockerconfigjson": STANDARD.encode(auths.to_string())},
        });
        self.own.control_plane.apply(&secret.to_string()).await.map(drop)
    }

    /// Whether a pod with these pull secrets would be admitted, or what the API server says.
    async fn pod(&self, image: &str, secrets: &[&str]) -> Result<(), String> {
        let pod = pod_of("probe", &template(image, secrets, "default"));
        self.pods.create(&dry_run(), &pod).await.map(drop).map_err(message)
    }

    /// The same of a Deployment, into which the API server puts no secrets of the service account.
    async fn deployment(&self, image: &str, account: &str) -> Result<(), String> {
        let labels = json!({"app": "probe"});
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": "probe"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": template(image, &[], account)},
            },
        }))
        .unwrap();
        let deployments = Api::<Deployment>::namespaced(self.own.client.clone(), TEAM);
        deployments.create(&dry_run(), &deployment).await.map(drop).map_err(message)
    }
}

fn template(image: &str, secrets: &[&str], account: &str) -> Value {
    let secrets: Vec<_> = secrets.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "containers": [{"name": "main", "image": image}],
        "imagePullSecrets": secrets, "serviceAccountName": account,
    })
}

#[tokio::test]
async fn images_of_a_closed_registry_are_judged_with_the_secrets_of_their_workload() -> Result<()> {
    let stage = Stage::start().await?;
    let (_, password) = stage.registry.credentials().unwrap();
    stage.policy("app", &json!({})).await?;

    // Wrong, then right: what a registry refused is read anew.
    let image = stage.image("app", "pod").await?;
    stage.secret("own", "wrong").await?;
    let said = stage.pod(&image, &["own"]).await.unwrap_err();
    assert!(said.contains(REFUSED), "{said}");
    stage.secret("own", password).await?;
    assert_eq!(stage.pod(&image, &["own"]).await, Ok(()));

    // Of the service account.
    let builder = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": TEAM, "name": "builder"},
        "imagePullSecrets": [{"name": "own"}],
    });
    stage.own.control_plane.apply(&builder.to_string()).await?;
    let image = stage.image("app", "deployment").await?;
    let said = stage.deployment(&image, "default").await.unwrap_err();
    assert!(said.contains(REFUSED), "{said}");
    assert_eq!(stage.deployment(&image, "builder").await, Ok(()));

    // Of the policy, for where it looks for signatures.
    let place = format!("{}/elsewhere", stage.registry.host());
    let named =
        |secret: &str| json!({"source": [{"oci": place, "signaturePullSecrets": [{"name": secret}]}]});
    stage.policy("elsewhere", &named("own")).await?;
    let image = stage.image("elsewhere", "named").await?;
    assert_eq!(stage.pod(&image, &[]).await, Ok(()));
    let image = stage.image("app", "unnamed").await?;
    let said = stage.pod(&image, &[]).await.unwrap_err();
    assert!(said.contains(REFUSED), "{said}");

    // Without the role, who names a Secret is told what is missing, and who names none goes on without.
    stage.secret("late", password).await?;
    stage.own.control_plane.kubectl(&["delete", "clusterrolebinding", "trustwright-pull-secrets"]).await?;
    let said = eventually("the right missed", SOON, async || {
        let said = stage.pod(&image, &["late"]).await.err().unwrap_or_default();
        ensure!(said.contains(MISSING), "{said}");
        Ok(said)
    })
    .await?;
    assert!(said.contains(&format!("pull secret {TEAM}/late cannot be read")), "{said}");
    let said = stage.pod(&image, &[]).await.unwrap_err();
    assert!(said.contains(REFUSED) && !said.contains(MISSING), "{said}");
    Ok(())
}
