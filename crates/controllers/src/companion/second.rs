//! The second `TrustRoot`: the keys of a first one that the Policy Controller can load, kept as the first is.

use jiff::Timestamp;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::{ApiResource, DynamicObject},
};
use serde_json::json;
use trustwright_trust::TrustMaterial;

use super::{
    Error, FIELD_MANAGER,
    loadable::{Loadable, loadable, says},
    within,
};

/// On the first: the name of the second.
pub(super) const WANTED: &str = "trustwright.dev/write-loadable-as";
/// On the second: the name of the first.
const WRITTEN_FROM: &str = "trustwright.dev/written-from";
/// On the second: its own name, so that a copy under another name is nobody's but its maker's.
const WRITTEN_AS: &str = "trustwright.dev/written-as";
const MANAGED_BY: [&str; 2] = ["app.kubernetes.io/managed-by", "trustwright"];
/// On the second: what is in the first and not in it.
const LEFT_OUT: &str = "trustwright.dev/left-out";

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) written: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// When time alone changes it.
    pub(super) again: Option<Timestamp>,
}

impl Outcome {
    fn not(reason: &'static str, message: String) -> Self {
        Self { written: false, reason, message, again: None }
    }
}

/// Sees to it that the object called `name` holds what can be loaded of `first`, whose material is `material`.
///
/// # Errors
/// When it should be tried again.
pub(super) async fn write(
    api: &Api<DynamicObject>,
    resource: &ApiResource,
    first: &DynamicObject,
    name: &str,
    material: &TrustMaterial,
    now: Timestamp,
) -> Result<Outcome, Error> {
    if name == first.name_any() {
        return Ok(Outcome::not("InvalidTarget", format!("{name:?} is the object itself")));
    }
    let Loadable { spec, left_out, again } = match loadable(material, now) {
        Ok(loadable) => loadable,
        Err(refused) => return Ok(Outcome::not("Refused", refused)),
    };
    let annotations =
        json!({WRITTEN_FROM: first.name_any(), WRITTEN_AS: name, LEFT_OUT: left_out.join("; ")});
    let found = match refusal(within("second TrustRoot", api.get_opt(name)).await)? {
        Ok(found) => found,
        Err(refused) => return Ok(Outcome::not("WriteRefused", refused)),
    };
    let done = match found {
        Some(found) if !is_second_of(&found, first) => {
            let message = format!("TrustRoot {name:?} is not ours: {} did not write it", first.name_any());
            return Ok(Outcome::not("NotOurs", message));
        }
        Some(found) => {
            let has = found.metadata.annotations.as_ref().and_then(|all| all.get(LEFT_OUT));
            let is_told = has.map(String::as_str) == Some(&left_out.join("; "));
            if is_told && says(&found.data["spec"], &spec) {
                Ok(None)
            } else {
                let patch = json!({
                    "metadata": {
                        "uid": found.uid(), "resourceVersion": found.resource_version(),
                        "annotations": annotations,
                    },
                    "spec": {"sigstoreKeys": spec["sigstoreKeys"], "remote": null, "repository": null},
                });
                let params =
                    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
                let patch = Patch::Merge(&patch);
                let patched = api.patch(name, &params, &patch);
                refusal(within("second TrustRoot", patched).await)?.map(Some)
            }
        }
        None => {
            let object = json!({
                "apiVersion": resource.api_version, "kind": resource.kind,
                "metadata": {
                    "name": name,
                    "labels": {MANAGED_BY[0]: MANAGED_BY[1]},
                    "annotations": annotations,
                    "ownerReferences": [{
                        "apiVersion": resource.api_version, "kind": resource.kind,
                        "name": first.name_any(), "uid": first.uid(),
                    }],
                },
                "spec": spec,
            });
            let params =
                PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
            match serde_json::from_value(object) {
                Ok(object) => {
                    refusal(within("second TrustRoot", api.create(&params, &object)).await)?.map(Some)
                }
                Err(error) => Err(error.to_string()),
            }
        }
    };
    Ok(match done {
        Ok(_) => {
            let (reason, message) = if left_out.is_empty() {
                ("Written", format!("TrustRoot {name:?} holds everything"))
            } else {
                ("WrittenInPart", format!("TrustRoot {name:?} lacks {}", left_out.join("; ")))
            };
            Outcome { written: true, reason, message, again }
        }
        Err(refused) => Outcome::not("WriteRefused", refused),
    })
}

