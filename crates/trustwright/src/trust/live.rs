//! `TrustRoot` objects in a cluster.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, Config};
use serde_json::Value;
use tokio::time::timeout;
use trustwright_api::v1alpha1::TrustRoot;
use trustwright_api::{GROUP, names};

use super::manifest::object_name;

/// Longest wait for the API server.
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns the name in `trustroot/NAME`, and in `trustroot.policy.sigstore.dev/NAME` as `kubectl get -o name` has it.
/// A folder of that path is meant with `./` before it.
pub(super) fn name(source: &str) -> Option<&str> {
    let (kind, name) = source.split_once('/')?;
    let kind = kind.strip_suffix(GROUP).and_then(|kind| kind.strip_suffix('.')).unwrap_or(kind);
    ["trustroot", "trustroots"].contains(&kind).then_some(name)
}

/// Reads the object from the cluster of `KUBECONFIG`, or the one that we run in.
pub(super) async fn read(name: &str) -> anyhow::Result<Value> {
    object_name(name).map_err(|problem| anyhow!("{problem}"))?;
    let config = Config::infer().await.context("no Kubernetes configuration (KUBECONFIG or in-cluster)")?;
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config).context("the Kubernetes configuration cannot be used")?;
    let kind = GroupVersionKind::gvk(GROUP, names::V1ALPHA1, TrustRoot::KIND);
    let objects: Api<DynamicObject> = Api::all_with(client, &ApiResource::from_gvk(&kind));
    let found = timeout(PATIENCE, objects.get_opt(name)).await;
    let found = found.with_context(|| format!("{server} did not answer within {} s", PATIENCE.as_secs()))?;
    let found = found.with_context(|| format!("cannot be read from {server}"))?;
    let found = found.with_context(|| format!("{server} has no such TrustRoot"))?;
    serde_json::to_value(found).context("the object cannot be decoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_by_kind_and_name() {
        for (source, expected) in [
            ("trustroot/sigstore", Some("sigstore")),
            ("trustroots/sigstore", Some("sigstore")),
            ("trustroot.policy.sigstore.dev/sigstore", Some("sigstore")),
            ("./trustroot/sigstore", None),
            ("/trustroot/sigstore", None),
            ("trustroot", None),
            ("roots/sigstore", None),
            ("trustroot.example.com/sigstore", None),
        ] {
            assert_eq!(name(source), expected, "{source}");
        }
    }
}
