//! Which patch an object needs. No I/O.
//!
//! A JSON patch, opened by a `test` of `resourceVersion`: it changes `caBundle` of the entries that are there and
//! nothing else, and is refused if the object changed since it was read, so that an index never hits another entry.
//! Server-side apply would do more than is wanted: it creates an object that the administrator deleted, and an
//! entry that the chart dropped, half made.

use std::fmt::Debug;

use json_patch::{
    AddOperation, PatchOperation, TestOperation,
    jsonptr::{PointerBuf, Token},
};
use k8s_openapi::{
    ByteString,
    api::admissionregistration::v1::{
        MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use serde_json::Value;

/// A Service, by which our entries are recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A place for a bundle in an object.
#[derive(Debug)]
pub struct Slot<'a> {
    /// Where `caBundle` is, as the tokens of a JSON pointer.
    pub path: Vec<Token<'static>>,
    /// Namespace and name of the Service that is called; none if it is called by URL.
    pub service: Option<(&'a str, &'a str)>,
    /// What is there now.
    pub ca_bundle: Option<&'a ByteString>,
}

/// What an object needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Need {
    /// It has no entry of our Service.
    NotOurs,
    /// The bundle is there.
    Nothing,
    /// This patch.
    Write(json_patch::Patch),
}

/// An object that holds a `caBundle`.
pub trait Injectable:
    kube::Resource<DynamicType = ()> + Clone + Debug + serde::de::DeserializeOwned + Send + Sync + 'static
{
    /// Returns all places for a bundle.
    fn slots(&self) -> Vec<Slot<'_>>;
}

/// Decides which patch brings `bundle` (PEM) into those entries of the object that call `service`.
pub fn needs(bundle: &str, service: &ServiceRef, object: &impl Injectable) -> Need {
    let ours = (service.namespace.as_str(), service.name.as_str());
    let slots: Vec<_> = object.slots().into_iter().filter(|slot| slot.service == Some(ours)).collect();
    if slots.is_empty() {
        return Need::NotOurs;
    }
    // Kubernetes' form of bytes in JSON, base64.
    let Ok(value) = serde_json::to_value(ByteString(bundle.as_bytes().to_vec())) else {
        return Need::Nothing;
    };
    let writes: Vec<_> = slots
        .into_iter()
        .filter(|slot| slot.ca_bundle.is_none_or(|there| there.0 != bundle.as_bytes()))
        // `add` replaces a member that exists (RFC 6902, section 4.1).
        .map(|slot| {
            let path = PointerBuf::from_tokens(slot.path);
            PatchOperation::Add(AddOperation { path, value: value.clone() })
        })
        .collect();
    if writes.is_empty() {
        return Need::Nothing;
    }
    let unchanged = PatchOperation::Test(TestOperation {
        path: PointerBuf::from_tokens(["metadata", "resourceVersion"]),
        value: object.meta().resource_version.clone().map_or(Value::Null, Value::String),
    });
    Need::Write(json_patch::Patch(std::iter::once(unchanged).chain(writes).collect()))
}

impl Injectable for MutatingWebhookConfiguration {
    fn slots(&self) -> Vec<Slot<'_>> {
        let webhooks = self.webhooks.iter().flatten();
        webhooks.enumerate().map(|(index, webhook)| webhook_slot(index, &webhook.client_config)).collect()
    }
}

impl Injectable for ValidatingWebhookConfiguration {
    fn slots(&self) -> Vec<Slot<'_>> {
        let webhooks = self.webhooks.iter().flatten();
        webhooks.enumerate().map(|(index, webhook)| webhook_slot(index, &webhook.client_config)).collect()
    }
}

impl Injectable for CustomResourceDefinition {
    fn slots(&self) -> Vec<Slot<'_>> {
        let webhook = self.spec.conversion.as_ref().and_then(|conversion| conversion.webhook.as_ref());
        let config = webhook.and_then(|webhook| webhook.client_config.as_ref());
        let slot = config.map(|config| Slot {
            path: ["spec", "conversion", "webhook", "clientConfig", "caBundle"].map(Token::from).to_vec(),
            service: config
                .service
                .as_ref()
                .map(|service| (service.namespace.as_str(), service.name.as_str())),
            ca_bundle: config.ca_bundle.as_ref(),
        });
        slot.into_iter().collect()
    }
}

