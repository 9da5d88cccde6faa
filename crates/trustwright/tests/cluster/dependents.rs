//! Workloads that are told when what is trusted changes.
//!
//! They have no pods, so that nothing has to run: a rollout is then done as soon as its controller has seen it, and
//! each change of a pod template leaves one more `ReplicaSet` or `ControllerRevision` to count.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, ReplicaSet},
    events::v1::Event,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use trustwright_testkit::{
    ControlPlane, Operator, control_plane::Options, operator::manifests_folder, process::eventually,
    public_good,
};

use crate::{
    fixture::{SOON, message, options_with},
    objects::{Objects, ROOT},
};

mod fence;
mod leaders;
mod refusals;
mod restarts;

const MATERIAL: &str = "trustwright.dev/trust-material";
const KNOWN: &str = "trustwright.dev/trust-known";
const RESTARTED_AT: &str = "trustwright.dev/restarted-at";

/// The namespaces of the tests, one each, that Trustwright has its rights in.
const NAMESPACES: [&str; 7] = ["kinds", "annotates", "paused", "rolling", "deleted", "by-flag", "fenced"];
/// One that it may only read, and one that it may not.
const READ_ONLY: &str = "read-only";
const FORBIDDEN: &str = "forbidden";

/// A cluster in which Trustwright watches dependents.
struct World {
    // Ends before the control plane that it talks to.
    operator: Operator,
    control_plane: ControlPlane,
}

/// The role of `deploy/dependents`, for another namespace.
pub(crate) fn role(namespace: &str, change: impl Fn(&str) -> String) -> Result<String> {
    let text = manifest("example-role.yaml")?;
    ensure!(text.contains("namespace: apps\n"), "the example is for another namespace");
    Ok(change(&text.replace("namespace: apps\n", &format!("namespace: {namespace}\n"))))
}

fn manifest(name: &str) -> Result<String> {
    let path = manifests_folder().join("../dependents").join(name);
    std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))
}

/// Starts a control plane with these namespaces, and gives our account its rights there.
async fn control_plane(namespaces: &[&str]) -> Result<ControlPlane> {
    let control_plane = ControlPlane::start(Options::default()).await?;
    control_plane.create_namespace("trustwright-system").await?;
    for namespace in namespaces {
        control_plane.create_namespace(namespace).await?;
        control_plane.apply(&role(namespace, str::to_owned)?).await?;
    }
    Ok(control_plane)
}

/// The cluster that most of these tests share.
async fn world() -> Result<&'static World> {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    WORLD
        .get_or_try_init(|| async {
            let control_plane = control_plane(&NAMESPACES).await?;
            control_plane.create_namespace(READ_ONLY).await?;
            control_plane.create_namespace(FORBIDDEN).await?;
            let read = |role: &str| role.replace("verbs: [list, watch, patch]", "verbs: [list, watch]");
            control_plane.apply(&role(READ_ONLY, read)?).await?;
            control_plane.apply(&manifest("annotate-trust-roots.yaml")?).await?;
            let namespaces = [&NAMESPACES[..], &[READ_ONLY, FORBIDDEN]].concat().join(",");
            let args = [
                &format!("--dependents-namespaces={namespaces}"),
                "--dependent=by-flag/deployment/web=by-flag:restart",
                "--dependent=by-flag/DaemonSet/absent=by-flag:annotate",
                "--dependent-restart-interval=1s",
                "--annotate-trust-roots",
            ];
            let operator = Operator::start(&control_plane, options_with(&args)).await?;
            Ok(World { operator, control_plane })
        })
        .await
}

/// A trust root and the workloads of one namespace.
struct Place {
    client: Client,
    objects: Objects,
    namespace: &'static str,
}

/// What a test wants of a workload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

/// A workload without pods.
pub(crate) fn manifest_of(kind: Kind, name: &str, annotations: &Value) -> Value {
    let labels = json!({"app": name});
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind.name(),
        "metadata": {"name": name, "annotations": annotations, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": {"example.com/own": "kept"}},
                "spec": {"containers": [{"name": "main", "image": "registry.example/app:1"}]},
            },
        },
    });
    match kind {
        Kind::Deployment => object["spec"]["replicas"] = json!(0),
        Kind::StatefulSet => {
            object["spec"]["replicas"] = json!(0);
            object["spec"]["serviceName"] = json!("none");
        }
        // There is no node.
        Kind::DaemonSet => {}
    }
    object
}

pub(crate) fn depends(roots: &str, on_change: &str) -> Value {
    json!({"trustwright.dev/trust-roots": roots, "trustwright.dev/on-change": on_change})
}

/// The keys of a trust root: all but the last `fewer` logs.
fn keys(fewer: usize) -> Result<Value> {
    let mut spec = public_good::trust_root_manifest()?["spec"].clone();
    let logs = spec["sigstoreKeys"]["tLogs"].as_array_mut().context("no logs")?;
    ensure!(logs.len() > fewer, "{} logs", logs.len());
    logs.truncate(logs.len() - fewer);
    Ok(spec)
}

