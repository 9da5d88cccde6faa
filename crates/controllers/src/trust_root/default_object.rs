//! The object that shows the default root.

use std::{error::Error, time::Duration};

use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    core::{ApiResource, DynamicObject},
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use trustwright_api::spec::Base64Data;
use trustwright_roots::{DEFAULT_NAME, DefaultRoot};

const MANAGER: &str = "trustwright";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The sources of a spec besides `remote`.
const OTHER_SOURCES: [&str; 3] = ["repository", "sigstoreKeys", "trustedRoot"];
/// The field of `remote` that says what is read from the repository.
const TARGET: &str = "trustedRootTarget";
/// Longest wait for one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long until it is tried again, and until it is looked after without a reason.
const RETRY: Duration = Duration::from_secs(5);
const CHECK: Duration = Duration::from_hours(1);

/// Why the object is not as it should be.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("the API server refused")]
    Api(#[from] kube::Error),
    #[error("the API server did not answer within {} seconds", TIMEOUT.as_secs())]
    Timeout,
    #[error("TrustRoot {DEFAULT_NAME:?} is not ours: it has no label {MANAGED_BY}={MANAGER}")]
    NotOurs,
}

/// Keeps the object as the flags say, while we lead; without a default root there is none of ours. `touched` says that
/// it may have changed. Never returns.
pub(crate) async fn keep(
    client: Client,
    resource: &ApiResource,
    default_root: Option<&DefaultRoot>,
    touched: &Notify,
) {
    let api: Api<DynamicObject> = Api::all_with(client, resource);
    let mut failing = false;
    loop {
        let done = match tokio::time::timeout(TIMEOUT, settle(&api, resource, default_root)).await {
            Ok(done) => done,
            Err(_) => Err(KeepError::Timeout),
        };
        let wait = match done {
            Ok(()) => {
                failing = false;
                CHECK
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    let error: &dyn Error = &error;
                    tracing::warn!(error, "Cannot keep the default TrustRoot, will be retried");
                }
                RETRY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = touched.notified() => {}
        }
    }
}

async fn settle(
    api: &Api<DynamicObject>,
    resource: &ApiResource,
    default_root: Option<&DefaultRoot>,
) -> Result<(), KeepError> {
    let found = api.get_opt(DEFAULT_NAME).await?;
    let is_ours = |object: &DynamicObject| {
        let labels = object.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(MANAGED_BY)).is_some_and(|manager| manager == MANAGER)
    };
    match (found, default_root) {
        (Some(object), None) if is_ours(&object) => {
            let preconditions = Preconditions { uid: object.metadata.uid, resource_version: None };
            let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            api.delete(DEFAULT_NAME, &params).await?;
            Ok(())
        }
        (Some(object), Some(_)) if !is_ours(&object) => Err(KeepError::NotOurs),
        (None | Some(_), None) => Ok(()),
        (found, Some(default_root)) => {
            let remote = json!({
                "mirror": default_root.mirror.as_str(),
                "root": Base64Data::encode(&default_root.root),
                "targets": trustwright_api::names::DEFAULT_TARGETS,
            });
            match found {
                None => {
                    let object = json!({
                        "apiVersion": resource.api_version,
                        "kind": resource.kind,
                        "metadata": {"name": DEFAULT_NAME, "labels": {MANAGED_BY: MANAGER}},
                        "spec": {"remote": remote},
                    });
                    let params = PatchParams::apply(MANAGER).force();
                    api.patch(DEFAULT_NAME, &params, &Patch::Apply(&object)).await?;
                }
                Some(object) if shows(object.data.get("spec"), &remote) => {}
                Some(_) => {
                    // What others wrote into it counts for nothing, and should not look otherwise. Applying would leave
                    // their source beside ours, which is no valid spec.
                    let mut spec = json!({"remote": remote});
                    for source in OTHER_SOURCES {
                        spec[source] = Value::Null;
                    }
                    spec["remote"][TARGET] = Value::Null;
                    let params =
                        PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
                    api.patch(DEFAULT_NAME, &params, &Patch::Merge(&json!({"spec": spec}))).await?;
                }
            }
            Ok(())
        }
    }
}

/// Whether a spec shows our mirror and anchor, and nothing that contradicts them. How the mirror is asked may be said
/// in it by anybody.
fn shows(spec: Option<&Value>, ours: &Value) -> bool {
    let field = |path: &[&str]| path.iter().try_fold(spec?, |value, name| value.get(name));
    let is_absent = |path: &[&str]| field(path).is_none_or(Value::is_null);
    let same = |name: &&str| field(&["remote", name]) == ours.get(name);
    ["mirror", "root", "targets"].iter().all(same)
        && is_absent(&["remote", TARGET])
        && OTHER_SOURCES.iter().all(|source| is_absent(&[source]))
}
