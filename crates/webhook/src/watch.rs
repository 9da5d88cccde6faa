//! Keeps the snapshot in step with the API server.

use std::{collections::VecDeque, pin::pin, sync::Arc, thread, time::Duration};

use arc_swap::ArcSwap;
use futures::{Stream, StreamExt as _};
use jiff::Timestamp;
use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use trustwright_policy::{Languages, References, Snapshot};
use trustwright_roots::DefaultRoot;
use trustwright_runtime::{Pauses, objects::Objects};

use crate::{
    Index, Metrics,
    trust_index::{Done, Task, TrustIndex},
};

/// Longest wait until the clock is looked at again: it may have been set.
const CLOCK: Duration = Duration::from_mins(1);

/// How long changes are collected before they are published: a snapshot costs as much as there are policies.
const COLLECTED: Duration = Duration::from_millis(50);

/// Whether all that admission rests on is known here, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// It has been read to the end and verified, once at least.
    Yes,
    /// It has not; the text says what stands in the way.
    No(String),
}

/// What the snapshot is made from.
#[derive(Clone)]
pub struct Sources {
    /// Lists and watches `ClusterImagePolicy` and `TrustRoot` objects.
    pub client: Client,
    /// The Secrets and `ConfigMaps` of our own namespace.
    pub objects: Objects,
    /// The trust root of policies that name none; `None` where it is disabled.
    pub default_root: Option<DefaultRoot>,
    /// What compiles the texts of policies.
    pub languages: Arc<dyn Languages>,
    /// The time.
    pub clock: fn() -> Timestamp,
}

/// Watches policies and trust roots and swaps the snapshot whenever something changes what is in force. Never returns:
/// while the API server is away, what was last seen stays in force, and the watches come back by themselves.
///
/// The first snapshot is published once both lists and the objects of our namespace have been read to the end, and
/// every trust root has been settled. No mirror is asked. `count` counts the snapshots.
pub async fn watch(
    sources: Sources,
    snapshot: Arc<ArcSwap<Snapshot>>,
    metrics: Metrics,
    loaded: watch::Sender<Loaded>,
    count: watch::Sender<u64>,
) {
    let Sources { client, objects, default_root, languages, clock } = sources;
    let policies = Policies { index: Index::new(languages), objects: objects.clone() };
    let mut policies = Watched::new("ClusterImagePolicies", policies);
    let mut roots = Watched::new("TrustRoots", TrustIndex::new(default_root));
    let mut policy_events = pin!(events(client.clone(), "ClusterImagePolicy", "clusterimagepolicies"));
    let mut root_events = pin!(events(client, "TrustRoot", "trustroots"));
    let mut changes = objects.changes();
    let mut work = Work::new(clock);
    let (mut news, mut published) = (false, false);
    // When what is collected is published.
    let mut due: Option<Instant> = None;
    loop {
        let until = roots.index.until().map(|until| clock().duration_until(until));
        let wait = until.map_or(CLOCK, |until| Duration::try_from(until).unwrap_or_default().min(CLOCK));
        // Whether something that trust roots rest on may be another.
        let look = tokio::select! {
            event = policy_events.next() => match event {
                Some(event) => {
                    news |= policies.hear(event);
                    false
                }
                None => return,
            },
            event = root_events.next() => match event {
                Some(event) => {
                    let look = roots.hear(event);
                    news |= look;
                    look
                }
                None => return,
            },
            // Without its sender there are no changes.
            Ok(()) = changes.changed() => {
                news |= policies.index.refresh();
                true
            }
            Some(done) = work.next() => {
                for done in std::iter::once(done).chain(work.ready()) {
                    roots.index.accept(done);
                }
                news = true;
                true
            }
            () = tokio::time::sleep(wait) => true,
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => false,
        };
        // Not marked as seen here, where nobody may look.
        let objects_listed = *changes.borrow() > 0;
        if look && roots.listed && objects_listed {
            work.add(roots.index.due(&objects, clock()));
        }
        let missing = policies.missing().or_else(|| roots.missing()).or_else(|| {
            let reading = || "the Secrets and ConfigMaps of our namespace are being read".to_owned();
            (!objects_listed).then(reading)
        });
        let verifying =
            || (!roots.index.is_settled()).then(|| "the trust roots are being verified".to_owned());
        if let Some(missing) = missing.or_else(verifying).filter(|_| !published) {
            let missing = Loaded::No(missing);
            loaded.send_if_modified(|loaded| {
                *loaded != missing && {
                    *loaded = missing;
                    true
                }
            });
        } else if news {
            let now = Instant::now();
            // The first is not waited for.
            if published && *due.get_or_insert(now + COLLECTED) > now {
                continue;
            }
            (news, due) = (false, None);
            let next = Snapshot { trust: roots.index.roots(), ..policies.index.index.snapshot() };
            metrics.snapshot(&next, roots.index.kept());
            snapshot.store(Arc::new(next));
            count.send_modify(|count| *count = count.wrapping_add(1));
            if !std::mem::replace(&mut published, true) {
                loaded.send_replace(Loaded::Yes);
            }
        }
    }
}

