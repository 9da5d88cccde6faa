//! Watching the kinds of each namespace.

use futures::{Stream, StreamExt as _, stream, stream::SelectAll};
use kube::{
    Api, Client,
    core::DynamicObject,
    runtime::{WatchStreamExt as _, watcher},
};

use super::workload::Kind;

/// One kind in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) namespace: String,
    pub(super) kind: Kind,
}

/// What was heard of one kind in one namespace.
pub(super) type Heard = (Source, Result<watcher::Event<DynamicObject>, watcher::Error>);

/// The kinds of these namespaces.
pub(super) fn sources(namespaces: &[String]) -> impl Iterator<Item = Source> + '_ {
    let kinds = |namespace: &String| {
        let namespace = namespace.clone();
        Kind::ALL.into_iter().map(move |kind| Source { namespace: namespace.clone(), kind })
    };
    namespaces.iter().flat_map(kinds)
}

/// What happens in these namespaces. One that may not be read disturbs no other, and is asked again after a pause.
pub(super) fn watch(client: &Client, namespaces: &[String]) -> SelectAll<impl Stream<Item = Heard> + use<>> {
    stream::select_all(sources(namespaces).map(|source| {
        // Untyped, so that one object that does not decode cannot end the watch of all.
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), &source.namespace, &source.kind.resource());
        watcher(api, watcher::Config::default())
            .default_backoff()
            .map(move |event| (source.clone(), event))
            .boxed()
    }))
}

/// What the API server said to a watch that it refused for a lack of rights.
pub(super) fn refusal(error: &watcher::Error) -> Option<String> {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => return None,
    };
    (status.code == 403).then(|| status.message.clone())
}
