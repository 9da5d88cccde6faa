//! Policies and trust roots of a cluster.

use anyhow::{Context as _, Result};
use kube::{
    Api, Client,
    api::PostParams,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use trustwright_testkit::process::eventually;

use crate::fixture::{SOON, message};

/// A kind of our group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) plural: &'static str,
}

pub(crate) const POLICY: Kind = Kind { name: "ClusterImagePolicy", plural: "clusterimagepolicies" };
pub(crate) const ROOT: Kind = Kind { name: "TrustRoot", plural: "trustroots" };

/// The objects of our group, as the administrator sees them.
#[derive(Clone)]
pub(crate) struct Objects {
    client: Client,
}

impl Objects {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The API of a kind, in its first version.
    pub(crate) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        self.api_in("v1alpha1", kind)
    }

    /// The API of a kind in `version`.
    pub(crate) fn api_in(&self, version: &str, kind: Kind) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk("policy.sigstore.dev", version, kind.name);
        Api::all_with(self.client.clone(), &ApiResource::from_gvk_with_plural(&gvk, kind.plural))
    }

    /// Creates an object; the error is the API server's message.
    pub(crate) async fn create(&self, kind: Kind, name: &str, spec: &Value) -> Result<DynamicObject, String> {
        self.create_in("v1alpha1", kind, name, spec).await
    }

    /// Creates an object in `version`; the error is the API server's message.
    pub(crate) async fn create_in(
        &self,
        version: &str,
        kind: Kind,
        name: &str,
        spec: &Value,
    ) -> Result<DynamicObject, String> {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": format!("policy.sigstore.dev/{version}"), "kind": kind.name,
            "metadata": {"name": name}, "spec": spec,
        }))
        .unwrap();
        self.api_in(version, kind).create(&PostParams::default(), &object).await.map_err(message)
    }

    /// Waits until `Ready` of the object is `expected`, for the spec that it has now, and not only for the time being.
    pub(crate) async fn wait_for_ready(
        &self,
        kind: Kind,
        name: &str,
        expected: &str,
    ) -> Result<DynamicObject> {
        let api = self.api(kind);
        eventually(&format!("{} {name} Ready={expected}", kind.name), SOON, async || {
            let object = api.get(name).await?;
            let ready = condition(&object, "Ready").context("no condition Ready")?;
            anyhow::ensure!(ready["status"] == expected, "{ready}");
            anyhow::ensure!(ready["reason"] != "Refreshing" && ready["reason"] != "Spreading", "{ready}");
            let observed = &object.data["status"]["observedGeneration"];
            anyhow::ensure!(
                observed == &json!(object.metadata.generation),
                "observedGeneration is {observed}"
            );
            Ok(object)
        })
        .await
    }

    /// Waits until a condition of the object is `True`.
    pub(crate) async fn wait_for_condition(
        &self,
        kind: Kind,
        name: &str,
        type_: &str,
    ) -> Result<DynamicObject> {
        let api = self.api(kind);
        eventually(&format!("{} {name} {type_}=True", kind.name), SOON, async || {
            let object = api.get(name).await?;
            let found = condition(&object, type_).context("no such condition")?;
            anyhow::ensure!(found["status"] == "True", "{found}");
            Ok(object)
        })
        .await
    }
}

/// The condition of a type.
pub(crate) fn condition<'a>(object: &'a DynamicObject, type_: &str) -> Option<&'a Value> {
    object.data["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == type_)
}

/// Reason and message of a condition, which has to be there.
pub(crate) fn why<'a>(object: &'a DynamicObject, type_: &str) -> (&'a str, &'a str) {
    let condition = condition(object, type_).unwrap();
    (condition["reason"].as_str().unwrap(), condition["message"].as_str().unwrap())
}
