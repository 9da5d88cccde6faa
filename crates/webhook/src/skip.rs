//! Requests that need no verdict.
//!
//! The webhook configurations leave most of them to the API server (`matchConditions`), so that they also pass
//! while nobody answers here; the same rules stand in code for configurations that lack them.

use kube::core::{GroupVersionKind, admission::Operation};
use serde_json::Value;

use crate::review::Request;

/// Whether the request is none of the images' business: deletion, status, an object on its way out, or a
/// scale-down that changes nothing else of the images. A creation is never one of them, whatever it claims.
pub(crate) fn needs_no_verdict(request: &Request) -> bool {
    match request.operation {
        Operation::Delete | Operation::Connect => true,
        Operation::Create => false,
        Operation::Update => {
            let Some(object) = &request.object else { return false };
            request.sub_resource.as_deref() == Some("status")
                || object.metadata.deletion_timestamp.is_some()
                || request
                    .old_object
                    .as_ref()
                    .is_some_and(|old| scales_down_only(&request.kind, &old.data, &object.data))
        }
    }
}

/// Fewer replicas, and the same pod template.
fn scales_down_only(kind: &GroupVersionKind, old: &Value, new: &Value) -> bool {
    let replicas = |object: &Value| object.pointer("/spec/replicas").and_then(Value::as_i64);
    let template = |object: &Value| object.pointer("/spec/template").cloned();
    kind.group == "apps"
        && matches!(kind.kind.as_str(), "Deployment" | "ReplicaSet" | "StatefulSet")
        && matches!((replicas(old), replicas(new)), (Some(old), Some(new)) if new < old)
        && template(old).is_some()
        && template(old) == template(new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(change: impl FnOnce(&mut Value)) -> Request {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"image": "a"}]}}}});
        let mut old = object.clone();
        old["spec"]["replicas"] = json!(2);
        let mut request = json!({
            "uid": "u", "operation": "UPDATE", "userInfo": {},
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "object": object, "oldObject": old,
        });
        change(&mut request);
        serde_json::from_value(request).unwrap()
    }

    #[test]
    fn scaling_down_passes_and_a_changed_template_in_the_same_request_does_not() {
        assert!(needs_no_verdict(&request(|_| ())));
        let image = "/oldObject/spec/template/spec/containers/0/image";
        assert!(!needs_no_verdict(&request(|r| *r.pointer_mut(image).unwrap() = json!("b"))));
        assert!(!needs_no_verdict(&request(|r| r["oldObject"]["spec"]["replicas"] = json!(1))));
        assert!(!needs_no_verdict(&request(|r| r["oldObject"]["spec"]["replicas"] = json!(0))));
        assert!(!needs_no_verdict(&request(|r| r["kind"]["kind"] = json!("DaemonSet"))));
        assert!(!needs_no_verdict(&request(|r| r["kind"]["group"] = json!("example.com"))));
        assert!(!needs_no_verdict(&request(|r| r["operation"] = json!("CREATE"))));
        assert!(!needs_no_verdict(&request(|r| r["oldObject"] = json!(null))));
    }

    #[test]
    fn deletion_and_status_pass_and_creation_and_ephemeral_containers_do_not() {
        let fresh = |r: &mut Value| r["oldObject"]["spec"]["replicas"] = json!(1);
        assert!(!needs_no_verdict(&request(fresh)));
        assert!(!needs_no_verdict(&request(|r| {
            fresh(r);
            r["subResource"] = json!("ephemeralcontainers");
        })));
        for (operation, passes) in [("UPDATE", true), ("CREATE", false)] {
            for pointer in ["/subResource", "/object/metadata/deletionTimestamp"] {
                let claims = request(|r| {
                    fresh(r);
                    r["operation"] = json!(operation);
                    match pointer {
                        "/subResource" => r["subResource"] = json!("status"),
                        _ => r["object"]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
                    }
                });
                assert_eq!(needs_no_verdict(&claims), passes, "{operation} {pointer}");
            }
        }
        assert!(needs_no_verdict(&request(|r| r["operation"] = json!("DELETE"))));
        assert!(!needs_no_verdict(&request(|r| r["object"] = json!(null))));
    }
}
