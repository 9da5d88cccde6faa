//! The Secrets and `ConfigMaps` of our own namespace, as they are now.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

use crate::Pauses;

/// Changes that are kept for those who are slow to hear of them.
const BACKLOG: usize = 256;
/// What Helm keeps is large, and none of our business.
const SECRETS: &str = "type!=helm.sh/release.v1";

/// A view of the objects. Clones share it.
#[derive(Clone)]
pub struct Objects {
    namespace: Arc<str>,
    secrets: Store<Secret>,
    config_maps: Store<ConfigMap>,
    changes: watch::Receiver<u64>,
    touched: broadcast::Sender<Touched>,
}

/// What may be another one now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// Any object: all have been listed anew.
    All,
    /// The Secret or `ConfigMap` of this name.
    One(Arc<str>),
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

    /// One entry of the Secret of that name.
    pub fn secret_entry(&self, name: &str, key: &str) -> Option<Vec<u8>> {
        Some(self.secret(name)?.data.as_ref()?.get(key)?.0.clone())
    }

    /// One entry of the `ConfigMap` of that name, text or binary.
    pub fn config_map_entry(&self, name: &str, key: &str) -> Option<Vec<u8>> {
        let object = self.config_map(name)?;
        let text = object.data.as_ref().and_then(|data| data.get(key)).map(String::as_bytes);
        let bytes = || object.binary_data.as_ref()?.get(key).map(|bytes| bytes.0.as_slice());
        text.or_else(bytes).map(<[u8]>::to_vec)
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

    /// Each change from now on, by the name of the object.
    pub fn touched(&self) -> impl Stream<Item = Touched> + Send + use<> {
        futures::stream::unfold(self.touched.subscribe(), |mut touched| async move {
            match touched.recv().await {
                Ok(one) => Some((one, touched)),
                // Whoever was too slow to hear of each must take it that all have changed.
                Err(RecvError::Lagged(_)) => Some((Touched::All, touched)),
                Err(RecvError::Closed) => None,
            }
        })
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
    let (touched, _) = broadcast::channel(BACKLOG);
    let objects =
        Objects { namespace: namespace.into(), secrets, config_maps, changes, touched: touched.clone() };
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
                // Nobody may be listening.
                let _ = touched.send(match news {
                    News::Changed(name) => Touched::One(name.into()),
                    News::Listed | News::Listing | News::Failed(_) => Touched::All,
                });
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
    Changed(String),
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
            News::Changed(_) => true,
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
    watcher(api, config).backoff(Pauses::default()).modify(|object| object.meta_mut().managed_fields = None)
}

fn news<K: ResourceExt>(event: Result<watcher::Event<K>, watcher::Error>) -> News {
    match event {
        Ok(watcher::Event::InitDone) => News::Listed,
        Ok(watcher::Event::Apply(object) | watcher::Event::Delete(object)) => {
            News::Changed(object.name_any())
        }
        Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => News::Listing,
        Err(error) => News::Failed(error),
    }
}
