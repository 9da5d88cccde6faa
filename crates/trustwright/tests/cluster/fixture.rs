//! What the tests share, and the words that they are written in.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use trustwright_testkit::{
    ControlPlane, KeyKind, Operator, OperatorOptions, Registry, Signer, process::Output, process::eventually,
};

use crate::objects::{Objects, POLICY};

/// The limit of every wait for something that takes well under a second.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The cluster that tests share.
pub(crate) struct Cluster {
    pub(crate) control_plane: &'static ControlPlane,
    /// Whose end would be everybody's.
    pub(crate) operator: Operator,
    pub(crate) registry: Registry,
    pub(crate) plain_registry: Registry,
    pub(crate) signer: Signer,
}

/// Starts the shared cluster, the first time.
pub(crate) async fn cluster() -> Result<&'static Cluster> {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER
        .get_or_try_init(|| async {
            let control_plane = trustwright_testkit::shared().await?;
            Ok(Cluster {
                control_plane,
                operator: Operator::start(control_plane, options()).await?,
                registry: Registry::with_referrers().await?,
                plain_registry: Registry::without_referrers().await?,
                signer: Signer::new(KeyKind::EcdsaP256).await?,
            })
        })
        .await
}

/// The binary that this test run built, without the default root, whose mirror is not on loopback.
pub(crate) fn options() -> OperatorOptions {
    options_with(&[])
}

/// As [`options`], with more arguments; one for the default root brings that back.
pub(crate) fn options_with(args: &[&str]) -> OperatorOptions {
    let mut options = OperatorOptions::new(env!("CARGO_BIN_EXE_trustwright"));
    options.args = args.iter().map(|&arg| arg.to_owned()).collect();
    if !args.iter().any(|arg| arg.starts_with("--tuf-")) {
        options.args.push("--disable-tuf".to_owned());
    }
    options
}

/// A cluster of one test alone, which may break it.
pub(crate) struct Own {
    // Ends before the control plane that it talks to.
    pub(crate) operator: Operator,
    pub(crate) control_plane: ControlPlane,
    pub(crate) client: Client,
    pub(crate) objects: Objects,
}

impl Own {
    /// Starts a control plane, and Trustwright with `args` beside those of its Deployment.
    pub(crate) async fn start(args: &[&str]) -> Result<Self> {
        let control_plane =
            ControlPlane::start(trustwright_testkit::control_plane::Options::default()).await?;
        let operator = Operator::start(&control_plane, options_with(args)).await?;
        let client = control_plane.client().await?;
        Ok(Self { operator, control_plane, objects: Objects::new(client.clone()), client })
    }

    /// Creates a namespace that is opted in, and returns its pods.
    pub(crate) async fn namespace(&self, name: &str) -> Result<Api<Pod>> {
        opt_in(&self.control_plane, name).await?;
        Ok(Api::namespaced(self.client.clone(), name))
    }
}

/// Creates a namespace in which images are verified.
pub(crate) async fn opt_in(control_plane: &ControlPlane, namespace: &str) -> Result<()> {
    control_plane.create_namespace(namespace).await?;
    control_plane.kubectl(&["label", "namespace", namespace, "policy.sigstore.dev/include=true"]).await?;
    Ok(())
}

/// A namespace of one test, opted in, with helpers around it.
pub(crate) struct Space {
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) cluster: &'static Cluster,
    pub(crate) objects: Objects,
}

impl Space {
    /// Creates the namespace `name`.
    pub(crate) async fn new(name: &str) -> Result<Self> {
        let cluster = cluster().await?;
        opt_in(cluster.control_plane, name).await?;
        let client = cluster.control_plane.client().await?;
        Ok(Self { name: name.to_owned(), objects: Objects::new(client.clone()), client, cluster })
    }

