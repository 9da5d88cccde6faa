//! What the other system has loaded: its `ConfigMap` `config-sigstore-keys`, one entry for each `TrustRoot`.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::sync::{mpsc, watch};

/// The name of its `ConfigMap`.
const CONFIG_MAP: &str = "config-sigstore-keys";

/// What it has loaded, by name of the `TrustRoot`; `None` until that is known.
type Entries = Option<Arc<BTreeMap<String, String>>>;

/// What it has loaded for one `TrustRoot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// That is not known yet, or cannot be.
    Unknown,
    /// Nothing.
    Absent,
    /// This trusted root, as JSON.
    Loaded(String),
}

/// A view of what the other system has loaded.
pub(super) struct Peer {
    entries: watch::Receiver<Entries>,
}

/// Keeps a [`Peer`] up to date.
pub(crate) struct Follow {
    config_maps: Api<ConfigMap>,
    entries: watch::Sender<Entries>,
    /// Names of objects to look at again.
    changed: mpsc::UnboundedSender<String>,
}

/// Returns the view of what is loaded in `namespace`, and what keeps it. `changed` hears the name of each entry that is
/// another one.
///
/// Needs `list` and `watch` on that `ConfigMap`.
pub(super) fn peer(
    client: Client,
    namespace: &str,
    changed: mpsc::UnboundedSender<String>,
) -> (Peer, Follow) {
    let (sender, entries) = watch::channel(None);
    let config_maps = Api::namespaced(client, namespace);
    (Peer { entries }, Follow { config_maps, entries: sender, changed })
}

impl Peer {
    /// A view of nothing, where there is nobody to look at.
    pub(super) fn unknown() -> Self {
        Self { entries: watch::channel(None).1 }
    }

    /// What is loaded for the `TrustRoot` called `name`.
    pub(super) fn entry(&self, name: &str) -> Entry {
        match &*self.entries.borrow() {
            None => Entry::Unknown,
            Some(entries) => entries.get(name).map_or(Entry::Absent, |text| Entry::Loaded(text.clone())),
        }
    }
}

impl Follow {
    /// Follows the `ConfigMap`. Does not return.
    pub(crate) async fn run(self) {
        let mut states =
            std::pin::pin!(watcher::watch_object(self.config_maps.clone(), CONFIG_MAP).default_backoff());
        let mut failing = false;
        while let Some(state) = states.next().await {
            match state {
                Ok(found) => {
                    failing = false;
                    self.note(found.and_then(|found| found.data).unwrap_or_default());
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        let error: &dyn Error = &error;
                        tracing::warn!(
                            error,
                            "Cannot see what the Policy Controller has loaded, will be retried"
                        );
                    }
                }
            }
        }
        // A watch does not end.
        std::future::pending::<()>().await;
    }

    fn note(&self, mut entries: BTreeMap<String, String>) {
        // What its manifest explains itself with.
        entries.remove("_example");
        let before = self.entries.send_replace(Some(Arc::new(entries.clone())));
        let before = before.as_deref();
        let gone = before.into_iter().flatten().filter(|(name, _)| !entries.contains_key(*name));
        let is_news =
            |(name, text): &(&String, &String)| before.is_none_or(|before| before.get(*name) != Some(*text));
        for (name, _) in gone.chain(entries.iter().filter(is_news)) {
            // Nobody listens once we no longer lead.
            drop(self.changed.send(name.clone()));
        }
    }
}
