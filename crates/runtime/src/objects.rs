//! The Secrets and `ConfigMaps` of our own namespace, as they are now.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// What Helm keeps is large, and none of our business.
const SECRETS: &str = "type!=helm.sh/release.v1";

/// A view of the objects. Clones share it.
#[derive(Clone)]
pub struct Objects {
    namespace: Arc<str>,
    secrets: Store<Secret>,
    config_maps: Store<ConfigMap>,
    changes: watch::Receiver<u64>,
}

impl Objects {
    /// The Secret of that name.
    pub fn secret(&self, name: &str) -> Option<Arc<Secret>> {
        self.secrets.get(&ObjectRef::new(name).within(&self.namespace))
    }

    /// The `ConfigMap` of that name.
    pub fn config_map(&self, name: &str) -> Option<Arc<ConfigMap>> {
        self.config_maps.get(&ObjectRef::new(name).within(&self.namespace))
    }

    /// The entries of the Secret of that name.
    pub fn secret_entries(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let secret = self.secret(name)?;
        let data = secret.data.iter().flatten();
        Some(data.map(|(key, bytes)| (key.clone(), bytes.0.clone())).collect())
    }

    /// The text entries of the `ConfigMap` of that name.
    pub fn config_map_entries(&self, name: &str) -> Option<BTreeMap<String, String>> {
        Some(self.config_map(name)?.data.clone().unwrap_or_default())
    }

    /// A number that is another one after every change. Zero until both kinds have been listed to the end.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Waits until both kinds have been listed to the end.
    pub async fn listed(&self) {
        let mut changes = self.changes.clone();
        // The sender lives as long as the work; without it nobody will list anything.
        if changes.wait_for(|changes| *changes > 0).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Watches the Secrets and `ConfigMaps` of `namespace`.
///
/// Returns the view and the future that keeps it, which the caller drives and which does not end: while the API server
/// is away, what was last seen stays.
///
/// Needs `list` and `watch` on Secrets and `ConfigMaps` of the namespace.
pub fn watch(client: Client, namespace: &str) -> (Objects, impl Future<Output = ()> + Send + use<>) {
    let (secrets, secret_writer) = reflector::store();
    let (config_maps, config_map_writer) = reflector::store();
    let (count, changes) = watch::channel(0);
    let objects = Objects { namespace: namespace.into(), secrets, config_maps, changes };
    let secret_events = events::<Secret>(
        Api::namespaced(client.clone(), namespace),
        watcher::Config::default().fields(SECRETS),
    );
    let config_map_events =
        events::<ConfigMap>(Api::namespaced(client, namespace), watcher::Config::default());
    let work = async move {
        let mut events = std::pin::pin!(futures::stream::select(
            reflector::reflector(secret_writer, secret_events).map(|event| (Kind::Secret, news(event))),
            reflector::reflector(config_map_writer, config_map_events)
                .map(|event| (Kind::ConfigMap, news(event))),
        ));
        let (mut secrets, mut config_maps) = (Watched::default(), Watched::default());
        while let Some((kind, news)) = events.next().await {
            let watched = match kind {
                Kind::Secret => &mut secrets,
                Kind::ConfigMap => &mut config_maps,
            };
            if watched.hears(kind, &news) && secrets.listed && config_maps.listed {
                count.send_modify(|count| *count += 1);
            }
        }
    };
    (objects, work)
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    ConfigMap,
    Secret,
}

enum News {
    Listed,
    Changed,
    Listing,
    Failed(watcher::Error),
}

#[derive(Default)]
struct Watched {
    listed: bool,
    failing: bool,
}

impl Watched {
    /// Returns whether the objects may be others now. Tells the log of a fault and of its end, once.
    fn hears(&mut self, kind: Kind, news: &News) -> bool {
        match news {
            News::Listed => {
                self.listed = true;
                if std::mem::take(&mut self.failing) {
                    tracing::info!(?kind, "Watching our namespace again");
                }
                true
            }
            News::Changed => true,
            News::Listing => false,
            News::Failed(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    let error: &dyn Error = error;
                    tracing::warn!(?kind, error, "Cannot watch our namespace, will be retried");
                }
                false
            }
        }
    }
}

fn events<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    watcher(api, config).default_backoff().modify(|object| object.meta_mut().managed_fields = None)
}

fn news<K>(event: Result<watcher::Event<K>, watcher::Error>) -> News {
    match event {
        Ok(watcher::Event::InitDone) => News::Listed,
        Ok(watcher::Event::Apply(_) | watcher::Event::Delete(_)) => News::Changed,
        Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => News::Listing,
        Err(error) => News::Failed(error),
    }
}