fn webhook_slot(index: usize, config: &WebhookClientConfig) -> Slot<'_> {
    Slot {
        path: vec!["webhooks".into(), index.into(), "clientConfig".into(), "caBundle".into()],
        service: config.service.as_ref().map(|service| (service.namespace.as_str(), service.name.as_str())),
        ca_bundle: config.ca_bundle.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BUNDLE: &str = "bundle";
    /// base64 of it.
    const ENCODED: &str = "YnVuZGxl";

    fn service() -> ServiceRef {
        ServiceRef { namespace: "system".to_owned(), name: "webhook".to_owned() }
    }

    fn entry(namespace: &str, name: &str, bundle: Option<&str>) -> Value {
        let mut config = json!({"service": {"namespace": namespace, "name": name}});
        if let Some(bundle) = bundle {
            config["caBundle"] = json!(bundle);
        }
        json!({"name": "a.b.c", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": config})
    }

    fn validating(webhooks: &[Value]) -> ValidatingWebhookConfiguration {
        serde_json::from_value(json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "w", "resourceVersion": "7"}, "webhooks": webhooks,
        }))
        .unwrap()
    }

    fn written(need: &Need) -> Value {
        let Need::Write(patch) = need else { panic!("{need:?}") };
        serde_json::to_value(patch).unwrap()
    }

    #[test]
    fn only_our_entries_that_differ_are_written() {
        let config = validating(&[
            entry("system", "other", None),
            entry("system", "webhook", None),
            entry("elsewhere", "webhook", Some("b2xk")),
            entry("system", "webhook", Some(ENCODED)),
            entry("system", "webhook", Some("b2xk")),
        ]);
        assert_eq!(
            written(&needs(BUNDLE, &service(), &config)),
            json!([
                {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
                {"op": "add", "path": "/webhooks/1/clientConfig/caBundle", "value": ENCODED},
                {"op": "add", "path": "/webhooks/4/clientConfig/caBundle", "value": ENCODED},
            ])
        );
    }

    #[test]
    fn a_bundle_that_is_there_is_not_written_again() {
        let config = validating(&[entry("system", "webhook", Some(ENCODED)), entry("system", "other", None)]);
        assert_eq!(needs(BUNDLE, &service(), &config), Need::Nothing);
    }

    #[test]
    fn configurations_of_others_are_left_alone() {
        assert_eq!(needs(BUNDLE, &service(), &validating(&[])), Need::NotOurs);
        assert_eq!(needs(BUNDLE, &service(), &validating(&[entry("system", "other", None)])), Need::NotOurs);
        let mut by_url = entry("system", "webhook", None);
        by_url["clientConfig"] = json!({"url": "https://webhook.system.svc"});
        assert_eq!(needs(BUNDLE, &service(), &validating(&[by_url])), Need::NotOurs);
    }

    #[test]
    fn the_patch_applies_to_the_object_it_was_made_for() {
        let config = validating(&[entry("system", "webhook", None)]);
        let Need::Write(patch) = needs(BUNDLE, &service(), &config) else { panic!() };
        let mut document = serde_json::to_value(&config).unwrap();
        json_patch::patch(&mut document, &patch).unwrap();
        let patched: ValidatingWebhookConfiguration = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(needs(BUNDLE, &service(), &patched), Need::Nothing);
        document["metadata"]["resourceVersion"] = json!("8");
        assert!(json_patch::patch(&mut document, &patch).is_err());
    }

    #[test]
    fn conversion_webhooks_get_the_bundle_too() {
        let crd = |conversion: Value| -> CustomResourceDefinition {
            serde_json::from_value(json!({
                "metadata": {"name": "things.example.com", "resourceVersion": "9"},
                "spec": {"group": "example.com", "scope": "Cluster", "versions": [], "conversion": conversion,
                         "names": {"plural": "things", "kind": "Thing"}},
            }))
            .unwrap()
        };
        let ours = crd(json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
            "clientConfig": {"service": {"namespace": "system", "name": "webhook"}}}}));
        assert_eq!(
            written(&needs(BUNDLE, &service(), &ours)),
            json!([
                {"op": "test", "path": "/metadata/resourceVersion", "value": "9"},
                {"op": "add", "path": "/spec/conversion/webhook/clientConfig/caBundle", "value": ENCODED},
            ])
        );
        assert_eq!(needs(BUNDLE, &service(), &crd(json!({"strategy": "None"}))), Need::NotOurs);
    }
}
