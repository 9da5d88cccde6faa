//! The annotation of trust roots with their own fingerprint: a Policy Controller beside us reads its mirror again when
//! the object changes.

use std::{collections::BTreeMap, error::Error, time::Duration};

use jiff::Timestamp;
use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::json;

use super::apply::{ApplyError, send};
use super::backoff::Backoff;
use super::names::ROOT_MATERIAL;
use super::view::{Unannotated, View};

/// Keeps the annotations, while we lead. Never returns.
///
/// A Policy Controller refuses every write on a trust root whose `spec.repository` has expired. Asking again helps
/// nobody: a refusal stands until the spec or the fingerprint is another one.
pub(super) async fn keep(client: Client, view: &View, clock: fn() -> Timestamp) {
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(trustwright_api::GROUP, trustwright_api::names::V1ALPHA1, "TrustRoot"),
        "trustroots",
    );
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut changes = view.changes();
    let mut refused: BTreeMap<String, Unannotated> = BTreeMap::new();
    let mut backoff: Option<Backoff> = None;
    loop {
        let mut failure = None;
        for root in view.unannotated() {
            if refused.get(&root.name) == Some(&root) {
                continue;
            }
            let body = json!({
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "metadata": {
                    "name": root.name,
                    "uid": root.uid,
                    "annotations": {ROOT_MATERIAL: root.fingerprint},
                },
            });
            match send(&api, &root.name, &body).await {
                Ok(_) => {
                    view.annotated(&root);
                    tracing::info!(
                        trustroot = root.name,
                        fingerprint = root.fingerprint,
                        "TrustRoot annotated"
                    );
                }
                // Deleted, or made anew under this name: the watch brings it.
                Err(ApplyError::Outdated) => {}
                Err(ApplyError::Refused(message)) => {
                    tracing::warn!(
                        trustroot = root.name,
                        message,
                        "The TrustRoot cannot be annotated until its spec or its material changes"
                    );
                    refused.insert(root.name.clone(), root);
                }
                Err(error @ (ApplyError::Failed(_) | ApplyError::Timeout)) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let now = clock();
        let Some(error) = failure else {
            backoff = None;
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
            continue;
        };
        let next = Backoff::after(backoff.as_ref(), None, now);
        if backoff.is_none() {
            let error: &dyn Error = &error;
            tracing::warn!(error, "Cannot annotate TrustRoots, will be retried");
        }
        let wait = Duration::try_from(next.until.duration_since(now)).unwrap_or_default();
        backoff = Some(next);
        tokio::time::sleep(wait).await;
    }
}