impl Place {
    async fn new(control_plane: &ControlPlane, namespace: &'static str) -> Result<Self> {
        let client = control_plane.client().await?;
        Ok(Self { objects: Objects::new(client.clone()), client, namespace })
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", kind.name()));
        Api::namespaced_with(self.client.clone(), self.namespace, &resource)
    }

    /// Creates a trust root and returns its fingerprint.
    async fn trust(&self, name: &str) -> Result<String> {
        self.objects.create(ROOT, name, &keys(0)?).await.map_err(anyhow::Error::msg)?;
        self.fingerprint(name).await
    }

    /// Has a trust root trust other keys, and returns its new fingerprint.
    async fn change(&self, name: &str, fewer: usize) -> Result<String> {
        let mut patch = json!({"spec": keys(fewer)?});
        patch["spec"]["trustedRoot"] = Value::Null;
        self.objects.api(ROOT).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        self.fingerprint(name).await
    }

    async fn fingerprint(&self, name: &str) -> Result<String> {
        let object = self.objects.wait_for_ready(ROOT, name, "True").await?;
        Ok(object.data["status"]["fingerprint"].as_str().context("no fingerprint")?.to_owned())
    }

    /// Creates a workload and returns it.
    async fn create(&self, kind: Kind, name: &str, annotations: &Value) -> Result<DynamicObject> {
        let object = serde_json::from_value(manifest_of(kind, name, annotations))?;
        let created = self.api(kind).create(&PostParams::default(), &object).await;
        created.map_err(|error| anyhow::Error::msg(message(error)))
    }

    /// Waits until a workload was told of `fingerprint` of the trust root `root`, and returns it.
    async fn told(&self, kind: Kind, name: &str, root: &str, fingerprint: &str) -> Result<DynamicObject> {
        let api = self.api(kind);
        let pair = format!("{root}={fingerprint}");
        eventually(&format!("{} {name} told of {pair}", kind.name()), SOON, async || {
            let object = api.get(name).await?;
            let known = annotation(&object, KNOWN).unwrap_or_default();
            ensure!(known.split(',').any(|one| one == pair), "it knows {known:?}");
            Ok(object)
        })
        .await
    }

    /// Waits until the controllers have seen a workload as it is.
    async fn settled(&self, kind: Kind, name: &str) -> Result<()> {
        let api = self.api(kind);
        eventually(&format!("{} {name} settled", kind.name()), SOON, async || {
            let object = api.get(name).await?;
            let observed = &object.data["status"]["observedGeneration"];
            ensure!(*observed == json!(object.metadata.generation), "{observed} was observed");
            Ok(())
        })
        .await
    }

    /// How many versions of its pod template a workload has had.
    async fn templates(&self, kind: Kind, name: &str) -> Result<usize> {
        self.settled(kind, name).await?;
        let params = ListParams::default().labels(&format!("app={name}"));
        if kind == Kind::Deployment {
            let sets = Api::<ReplicaSet>::namespaced(self.client.clone(), self.namespace);
            Ok(sets.list(&params).await?.items.len())
        } else {
            let revisions = Api::<ControllerRevision>::namespaced(self.client.clone(), self.namespace);
            let is_of = |revision: &&ControllerRevision| {
                let mut owners = revision.metadata.owner_references.iter().flatten();
                owners.any(|owner| owner.kind == kind.name())
            };
            Ok(revisions.list(&params).await?.items.iter().filter(is_of).count())
        }
    }

    /// Waits until the status of a trust root has an entry of this workload that `is` right, and returns it.
    async fn entry(&self, root: &str, workload: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        eventually(&format!("{workload} among the dependents of {root}"), SOON, async || {
            let object = self.objects.api(ROOT).get(root).await?;
            let entries = object.data["status"]["dependents"].as_array().cloned().unwrap_or_default();
            let found = entries.iter().find(|entry| {
                let text = |key: &str| entry[key].as_str().unwrap_or_default();
                format!("{} {}/{}", text("kind"), text("namespace"), text("name")) == workload && is(entry)
            });
            found.cloned().with_context(|| format!("there are {entries:?}"))
        })
        .await
    }
}

fn annotation<'o>(object: &'o DynamicObject, name: &str) -> Option<&'o str> {
    object.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

fn template_annotation<'o>(object: &'o DynamicObject, name: &str) -> Option<&'o str> {
    object.data["spec"]["template"]["metadata"]["annotations"].get(name)?.as_str()
}

/// How many lines of a log hold all `words`.
fn lines(log: &Path, words: &[&str]) -> Result<usize> {
    let text = std::fs::read_to_string(log)?;
    Ok(text.lines().filter(|line| words.iter().all(|word| line.contains(word))).count())
}
