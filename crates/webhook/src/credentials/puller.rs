//! Whose pull secrets count.

use serde_json::Value;

use crate::workload;

/// The service account of every pod that names none.
const DEFAULT: &str = "default";

/// Who pulls the images of a workload: where its secrets are, and what they are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Puller {
    /// The workload's namespace.
    pub namespace: String,
    /// The service account of its pods.
    pub service_account: String,
    /// The pull secrets that its pod template names, in order.
    pub pull_secrets: Vec<String>,
}

impl Puller {
    /// Reads the pod template of an object of the given kind. The error is fit for a person.
    pub fn of(
        namespace: &str,
        group: &str,
        version: &str,
        kind: &str,
        object: &Value,
    ) -> Result<Self, String> {
        let (path, spec) = workload::pod_spec(group, version, kind, object)?;
        let text = |holder: &Value, field: &str, path: &str| match holder.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(format!("{path}.{field}: expected a string")),
        };
        let list = match spec.get("imagePullSecrets") {
            None | Some(Value::Null) => &[],
            Some(Value::Array(list)) => list.as_slice(),
            Some(_) => return Err(format!("{path}.imagePullSecrets: expected a list")),
        };
        let mut pull_secrets = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let path = format!("{path}.imagePullSecrets[{index}]");
            if !item.is_object() {
                return Err(format!("{path}: expected an object"));
            }
            pull_secrets.extend(text(item, "name", &path)?);
        }
        // The older field is an alias of the newer one.
        let service_account = match text(spec, "serviceAccountName", &path)? {
            Some(name) => name,
            None => text(spec, "serviceAccount", &path)?.unwrap_or_else(|| DEFAULT.to_owned()),
        };
        Ok(Self { namespace: namespace.to_owned(), service_account, pull_secrets })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn puller(spec: &Value) -> Result<(String, Vec<String>), String> {
        let found = Puller::of("team", "", "v1", "Pod", &json!({ "spec": spec }))?;
        assert_eq!(found.namespace, "team");
        Ok((found.service_account, found.pull_secrets))
    }

    #[test]
    fn a_pod_pulls_by_its_own_secrets_and_its_service_account() {
        for (spec, account, secrets) in [
            (json!({}), "default", &[] as &[&str]),
            (json!({"serviceAccountName": "", "imagePullSecrets": null}), "default", &[]),
            (json!({"serviceAccountName": "a", "serviceAccount": "b"}), "a", &[]),
            (json!({"serviceAccount": "b"}), "b", &[]),
            (
                json!({"imagePullSecrets": [{"name": "x"}, {}, {"name": ""}, {"name": "y"}]}),
                "default",
                &["x", "y"],
            ),
        ] {
            let secrets = secrets.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(puller(&spec), Ok((account.to_owned(), secrets)), "{spec}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_names_the_place() {
        for (spec, error) in [
            (json!({"imagePullSecrets": {}}), "spec.imagePullSecrets: expected a list"),
            (json!({"imagePullSecrets": ["x"]}), "spec.imagePullSecrets[0]: expected an object"),
            (json!({"imagePullSecrets": [{"name": 1}]}), "spec.imagePullSecrets[0].name: expected a string"),
            (json!({"serviceAccountName": 1}), "spec.serviceAccountName: expected a string"),
        ] {
            assert_eq!(puller(&spec), Err(error.to_owned()));
        }
    }

    #[test]
    fn the_pod_template_is_that_of_the_kind() {
        let template = json!({"spec": {"serviceAccountName": "a"}});
        let job = json!({"spec": {"template": template}});
        for (group, kind, object) in
            [("batch", "Job", job.clone()), ("batch", "CronJob", json!({"spec": {"jobTemplate": job}}))]
        {
            let found = Puller::of("team", group, "v1", kind, &object).unwrap();
            assert_eq!(found.service_account, "a");
        }
        let error = Puller::of("team", "", "v1", "Service", &json!({})).unwrap_err();
        assert_eq!(error, "unhandled kind: v1, Kind=Service");
    }
}
