//! Objects of a cluster.

use anyhow::Context as _;
use kube::{
    Api, Client, Config,
    api::ListParams,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use trustwright_api::{GROUP, names::V1ALPHA1};
use trustwright_policy::{NoLanguages, NoReferences, Reference, compile_stored};
use trustwright_roots::{DEFAULT_NAME, EntryKind, FLOORS_SECRET, Source, Text, read as read_spec};

use super::{manifests::Given, objects::Objects};

/// Where objects are read.
struct Cluster {
    client: Client,
    /// Its URL.
    server: String,
    deadline: Instant,
}

/// Reads policies, trust roots, and those Secrets and `ConfigMaps` of `namespace` that they name, from the cluster of
/// `KUBECONFIG`, or the one that we run in. Where there is a default root, its versions are read, too.
pub(super) async fn read(namespace: &str, has_default: bool, deadline: Instant) -> anyhow::Result<Objects> {
    let config = Config::infer().await.context("no Kubernetes configuration (KUBECONFIG or in-cluster)")?;
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config).context("the Kubernetes configuration cannot be used")?;
    let cluster = Cluster { client, server, deadline };
    let mut objects = Objects::default();
    let mut named: Vec<Reference> = Vec::new();
    for given in cluster.list("ClusterImagePolicy", "clusterimagepolicies").await? {
        // What it names, without any of it; the texts are compiled once that is there.
        let policy = compile_stored("", given.object.get("spec"), &NoReferences, &NoLanguages);
        named.extend(policy.inputs.references);
        objects.policy(given)?;
    }
    let mut is_floored = has_default;
    for given in cluster.list("TrustRoot", "trustroots").await? {
        is_floored |= given.word("/metadata/name") == DEFAULT_NAME;
        if let Ok(spec) = read_spec(given.object.get("spec")) {
            match spec.source {
                Source::TrustedRoot(Text::Entry(entry)) => named.push(match entry.kind {
                    EntryKind::Secret => Reference::Secret(entry.name),
                    EntryKind::ConfigMap => Reference::ConfigMap(entry.name),
                }),
                Source::Remote(_) => is_floored = true,
                Source::TrustedRoot(Text::Inline(_)) | Source::Repository(_) | Source::SigstoreKeys(_) => {}
            }
        }
        objects.root(given)?;
    }
    if is_floored {
        named.push(Reference::Secret(FLOORS_SECRET.to_owned()));
    }
    named.sort();
    named.dedup();
    for reference in &named {
        if let Some(given) = cluster.get(namespace, reference).await? {
            objects.entries(&given)?;
        }
    }
    Ok(objects)
}

impl Cluster {
    async fn list(&self, kind: &str, plural: &str) -> anyhow::Result<Vec<Given>> {
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, V1ALPHA1, kind), plural);
        let objects: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let params = ListParams::default();
        let listed = self.answer(objects.list(&params)).await;
        let listed = listed.with_context(|| format!("cannot list {plural} of {}", self.server))?;
        listed.items.into_iter().map(|object| self.given(kind, object)).collect()
    }

    async fn get(&self, namespace: &str, reference: &Reference) -> anyhow::Result<Option<Given>> {
        let (kind, name) = match reference {
            Reference::Secret(name) => ("Secret", name),
            Reference::ConfigMap(name) => ("ConfigMap", name),
        };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", kind));
        let objects: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let found = self.answer(objects.get_opt(name)).await;
        let found =
            found.with_context(|| format!("cannot read {kind} {namespace}/{name} of {}", self.server))?;
        found.map(|object| self.given(kind, object)).transpose()
    }

    async fn answer<T>(&self, asked: impl Future<Output = kube::Result<T>>) -> anyhow::Result<T> {
        Ok(timeout_at(self.deadline, asked).await.context("no answer in time")??)
    }

    fn given(&self, kind: &str, object: DynamicObject) -> anyhow::Result<Given> {
        let mut object = serde_json::to_value(object).context("the object cannot be decoded")?;
        // Items of a list do not say it themselves.
        object["kind"] = Value::from(kind);
        Ok(Given { origin: self.server.clone(), object })
    }
}
