//! What the reconciler of trust roots and the dependents tell each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::{ResourceExt as _, core::DynamicObject};
use tokio::sync::watch;
use trustwright_api::v1alpha1::DependentStatus;

use super::names::ROOT_MATERIAL;
use super::roots::{Judgement, Roots};

/// The dependents of one trust root, as its status shows them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Listed {
    /// Those with a message first, and no more than a status holds.
    pub(crate) entries: Vec<DependentStatus>,
    /// How many there are.
    pub(crate) count: i64,
}

/// A trust root whose annotation is not its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unannotated {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) fingerprint: String,
}

/// What the reconciler of trust roots and the dependents tell each other, while we lead.
#[derive(Debug)]
pub(crate) struct View {
    inner: Mutex<Inner>,
    /// Counts changes of the trust roots.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    roots: Roots,
    /// Judged, and not in the status yet.
    decided: BTreeMap<String, Judgement>,
    objects: BTreeMap<String, Object>,
    /// `None` until all dependents were looked at.
    shown: Option<BTreeMap<String, Listed>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Object {
    uid: String,
    generation: i64,
    annotation: Option<String>,
}

impl View {
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// A trust root was judged; its status may not say so yet.
    pub(crate) fn decided(&self, name: &str, judgement: Judgement) {
        let mut inner = self.inner();
        inner.decided.insert(name.to_owned(), judgement);
        inner.roots.all.entry(name.to_owned()).or_insert(Judgement::Open);
    }

    /// The status of a trust root is what was decided: from now on dependents may rest on it.
    pub(crate) fn applied(&self, object: &DynamicObject) {
        let name = object.name_any();
        let mut inner = self.inner();
        let Some(judgement) = inner.decided.remove(&name) else { return };
        let seen = Object {
            uid: object.uid().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
            annotation: object.annotations().get(ROOT_MATERIAL).cloned(),
        };
        let is_known =
            inner.roots.all.get(&name) == Some(&judgement) && inner.objects.get(&name) == Some(&seen);
        inner.roots.all.insert(name.clone(), judgement);
        inner.objects.insert(name, seen);
        drop(inner);
        if !is_known {
            self.changed();
        }
    }

    /// These are all trust roots that there are.
    pub(crate) fn retain(&self, names: &BTreeSet<String>) {
        let mut inner = self.inner();
        inner.roots.listed = true;
        inner.roots.all.retain(|name, _| names.contains(name));
        inner.decided.retain(|name, _| names.contains(name));
        inner.objects.retain(|name, _| names.contains(name));
        for name in names {
            inner.roots.all.entry(name.clone()).or_insert(Judgement::Open);
        }
        drop(inner);
        self.changed();
    }

    /// A trust root is gone.
    pub(crate) fn forget(&self, name: &str) {
        let mut inner = self.inner();
        inner.roots.all.remove(name);
        inner.decided.remove(name);
        inner.objects.remove(name);
        drop(inner);
        self.changed();
    }

    /// The dependents of a trust root; `None` while they are not known.
    pub(crate) fn of(&self, root: &str) -> Option<Listed> {
        Some(self.inner().shown.as_ref()?.get(root).cloned().unwrap_or_default())
    }

    /// The dependents of each trust root, from now on. Returns the names of those where that is news.
    pub(super) fn show(&self, shown: BTreeMap<String, Listed>) -> Vec<String> {
        let mut inner = self.inner();
        let known = inner.shown.take();
        let names: BTreeSet<&String> = inner.roots.all.keys().chain(shown.keys()).collect();
        let none = Listed::default();
        let is_news = |name: &&String| match &known {
            None => true,
            Some(known) => known.get(*name).unwrap_or(&none) != shown.get(*name).unwrap_or(&none),
        };
        let news = names.into_iter().filter(is_news).cloned().collect();
        inner.shown = Some(shown);
        news
    }

    pub(super) fn roots(&self) -> Roots {
        self.inner().roots.clone()
    }

    /// Tells of each change of [`View::roots`] and [`View::unannotated`].
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The trust roots that are ready and do not say so in their annotation.
    pub(super) fn unannotated(&self) -> Vec<Unannotated> {
        let inner = self.inner();
        let unannotated = |(name, object): (&String, &Object)| {
            let Some(Judgement::Ready(fingerprint)) = inner.roots.all.get(name) else { return None };
            (object.annotation.as_ref() != Some(fingerprint)).then(|| Unannotated {
                name: name.clone(),
                uid: object.uid.clone(),
                generation: object.generation,
                fingerprint: fingerprint.clone(),
            })
        };
        inner.objects.iter().filter_map(unannotated).collect()
    }

    /// A trust root has its annotation; the watch says so a moment later.
    pub(super) fn annotated(&self, root: &Unannotated) {
        if let Some(object) = self.inner().objects.get_mut(&root.name).filter(|object| object.uid == root.uid)
        {
            object.annotation = Some(root.fingerprint.clone());
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
