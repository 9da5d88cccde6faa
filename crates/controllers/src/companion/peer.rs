//! What the other system has loaded: its `ConfigMap`s `config-sigstore-keys`, one entry for each `TrustRoot`, and
//! `config-image-policies`, one for each `ClusterImagePolicy`; and the `ClusterImagePolicy` objects, to compare.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt as _,
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::sync::{mpsc, watch};

use super::policies::{Policies, Policy, Users};

/// The names of its `ConfigMap`s.
const TRUST_ROOTS: &str = "config-sigstore-keys";
const POLICIES: &str = "config-image-policies";

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
    policies: Arc<Mutex<Policies>>,
}

/// Keeps a [`Peer`] up to date.
pub(crate) struct Follow {
    config_maps: Api<ConfigMap>,
    objects: Api<DynamicObject>,
    entries: watch::Sender<Entries>,
    policies: Arc<Mutex<Policies>>,
    /// Names of objects to look at again.
    changed: mpsc::UnboundedSender<String>,
}

/// Returns the view of what is loaded in `namespace`, and what keeps it. `changed` hears the name of each `TrustRoot`
/// of which something else is loaded, or whose policies are others.
///
/// Needs `list` and `watch` on those `ConfigMap`s and on `clusterimagepolicies`.
pub(super) fn peer(
    client: Client,
    namespace: &str,
    changed: mpsc::UnboundedSender<String>,
) -> (Peer, Follow) {
    let (sender, entries) = watch::channel(None);
    let policies = Arc::<Mutex<Policies>>::default();
    let kind = GroupVersionKind::gvk(trustwright_api::GROUP, "v1alpha1", "ClusterImagePolicy");
    let resource = ApiResource::from_gvk_with_plural(&kind, "clusterimagepolicies");
    let follow = Follow {
        config_maps: Api::namespaced(client.clone(), namespace),
        objects: Api::all_with(client, &resource),
        entries: sender,
        policies: policies.clone(),
        changed,
    };
    (Peer { entries, policies }, follow)
}

impl Peer {
    /// A view of nothing, where there is nobody to look at.
    pub(super) fn unknown() -> Self {
        Self { entries: watch::channel(None).1, policies: Arc::default() }
    }

    /// What is loaded for the `TrustRoot` called `name`.
    pub(super) fn entry(&self, name: &str) -> Entry {
        match &*self.entries.borrow() {
            None => Entry::Unknown,
            Some(entries) => entries.get(name).map_or(Entry::Absent, |text| Entry::Loaded(text.clone())),
        }
    }

    /// Who rests on the `TrustRoot` called `name`; `None` while that is not known.
    pub(super) fn users(&self, name: &str, now: Timestamp) -> Option<Users> {
        lock(&self.policies).users(name, now)
    }
}

impl Follow {
    /// Follows everything. Does not return.
    pub(crate) async fn run(self) {
        tokio::join!(
            self.config_map(TRUST_ROOTS, |entries| self.note(entries)),
            self.config_map(POLICIES, |entries| lock(&self.policies).load(&entries)),
            self.objects(),
        );
    }

    /// Follows one `ConfigMap`; `note` is given what it holds and says which `TrustRoot`s it matters to.
    async fn config_map(&self, name: &str, note: impl Fn(BTreeMap<String, String>) -> BTreeSet<String>) {
        let mut states =
            std::pin::pin!(watcher::watch_object(self.config_maps.clone(), name).default_backoff());
        let mut failing = false;
        while let Some(state) = states.next().await {
            match state {
                Ok(found) => {
                    failing = false;
                    let mut entries = found.and_then(|found| found.data).unwrap_or_default();
                    // What its manifest explains itself with.
                    entries.remove("_example");
                    self.look_again(note(entries));
                }
                Err(error) => warn(&mut failing, name, &error),
            }
        }
        // A watch does not end.
        std::future::pending::<()>().await;
    }

    /// Follows the `ClusterImagePolicy` objects.
    async fn objects(&self) {
        let mut events =
            std::pin::pin!(watcher(self.objects.clone(), watcher::Config::default()).default_backoff());
        let mut failing = false;
        let mut listed = BTreeMap::new();
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    warn(&mut failing, "ClusterImagePolicy", &error);
                    continue;
                }
            };
            failing = false;
            // One that is being deleted is taken out of what is loaded.
            let lasts = |object: &DynamicObject| object.metadata.deletion_timestamp.is_none();
            let concerned = match event {
                watcher::Event::Init => {
                    listed.clear();
                    continue;
                }
                watcher::Event::InitApply(object) => {
                    if lasts(&object) {
                        listed.insert(object.name_any(), Policy::of_object(&object));
                    }
                    continue;
                }
                watcher::Event::InitDone => lock(&self.policies).list(std::mem::take(&mut listed)),
                watcher::Event::Apply(object) => {
                    let policy = lasts(&object).then(|| Policy::of_object(&object));
                    lock(&self.policies).write(&object.name_any(), policy)
                }
                watcher::Event::Delete(object) => lock(&self.policies).write(&object.name_any(), None),
            };
            self.look_again(concerned);
        }
        // A watch does not end.
        std::future::pending::<()>().await;
    }

    /// Takes note of what is loaded for `TrustRoot`s, and returns those of which it is something else.
    fn note(&self, entries: BTreeMap<String, String>) -> BTreeSet<String> {
        let entries = Arc::new(entries);
        let before = self.entries.send_replace(Some(entries.clone()));
        let before = before.as_deref();
        let gone = before.into_iter().flatten().filter(|(name, _)| !entries.contains_key(*name));
        let is_news =
            |(name, text): &(&String, &String)| before.is_none_or(|before| before.get(*name) != Some(*text));
        gone.chain(entries.iter().filter(is_news)).map(|(name, _)| name.clone()).collect()
    }

    fn look_again(&self, names: BTreeSet<String>) {
        for name in names {
            // Nobody listens once we no longer lead.
            drop(self.changed.send(name));
        }
    }
}

fn warn(failing: &mut bool, what: &str, error: &watcher::Error) {
    if !std::mem::replace(failing, true) {
        let error: &dyn Error = error;
        tracing::warn!(what, error, "Cannot see what the Policy Controller has loaded, will be retried");
    }
}

fn lock(policies: &Mutex<Policies>) -> MutexGuard<'_, Policies> {
    policies.lock().unwrap_or_else(PoisonError::into_inner)
}
