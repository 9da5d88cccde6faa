//! What the tests share, and the words that they are written in.

use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use trustwright_testkit::{
    ControlPlane, Operator, OperatorOptions, Registry,
    process::eventually,
};

/// The limit of every wait for something that takes well under a second.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The cluster that tests share.
pub(crate) struct Cluster {
    pub(crate) control_plane: &'static ControlPlane,
    pub(crate) operator: Operator,
    pub(crate) registry: Registry,
    pub(crate) plain_registry: Registry,
}

/// Starts the shared cluster, the first time.
pub(crate) async fn cluster() -> Result<&'static Cluster> {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER
        .get_or_try_init(|| async {
            let control_plane = trustwright_testkit::shared().await?;
            let operator = Operator::start(control_plane, options()).await?;
            Ok(Cluster {
                control_plane,
                operator,
                registry: Registry::with_referrers().await?,
                plain_registry: Registry::without_referrers().await?,
            })
        })
        .await
}

/// The binary that this test run built.
pub(crate) fn options() -> OperatorOptions {
    OperatorOptions::new(env!("CARGO_BIN_EXE_trustwright"))
}

/// A namespace of one test, opted in, with helpers around it.
pub(crate) struct Space {
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) cluster: &'static Cluster,
}

impl Space {
    /// Creates the namespace `name`.
    pub(crate) async fn new(name: &str) -> Result<Self> {
        let cluster = cluster().await?;
        cluster.control_plane.create_namespace(name).await?;
        let label = "policy.sigstore.dev/include=true";
        cluster.control_plane.kubectl(&["label", "namespace", name, label]).await?;
        Ok(Self { name: name.to_owned(), client: cluster.control_plane.client().await?, cluster })
    }

    /// A repository path of this test alone.
    pub(crate) fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }

    /// A pattern for all images of this test, in any registry.
    pub(crate) fn glob(&self) -> String {
        format!("**/{}/**", self.name)
    }

    /// Creates a policy for this test's images and waits until it is ready; its name starts with the
    /// namespace's.
    pub(crate) async fn policy(&self, suffix: &str, mut spec: Value) -> Result<String> {
        let name = format!("{}-{suffix}", self.name);
        if spec.get("images").is_none() {
            spec["images"] = json!([{"glob": self.glob()}]);
        }
        self.create("ClusterImagePolicy", "clusterimagepolicies", &name, &spec).await?;
        self.wait_for_status("clusterimagepolicies", "ClusterImagePolicy", &name, "True").await?;
        Ok(name)
    }

    /// Creates an object of our group.
    pub(crate) async fn create(&self, kind: &str, plural: &str, name: &str, spec: &Value) -> Result<DynamicObject> {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name}, "spec": spec,
        }))?;
        Ok(self.api(kind, plural).create(&PostParams::default(), &object).await?)
    }

    /// Waits until `Ready` of the object is `expected`, and returns the object.
    pub(crate) async fn wait_for_status(
        &self,
        plural: &str,
        kind: &str,
        name: &str,
        expected: &str,
    ) -> Result<DynamicObject> {
        let api = self.api(kind, plural);
        eventually(&format!("{kind} {name} Ready={expected}"), SOON, async || {
            let object = api.get(name).await?;
            let ready = condition(&object.data["status"], "Ready").context("no condition Ready")?;
            anyhow::ensure!(ready["status"] == expected, "{ready}");
            let observed = &object.data["status"]["observedGeneration"];
            anyhow::ensure!(observed == &json!(object.metadata.generation), "observedGeneration is {observed}");
            Ok(object)
        })
        .await
    }

    /// The API of a cluster-scoped kind of our group.
    pub(crate) fn api(&self, kind: &str, plural: &str) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk("policy.sigstore.dev", "v1alpha1", kind);
        Api::all_with(self.client.clone(), &ApiResource::from_gvk_with_plural(&gvk, plural))
    }

    /// The pods of this namespace.
    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Creates a pod; the error is the API server's message.
    pub(crate) async fn run(&self, name: &str, image: &str) -> Result<Pod, String> {
        let pod = pod(name, &json!([{"name": "main", "image": image}]));
        self.pods().create(&PostParams::default(), &pod).await.map_err(message)
    }

    /// Deletes a pod.
    pub(crate) async fn delete_pod(&self, name: &str) -> Result<()> {
        self.pods().delete(name, &DeleteParams::default().grace_period(0)).await?;
        Ok(())
    }
}

/// A pod with these containers.
pub(crate) fn pod(name: &str, containers: &Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"containers": containers}})).unwrap()
}

/// The condition of a type.
pub(crate) fn condition<'a>(status: &'a Value, type_: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == type_)
}

/// What the API server said.
#[allow(clippy::needless_pass_by_value)] // used as a function in map_err
pub(crate) fn message(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// The image of a pod's first container.
pub(crate) fn image(pod: &Pod) -> String {
    pod.spec.as_ref().unwrap().containers[0].image.clone().unwrap()
}
