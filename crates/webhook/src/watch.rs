//! Keeps the snapshot in step with the API server.

use std::{pin::pin, sync::Arc};

use arc_swap::ArcSwap;
use futures::StreamExt as _;
use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::sync::watch;
use trustwright_policy::Snapshot;

use crate::{Index, Metrics};

/// Whether the policies are known here, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// They have been read to the end, once at least.
    Yes,
    /// They have not; the text says what stands in the way.
    No(String),
}

/// Watches `ClusterImagePolicy` objects and swaps the snapshot whenever one changes. Never returns: while the
/// API server is away, what was last seen stays in force, and the watch comes back by itself.
pub async fn watch_policies(
    client: Client,
    snapshot: Arc<ArcSwap<Snapshot>>,
    metrics: Metrics,
    loaded: watch::Sender<Loaded>,
) {
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(trustwright_api::GROUP, "v1alpha1", "ClusterImagePolicy"),
        "clusterimagepolicies",
    );
    // Untyped, so that one object that does not decode cannot end the watch of all.
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut events = pin!(watcher(api, watcher::Config::default()).default_backoff());
    let mut index = Index::default();
    let mut failing = false;
    loop {
        let Some(event) = events.next().await else { return };
        let publish = match event {
            Ok(watcher::Event::Init) => {
                index.begin_list();
                false
            }
            Ok(watcher::Event::InitApply(object)) => {
                index.apply(&object);
                false
            }
            Ok(watcher::Event::InitDone) => {
                index.end_list();
                failing = false;
                true
            }
            Ok(watcher::Event::Apply(object)) => {
                index.apply(&object);
                true
            }
            Ok(watcher::Event::Delete(object)) => {
                index.delete(&object);
                true
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "Cannot watch ClusterImagePolicies"
                    );
                    failing = true;
                }
                loaded.send_if_modified(|loaded| match loaded {
                    Loaded::Yes => false,
                    Loaded::No(reason) => {
                        *reason = format!("cannot watch clusterimagepolicies: {error}");
                        true
                    }
                });
                false
            }
        };
        if publish {
            let next = index.snapshot();
            let broken = next.policies.values().filter(|policy| policy.not_ready().next().is_some()).count();
            metrics.snapshot(next.policies.len(), broken);
            snapshot.store(Arc::new(next));
            loaded.send_if_modified(|loaded| std::mem::replace(loaded, Loaded::Yes) != Loaded::Yes);
        }
    }
}
