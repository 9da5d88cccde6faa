//! The `ConfigMaps` that keep texts.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use trustwright_policy::BODY_KEY;

use super::{Error, Source};

const FIELD_MANAGER: &str = "trustwright-policies";
/// Where the text came from, for people.
const SOURCE_ANNOTATION: &str = "trustwright.dev/source";
/// Longest wait for one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where texts are kept.
#[derive(Clone)]
pub(super) struct Store {
    config_maps: Api<ConfigMap>,
}

impl Store {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self { config_maps: Api::namespaced(client, namespace) }
    }

    /// Keeps the text of `source`, which has its digest. One that is there stays as it is: whoever reads it checks it.
    pub(super) async fn keep(&self, source: &Source, text: String) -> Result<(), Error> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let kept = config_map(source, text);
        match tokio::time::timeout(TIMEOUT, self.config_maps.create(&params, &kept)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(()),
            Ok(Err(error)) => Err(Error::Store(Box::new(error))),
            Err(_) => Err(Error::StoreTimeout),
        }
    }
}

fn config_map(source: &Source, text: String) -> ConfigMap {
    let entry = |name: &str, value: String| BTreeMap::from([(name.to_owned(), value)]);
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(source.config_map()),
            labels: Some(entry("app.kubernetes.io/name", "trustwright".to_owned())),
            annotations: Some(entry(SOURCE_ANNOTATION, source.shown())),
            ..ObjectMeta::default()
        },
        // Its name says what is in it.
        immutable: Some(true),
        data: Some(entry(BODY_KEY, text)),
        ..ConfigMap::default()
    }
}
