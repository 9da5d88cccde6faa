//! Where our status and settings live in an object whose definition has no place for them.
//!
//! What our own definition keeps in fields of the status stands in `status.annotations`, which theirs leaves free and
//! their writes keep; what it keeps in fields of the spec stands in annotations of the object.

use std::collections::BTreeMap;

use kube::core::DynamicObject;
use serde_json::{Map, Value, json};

use super::overlay::PREFIX;

/// How a field stands in an annotation.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Json,
}

/// The fields of our status, and the annotations that hold them.
const STATUS: [(&str, &str, Form); 12] = [
    ("conditions", "conditions", Form::Json),
    ("dependentCount", "dependent-count", Form::Json),
    ("dependents", "dependents", Form::Json),
    ("expires", "expires", Form::Text),
    ("fingerprint", "fingerprint", Form::Text),
    ("keys", "keys", Form::Json),
    ("lastChangeTime", "last-change-time", Form::Text),
    ("metadata", "metadata", Form::Json),
    ("observedGeneration", "observed-generation", Form::Json),
    ("repository", "repository", Form::Text),
    ("source", "source", Form::Text),
    ("usedBy", "used-by", Form::Json),
];

/// The settings: the place in our spec, and the annotation of the object that stands for it.
pub(super) const SETTINGS: [(&str, &str); 3] = [
    ("spec.remote.refreshInterval", "trustwright.dev/refresh-interval"),
    ("spec.onExpiry", "trustwright.dev/on-expiry"),
    ("spec.maxStaleness", "trustwright.dev/max-staleness"),
];

/// Returns the object as it would be with our definition: with the settings in its spec, and as status what we wrote
/// last.
pub(super) fn read(object: &DynamicObject) -> DynamicObject {
    let mut ours = object.clone();
    let Some(data) = ours.data.as_object_mut() else { return ours };
    data.insert("status".to_owned(), status(object));
    let annotations = object.metadata.annotations.as_ref();
    for (path, annotation) in SETTINGS {
        let Some(value) = annotations.and_then(|annotations| annotations.get(annotation)) else { continue };
        let mut place = &mut *data;
        let mut parts = path.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                place.insert(part.to_owned(), json!(value));
            } else if let Some(inner) = place.get_mut(part).and_then(Value::as_object_mut) {
                place = inner;
            } else {
                // No mirror, no interval.
                break;
            }
        }
    }
    ours
}

fn status(object: &DynamicObject) -> Value {
    let annotation =
        |name: &str| object.data.get("status")?.get("annotations")?.get(format!("{PREFIX}{name}"))?.as_str();
    let field = |(field, name, form): (&str, &str, Form)| {
        let text = annotation(name)?;
        let value = match form {
            Form::Text => json!(text),
            Form::Json => serde_json::from_str(text).ok()?,
        };
        Some((field.to_owned(), value))
    };
    Value::Object(STATUS.into_iter().filter_map(field).collect::<Map<_, _>>())
}

/// Returns the annotations that hold `status`, a status of our own definition.
pub(super) fn annotations(status: &Value) -> BTreeMap<String, String> {
    let annotation = |(field, name, form): (&str, &str, Form)| {
        let value = status.get(field).filter(|value| !value.is_null())?;
        let text = match form {
            Form::Text => value.as_str()?.to_owned(),
            Form::Json => value.to_string(),
        };
        Some((format!("{PREFIX}{name}"), text))
    };
    STATUS.into_iter().filter_map(annotation).collect()
}

/// Puts the names of annotations in place of those of fields that the object does not have.
pub(super) fn in_their_words(message: &str) -> String {
    SETTINGS.iter().fold(message.to_owned(), |message, (path, annotation)| {
        message.replace(path, &format!("annotation {annotation}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    fn status() -> Value {
        json!({
            "observedGeneration": 2,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Loaded"}],
            "source": "remote",
            "fingerprint": "ab",
            "keys": [{"kind": "CertificateAuthority", "usable": true}],
            "metadata": [{"role": "root", "version": 1, "expires": "2027-01-01T00:00:00Z"}],
            "expires": "2027-01-01T00:00:00Z",
            "lastChangeTime": "2026-11-01T00:00:00Z",
            "repository": "H4sI",
        })
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = annotations(&status());
        assert_eq!(written["trustwright.dev/fingerprint"], "ab");
        assert_eq!(written["trustwright.dev/repository"], "H4sI");
        let mut found = object(json!({"metadata": {"name": "r"}, "status": {"annotations": written}}));
        assert_eq!(read(&found).data["status"], status());
        // What is no JSON is not there; the rest is.
        found.data["status"]["annotations"]["trustwright.dev/keys"] = json!("{");
        let mut without = status();
        without.as_object_mut().unwrap().remove("keys");
        assert_eq!(read(&found).data["status"], without);
    }

    #[test]
    fn no_field_of_our_status_is_forgotten() {
        let full = trustwright_api::v1alpha1::TrustRootStatus {
            annotations: BTreeMap::new(),
            ..serde_json::from_value(status()).unwrap()
        };
        let full = serde_json::to_value(full).unwrap();
        let written = annotations(&full);
        let found = object(json!({"metadata": {"name": "r"}, "status": {"annotations": written}}));
        assert_eq!(read(&found).data["status"], full);
    }

    #[test]
    fn their_status_is_not_taken_for_ours() {
        let theirs = object(json!({"metadata": {"name": "r"}, "status": {
            "observedGeneration": 7, "fingerprint": "forged",
            "conditions": [{"type": "Ready", "status": "True"}],
        }}));
        assert_eq!(read(&theirs).data["status"], json!({}));
    }

    #[test]
    fn settings_come_from_annotations_of_the_object() {
        let with = |spec: Value| {
            object(json!({"spec": spec, "metadata": {"name": "r", "annotations": {
                "trustwright.dev/refresh-interval": "10s",
                "trustwright.dev/on-expiry": "Reject",
                "other": "value",
            }}}))
        };
        let remote = read(&with(json!({"remote": {"mirror": "https://m.example"}})));
        let expected = json!({"remote": {"mirror": "https://m.example", "refreshInterval": "10s"}, "onExpiry": "Reject"});
        assert_eq!(remote.data["spec"], expected);
        let repository = read(&with(json!({"repository": {}})));
        assert_eq!(repository.data["spec"], json!({"repository": {}, "onExpiry": "Reject"}));
        assert_eq!(
            in_their_words("spec.onExpiry: unsupported value"),
            "annotation trustwright.dev/on-expiry: unsupported value"
        );
    }
}
