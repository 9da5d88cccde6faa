//! Objects as the watches keep them.

use std::borrow::Cow;

use kube::{
    Resource,
    core::{ApiResource, DynamicObject, DynamicResourceScope, ObjectMeta, TypeMeta},
};
use serde::Deserialize;

/// An object of any kind, small: as a tree of values, ten thousand policies take a hundred megabytes. Whoever managed
/// which field is left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "DynamicObject")]
pub(crate) struct Packed {
    types: Option<TypeMeta>,
    metadata: ObjectMeta,
    /// Everything else, as JSON.
    data: Box<str>,
}

impl From<DynamicObject> for Packed {
    fn from(object: DynamicObject) -> Self {
        let DynamicObject { types, mut metadata, data } = object;
        metadata.managed_fields = None;
        Self { types, metadata, data: data.to_string().into() }
    }
}

impl Packed {
    /// Returns the object.
    pub(crate) fn unpack(&self) -> DynamicObject {
        // It was written from a value.
        let data = serde_json::from_str(&self.data).unwrap_or_default();
        DynamicObject { types: self.types.clone(), metadata: self.metadata.clone(), data }
    }

    /// Whether `text` is a string in spec or status, in capitals or not; it may be the name of a field, too. For texts
    /// that JSON does not escape.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        let (data, quoted) = (self.data.as_bytes(), format!("\"{text}\""));
        data.windows(quoted.len()).any(|window| window.eq_ignore_ascii_case(quoted.as_bytes()))
    }
}

impl Resource for Packed {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn packed(object: &Value) -> Packed {
        serde_json::from_value(object.clone()).unwrap()
    }

    #[test]
    fn an_object_comes_out_as_it_went_in_but_for_who_managed_its_fields() {
        let mut object = json!({
            "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot",
            "metadata": {"name": "r", "uid": "u", "generation": 3, "managedFields": [{"manager": "m"}]},
            "spec": {"text": "\"ü\n", "number": 1.5, "none": null}, "status": {"list": [[], {}]},
        });
        let unpacked = serde_json::to_value(packed(&object).unpack()).unwrap();
        object["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert_eq!(unpacked, object);
        let without = json!({"metadata": {"name": "r"}});
        assert_eq!(serde_json::to_value(packed(&without).unpack()).unwrap(), without);
    }

    #[test]
    fn what_an_object_names_is_found_wherever_it_stands() {
        let object = packed(&json!({"metadata": {"name": "meta"}, "spec": {"list": [{"name": "shop-KEY"}]}}));
        assert!(object.mentions("shop-key") && object.mentions("SHOP-KEY"));
        for other in ["shop", "shop-keys", "meta"] {
            assert!(!object.mentions(other), "{other}");
        }
    }
}