/// What takes a list and the changes after it.
trait List {
    fn begin_list(&mut self);
    fn end_list(&mut self);
    /// Returns whether something else may be in force now.
    fn apply(&mut self, object: &DynamicObject) -> bool;
    fn delete(&mut self, object: &DynamicObject);
}

impl List for TrustIndex {
    fn begin_list(&mut self) {
        self.begin_list();
    }
    fn end_list(&mut self) {
        self.end_list();
    }
    fn apply(&mut self, object: &DynamicObject) -> bool {
        self.apply(object);
        true
    }
    fn delete(&mut self, object: &DynamicObject) {
        self.delete(object);
    }
}

/// The policies, and what they may name.
struct Policies {
    index: Index,
    objects: Objects,
}

impl Policies {
    /// Compiles again what names something that has changed; returns whether anything did.
    fn refresh(&mut self) -> bool {
        self.index.refresh(&references(&self.objects))
    }
}

impl List for Policies {
    fn begin_list(&mut self) {
        self.index.begin_list();
    }
    fn end_list(&mut self) {
        self.index.end_list();
    }
    fn apply(&mut self, object: &DynamicObject) -> bool {
        self.index.apply(object, &references(&self.objects))
    }
    fn delete(&mut self, object: &DynamicObject) {
        self.index.delete(object);
    }
}

/// What policies may name.
fn references(objects: &Objects) -> impl References {
    (|name: &str| objects.secret_entries(name), |name: &str| objects.config_map_entries(name))
}

/// A kind that is watched.
struct Watched<I> {
    /// Its name, of many.
    kind: &'static str,
    index: I,
    /// Whether it has been listed to the end, once at least.
    listed: bool,
    failure: Option<String>,
}

impl<I: List> Watched<I> {
    fn new(kind: &'static str, index: I) -> Self {
        Self { kind, index, listed: false, failure: None }
    }

    /// Returns whether something else may be in force now.
    fn hear(&mut self, event: watcher::Result<watcher::Event<DynamicObject>>) -> bool {
        // A list that begins is none yet.
        if matches!(event, Ok(ref event) if !matches!(event, watcher::Event::Init))
            && self.failure.take().is_some()
        {
            tracing::info!(kind = self.kind, "Watching again");
        }
        match event {
            Ok(watcher::Event::Init) => {
                self.index.begin_list();
                false
            }
            Ok(watcher::Event::InitApply(object)) => {
                self.index.apply(&object);
                false
            }
            Ok(watcher::Event::InitDone) => {
                self.index.end_list();
                self.listed = true;
                true
            }
            Ok(watcher::Event::Apply(object)) => self.index.apply(&object),
            Ok(watcher::Event::Delete(object)) => {
                self.index.delete(&object);
                true
            }
            Err(error) => {
                if self.failure.is_none() {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(kind = self.kind, error, "Cannot watch, will be retried");
                }
                self.failure = Some(format!("cannot watch {}: {error}", self.kind.to_lowercase()));
                false
            }
        }
    }

    /// What stands in the way of the first list.
    fn missing(&self) -> Option<String> {
        let reading = || format!("the {} are being read", self.kind.to_lowercase());
        (!self.listed).then(|| self.failure.clone().unwrap_or_else(reading))
    }
}

/// Objects of one of our kinds, untyped, so that one that does not decode cannot end the watch of all.
fn events(
    client: Client,
    kind: &str,
    plural: &str,
) -> impl Stream<Item = watcher::Result<watcher::Event<DynamicObject>>> + use<> {
    let kind = GroupVersionKind::gvk(trustwright_api::GROUP, "v1alpha1", kind);
    let api = Api::all_with(client, &ApiResource::from_gvk_with_plural(&kind, plural));
    watcher(api, watcher::Config::default()).backoff(Pauses::default())
}

/// Tasks beside the threads that answer requests, as many at once as there are processors.
struct Work {
    clock: fn() -> Timestamp,
    width: usize,
    waiting: VecDeque<Task>,
    running: JoinSet<Done>,
}

impl Work {
    fn new(clock: fn() -> Timestamp) -> Self {
        let width = thread::available_parallelism().map_or(1, usize::from);
        Self { clock, width, waiting: VecDeque::new(), running: JoinSet::new() }
    }

    fn add(&mut self, tasks: Vec<Task>) {
        self.waiting.extend(tasks);
        self.start();
    }

    fn start(&mut self) {
        while self.running.len() < self.width {
            let Some(task) = self.waiting.pop_front() else { return };
            let clock = self.clock;
            self.running.spawn_blocking(move || task.run(clock()));
        }
    }

    /// Waits for the next result; `None` at once where nothing is under way. May be dropped and called again.
    async fn next(&mut self) -> Option<Done> {
        let done = self.running.join_next().await?;
        self.start();
        // A task catches its panics, and nobody cancels it.
        done.ok()
    }

    /// The results that are there already.
    fn ready(&mut self) -> Vec<Done> {
        let mut ready = Vec::new();
        while let Some(done) = self.running.try_join_next() {
            ready.extend(done.ok());
            self.start();
        }
        ready
    }
}

#[cfg(test)]
mod tests;
