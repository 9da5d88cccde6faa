//! Workload kinds and where their images stand.

use serde_json::Value;
use trustwright_engine::ImageField;

/// A kind with a pod template, or a Pod.
struct Kind {
    group: &'static str,
    name: &'static str,
    /// The plural, by which policies name it.
    resource: &'static str,
    /// Path of the pod spec, as in messages.
    pod_spec: &'static [&'static str],
}

const TEMPLATE: &[&str] = &["spec", "template", "spec"];
const CRON_JOB: &[&str] = &["spec", "jobTemplate", "spec", "template", "spec"];

const KINDS: &[Kind] = &[
    Kind { group: "", name: "Pod", resource: "pods", pod_spec: &["spec"] },
    Kind { group: "apps", name: "Deployment", resource: "deployments", pod_spec: TEMPLATE },
    Kind { group: "apps", name: "ReplicaSet", resource: "replicasets", pod_spec: TEMPLATE },
    Kind { group: "apps", name: "StatefulSet", resource: "statefulsets", pod_spec: TEMPLATE },
    Kind { group: "apps", name: "DaemonSet", resource: "daemonsets", pod_spec: TEMPLATE },
    Kind { group: "batch", name: "Job", resource: "jobs", pod_spec: TEMPLATE },
    Kind { group: "batch", name: "CronJob", resource: "cronjobs", pod_spec: CRON_JOB },
];

/// An image of a workload, with the JSON pointer under which a patch finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) field: ImageField,
    pub(crate) pointer: String,
}

/// The plural name of a kind that has images.
pub(crate) fn resource(group: &str, kind: &str) -> Option<&'static str> {
    KINDS.iter().find(|known| known.group == group && known.name == kind).map(|known| known.resource)
}

/// The pod spec of `object`, and its path for people, which are names with dots between them. The error says what of the
/// object cannot be read.
pub(crate) fn pod_spec<'o>(
    group: &str,
    version: &str,
    kind: &str,
    object: &'o Value,
) -> Result<(String, &'o Value), String> {
    let Some(known) = KINDS.iter().find(|known| known.group == group && known.name == kind) else {
        let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        return Err(format!("unhandled kind: {group_version}, Kind={kind}"));
    };
    let path = known.pod_spec.join(".");
    match object.pointer(&format!("/{}", known.pod_spec.join("/"))).filter(|spec| spec.is_object()) {
        Some(spec) => Ok((path, spec)),
        None => Err(format!("{path}: expected an object")),
    }
}

/// The images of `object`, in the order of the reference: init, plain and ephemeral containers, then image
/// volumes. The error says what of the object cannot be read.
pub(crate) fn images(group: &str, version: &str, kind: &str, object: &Value) -> Result<Vec<Image>, String> {
    let (path, spec) = pod_spec(group, version, kind, object)?;
    let pointer = format!("/{}", path.replace('.', "/"));
    let mut images = Vec::new();
    for (list, below) in
        [("initContainers", ""), ("containers", ""), ("ephemeralContainers", ""), ("volumes", "image")]
    {
        let items = match spec.get(list) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(items)) => items,
            Some(_) => return Err(format!("{path}.{list}: expected a list")),
        };
        for (index, item) in items.iter().enumerate() {
            let at = format!("{path}.{list}[{index}]");
            if !item.is_object() {
                return Err(format!("{at}: expected an object"));
            }
            // A volume has its reference one level deeper, and most volumes have none.
            let (holder, key, inner) = if below.is_empty() {
                (item, "image", "image".to_owned())
            } else {
                match item.get(below) {
                    None | Some(Value::Null) => continue,
                    Some(holder) if !holder.is_object() => {
                        return Err(format!("{at}.{below}: expected an object"));
                    }
                    Some(holder) => (holder, "reference", format!("{below}/reference")),
                }
            };
            let image = match holder.get(key) {
                None | Some(Value::Null) => "",
                Some(Value::String(image)) => image,
                Some(_) => return Err(format!("{at}.{}: expected a string", inner.replace('/', "."))),
            };
            images.push(Image {
                field: ImageField { path: format!("{at}.image"), image: image.to_owned() },
                pointer: format!("{pointer}/{list}/{index}/{inner}"),
            });
        }
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(group: &str, kind: &str, object: &Value) -> Vec<(String, String, String)> {
        images(group, "v1", kind, object)
            .unwrap()
            .into_iter()
            .map(|image| (image.field.path, image.pointer, image.field.image))
            .collect()
    }

    #[test]
    fn every_place_that_runs_or_mounts_an_image_is_found() {
        let spec = json!({
            "initContainers": [{"image": "a"}],
            "containers": [{"image": "b"}, {"name": "none"}],
            "ephemeralContainers": [{"image": "c"}],
            "volumes": [{"emptyDir": {}}, {"image": {"reference": "d"}}, {"image": null}],
        });
        let expected = [
            ("spec.initContainers[0].image", "/spec/initContainers/0/image", "a"),
            ("spec.containers[0].image", "/spec/containers/0/image", "b"),
            ("spec.containers[1].image", "/spec/containers/1/image", ""),
            ("spec.ephemeralContainers[0].image", "/spec/ephemeralContainers/0/image", "c"),
            ("spec.volumes[1].image", "/spec/volumes/1/image/reference", "d"),
        ]
        .map(|(path, pointer, image)| (path.to_owned(), pointer.to_owned(), image.to_owned()));
        assert_eq!(found("", "Pod", &json!({"spec": spec})), expected);
    }

    #[test]
    fn every_kind_has_its_images_where_its_template_is() {
        let spec = json!({"containers": [{"image": "a"}]});
        let template = json!({"spec": {"template": {"spec": spec}}});
        for (group, kind) in [
            ("apps", "Deployment"),
            ("apps", "ReplicaSet"),
            ("apps", "StatefulSet"),
            ("apps", "DaemonSet"),
            ("batch", "Job"),
        ] {
            assert_eq!(found(group, kind, &template)[0].0, "spec.template.spec.containers[0].image");
        }
        let cron = json!({"spec": {"jobTemplate": template}});
        assert_eq!(
            found("batch", "CronJob", &cron)[0].0,
            "spec.jobTemplate.spec.template.spec.containers[0].image"
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_names_the_place() {
        for (group, kind, object, error) in [
            ("", "Service", json!({}), "unhandled kind: v1, Kind=Service"),
            ("apps", "Pod", json!({}), "unhandled kind: apps/v1, Kind=Pod"),
            ("", "Pod", json!({}), "spec: expected an object"),
            ("", "Pod", json!({"spec": {"containers": {}}}), "spec.containers: expected a list"),
            ("", "Pod", json!({"spec": {"containers": ["x"]}}), "spec.containers[0]: expected an object"),
            (
                "",
                "Pod",
                json!({"spec": {"containers": [{"image": 1}]}}),
                "spec.containers[0].image: expected a string",
            ),
            (
                "",
                "Pod",
                json!({"spec": {"volumes": [{"image": {"reference": []}}]}}),
                "spec.volumes[0].image.reference: expected a string",
            ),
        ] {
            assert!(images(group, "v1", kind, &object).unwrap_err().starts_with(error), "{error}");
        }
    }
}