    /// A repository path of this test alone.
    pub(crate) fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }

    /// A pattern for all images of this test, in any registry.
    pub(crate) fn glob(&self) -> String {
        format!("**/{}/**", self.name)
    }

    /// An image by digest that no registry has: for policies that ask none.
    pub(crate) fn nowhere(&self, name: &str) -> String {
        format!("registry.example/{}/{name}@sha256:{}", self.name, "0".repeat(64))
    }

    /// Creates a policy for this test's images and waits until it is ready; its name starts with the
    /// namespace's.
    pub(crate) async fn policy(&self, suffix: &str, spec: Value) -> Result<String> {
        self.policy_that_is("True", suffix, spec).await
    }

    /// Creates a policy for this test's images and waits until `Ready` is `ready` and the webhook has it: one that is
    /// not ready is judged by, too.
    pub(crate) async fn policy_that_is(&self, ready: &str, suffix: &str, mut spec: Value) -> Result<String> {
        let name = format!("{}-{suffix}", self.name);
        if spec.get("images").is_none() {
            spec["images"] = json!([{"glob": self.glob()}]);
        }
        self.objects.create(POLICY, &name, &spec).await.map_err(anyhow::Error::msg)?;
        self.objects.wait_for_ready(POLICY, &name, ready).await?;
        self.objects.wait_for_condition(POLICY, &name, "Enforced").await?;
        Ok(name)
    }

    /// Merges `spec` into the spec of a policy and waits until it was seen.
    pub(crate) async fn change(&self, policy: &str, spec: &Value) -> Result<()> {
        let patch = json!({"spec": spec});
        let api = self.objects.api(POLICY);
        api.patch(policy, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        self.objects.wait_for_ready(POLICY, policy, "True").await?;
        Ok(())
    }

    /// The pods of this namespace.
    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// The objects of another kind in this namespace.
    pub(crate) fn all(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), &self.name, &resource)
    }

    /// Creates a pod; the error is the API server's message.
    pub(crate) async fn run(&self, name: &str, image: &str) -> Result<Pod, String> {
        run(&self.pods(), name, image).await
    }

    /// Waits until creating a pod with `image` fails with a message that contains `text`. Nothing is created.
    pub(crate) async fn refused_soon(&self, image: &str, text: &str) -> Result<String> {
        refused_soon(&self.pods(), image, text).await
    }

    /// Deletes a pod.
    pub(crate) async fn delete_pod(&self, name: &str) -> Result<()> {
        self.pods().delete(name, &DeleteParams::default().grace_period(0)).await?;
        Ok(())
    }

    /// Has kubectl apply an object, so that what people see on the terminal is in the result.
    pub(crate) async fn kubectl_apply(&self, object: &Pod) -> Result<Output> {
        let mut object = serde_json::to_value(object)?;
        object["metadata"]["namespace"] = json!(self.name);
        self.cluster.control_plane.apply(&object.to_string()).await
    }
}

/// Creates a pod; the error is the API server's message.
pub(crate) async fn run(pods: &Api<Pod>, name: &str, image: &str) -> Result<Pod, String> {
    pods.create(&PostParams::default(), &pod(name, image)).await.map_err(message)
}

/// Waits until creating a pod with `image` fails with a message that contains `text`. Nothing is created.
pub(crate) async fn refused_soon(pods: &Api<Pod>, image: &str, text: &str) -> Result<String> {
    eventually(&format!("{image} refused for {text:?}"), SOON, async || {
        let said = match pods.create(&dry_run(), &pod("probe", image)).await {
            Ok(_) => anyhow::bail!("admitted"),
            Err(error) => message(error),
        };
        anyhow::ensure!(said.contains(text), "{said}");
        Ok(said)
    })
    .await
}

/// Waits until a pod with `image` would be admitted. Nothing is created.
pub(crate) async fn admitted_soon(pods: &Api<Pod>, image: &str) -> Result<()> {
    eventually(&format!("{image} admitted"), SOON, async || {
        pods.create(&dry_run(), &pod("probe", image))
            .await
            .map(drop)
            .map_err(|error| anyhow::Error::msg(message(error)))
    })
    .await
}

/// As `kubectl --dry-run=server`.
pub(crate) fn dry_run() -> PostParams {
    PostParams { dry_run: true, ..PostParams::default() }
}

/// A pod with one container.
pub(crate) fn pod(name: &str, image: &str) -> Pod {
    pod_of(name, &json!({"containers": [{"name": "main", "image": image}]}))
}

/// A pod with this spec.
pub(crate) fn pod_of(name: &str, spec: &Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
}

/// What the API server said.
#[allow(clippy::needless_pass_by_value)] // used as a function in map_err
pub(crate) fn message(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// The start of the message that refuses the image at `path` for `policy`.
pub(crate) fn refusal(policy: &str, path: &str, image: &str) -> String {
    format!(
        "admission webhook \"policy.sigstore.dev\" denied the request: validation failed: failed policy: {policy}: \
         {path}\n{image} "
    )
}

/// The image of a pod's first container.
pub(crate) fn image(pod: &Pod) -> String {
    pod.spec.as_ref().unwrap().containers[0].image.clone().unwrap()
}