/// Deletes `second` if nobody wants it any more: the first does not name it, or is another object. Returns whether it
/// did. What we did not write, or may not read, is left alone.
///
/// # Errors
/// When it should be tried again.
pub(super) async fn tidy(api: &Api<DynamicObject>, second: &DynamicObject) -> Result<bool, Error> {
    let Some(first) = written_from(second) else { return Ok(false) };
    let Ok(first) = refusal(within("first TrustRoot", api.get_opt(first)).await)? else { return Ok(false) };
    let wanted = first.is_some_and(|first| {
        annotation(&first, WANTED) == Some(&second.name_any()) && is_second_of(second, &first)
    });
    if wanted {
        return Ok(false);
    }
    Ok(refusal(delete(api, second).await)?.is_ok())
}

/// Deletes the object that was written from `first`, as nothing of that is in force any more.
///
/// # Errors
/// When it should be tried again.
pub(super) async fn withdraw(
    api: &Api<DynamicObject>,
    first: &DynamicObject,
    name: &str,
) -> Result<Outcome, Error> {
    let withdrawn = match refusal(within("second TrustRoot", api.get_opt(name)).await)? {
        Ok(Some(found)) if is_second_of(&found, first) => refusal(delete(api, &found).await)?,
        Ok(_) => Ok(()),
        Err(refused) => Err(refused),
    };
    if let Err(refused) = withdrawn {
        return Ok(Outcome::not("WriteRefused", refused));
    }
    Ok(Outcome::not("Withdrawn", "nothing is in force that could be written".to_owned()))
}

async fn delete(api: &Api<DynamicObject>, second: &DynamicObject) -> Result<(), Error> {
    let preconditions = Preconditions { uid: second.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    match within("second TrustRoot", api.delete(&second.name_any(), &params)).await {
        Ok(_) => Ok(()),
        Err(Error::Write { source, .. }) if matches!(&*source, kube::Error::Api(status) if matches!(status.code, 404 | 409)) => {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn annotation<'o>(object: &'o DynamicObject, name: &str) -> Option<&'o String> {
    object.metadata.annotations.as_ref()?.get(name)
}

/// The name of the object that `second` was written from, if it was.
pub(super) fn written_from(second: &DynamicObject) -> Option<&String> {
    let labels = second.metadata.labels.as_ref()?;
    let is_ours = labels.get(MANAGED_BY[0]).is_some_and(|manager| manager == MANAGED_BY[1])
        && annotation(second, WRITTEN_AS) == Some(&second.name_any());
    annotation(second, WRITTEN_FROM).filter(|_| is_ours)
}

/// Whether `second` was written from this very object.
fn is_second_of(second: &DynamicObject, first: &DynamicObject) -> bool {
    let mut owners = second.metadata.owner_references.iter().flatten();
    written_from(second) == Some(&first.name_any())
        && first.uid().is_some_and(|uid| owners.any(|owner| owner.uid == uid))
}

/// A refusal is no failure: it is said, and stands until something changes. Who came too late tries again.
fn refusal<T>(done: Result<T, Error>) -> Result<Result<T, String>, Error> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(Error::Write { what, source }) => match *source {
            kube::Error::Api(status) if matches!(status.code, 400..=403 | 422) => {
                Ok(Err(status.message.clone()))
            }
            source => Err(Error::Write { what, source: Box::new(source) }),
        },
        Err(error) => Err(error),
    }
}
