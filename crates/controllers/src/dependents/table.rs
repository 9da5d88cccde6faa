//! Everything that is known of workloads, and when to look at each again. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::{ResourceExt as _, core::DynamicObject, runtime::watcher::Event};

use super::DependentSettings;
use super::backoff::Backoff;
use super::decide::{Action, Waiting, decide};
use super::roots::Roots;
use super::show::{Line, listed};
use super::view::Listed;
use super::watch::{Source, sources};
use super::wish::{Declared, Wish};
use super::workload::{Id, Workload};

/// How far the list of one kind in one namespace has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Listing {
    /// It has not been read.
    #[default]
    Open,
    /// It has.
    Complete,
    /// We may not read it.
    Refused(String),
}

/// Everything that is known of workloads.
pub(super) struct Table {
    declared: Vec<Declared>,
    listings: BTreeMap<Source, Listing>,
    /// What a list under way has brought.
    arriving: BTreeMap<Source, BTreeSet<Id>>,
    workloads: BTreeMap<Id, Workload>,
    waiting: BTreeMap<Id, Waiting>,
    failing: BTreeMap<Id, Backoff>,
    due: BTreeMap<Id, Timestamp>,
}

impl Table {
    pub(super) fn new(settings: &DependentSettings) -> Self {
        Self {
            declared: settings.declared.clone(),
            listings: sources(&settings.namespaces).map(|source| (source, Listing::Open)).collect(),
            arriving: BTreeMap::new(),
            workloads: BTreeMap::new(),
            waiting: BTreeMap::new(),
            failing: BTreeMap::new(),
            due: BTreeMap::new(),
        }
    }

    /// Takes in what the watch of `source` says.
    pub(super) fn take(&mut self, source: &Source, event: Event<DynamicObject>, now: Timestamp) {
        match event {
            Event::Init => {
                self.arriving.insert(source.clone(), BTreeSet::new());
            }
            Event::InitApply(object) => {
                let id = self.put(source, &object, now);
                self.arriving.entry(source.clone()).or_default().insert(id);
            }
            Event::InitDone => {
                let arrived = self.arriving.remove(source).unwrap_or_default();
                let is_gone = |id: &&Id| {
                    id.kind == source.kind && id.namespace == source.namespace && !arrived.contains(*id)
                };
                let gone: Vec<Id> = self.workloads.keys().filter(is_gone).cloned().collect();
                for id in &gone {
                    self.remove(id);
                }
                self.set(source, Listing::Complete);
            }
            Event::Apply(object) => {
                self.put(source, &object, now);
            }
            Event::Delete(object) => self.remove(&id(source, &object)),
        }
    }

    /// Takes in an object as it is now.
    pub(super) fn put(&mut self, source: &Source, object: &DynamicObject, now: Timestamp) -> Id {
        let id = id(source, object);
        match Workload::read(id.kind, object, self.wish_by_flag(&id)) {
            None => self.remove(&id),
            Some(workload) => {
                // A namesake starts anew.
                if self.workloads.get(&id).is_some_and(|known| known.uid != workload.uid) {
                    self.remove(&id);
                }
                if self.workloads.get(&id) != Some(&workload) {
                    self.workloads.insert(id.clone(), workload);
                    self.due.insert(id.clone(), now);
                }
            }
        }
        id
    }

    /// Sets how far a list has come; says whether that is news.
    pub(super) fn set(&mut self, source: &Source, listing: Listing) -> bool {
        self.listings.insert(source.clone(), listing.clone()) != Some(listing)
    }

    pub(super) fn listing(&self, source: &Source) -> Option<&Listing> {
        self.listings.get(source)
    }

    /// All are to be looked at, at `at` if not before: roots that change all the time put nothing off for ever.
    pub(super) fn all_due(&mut self, at: Timestamp) {
        for id in self.workloads.keys() {
            let due = self.due.entry(id.clone()).or_insert(at);
            *due = at.min(*due);
        }
    }

    /// When the next one is to be looked at.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.values().min().copied()
    }

    /// What is to be done at `now` with those that are due: what needs a write.
    pub(super) fn decide(
        &mut self,
        roots: &Roots,
        now: Timestamp,
        settings: &DependentSettings,
    ) -> Vec<(Id, Workload, Action)> {
        let due: Vec<Id> = self.due.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone()).collect();
        let mut actions = Vec::new();
        for id in due {
            self.due.remove(&id);
            let Some(workload) = self.workloads.get(&id) else { continue };
            let action = decide(workload, roots, now, settings.restart_interval);
            match &action {
                Action::None => {
                    self.waiting.remove(&id);
                    self.failing.remove(&id);
                }
                Action::Wait(waiting) => {
                    if let Waiting::Until(until) = waiting {
                        self.due.insert(id.clone(), *until);
                    }
                    self.waiting.insert(id, *waiting);
                }
                Action::Record(_) | Action::Restart(_) | Action::Annotate(_) => {
                    self.waiting.remove(&id);
                    match self.failing.get(&id).map(|backoff| backoff.until).filter(|until| *until > now) {
                        Some(until) => {
                            self.due.insert(id, until);
                        }
                        None => actions.push((id, workload.clone(), action)),
                    }
                }
            }
        }
        actions
    }

    /// A write succeeded.
    pub(super) fn succeeded(&mut self, id: &Id) {
        self.failing.remove(id);
    }

    /// A write failed at `now`; says whether in another way than the last time.
    pub(super) fn failed(&mut self, id: &Id, refusal: Option<String>, now: Timestamp) -> bool {
        let previous = self.failing.get(id);
        let backoff = Backoff::after(previous, refusal, now);
        let is_news = backoff.is_news(previous);
        self.due.insert(id.clone(), backoff.until);
        self.failing.insert(id.clone(), backoff);
        is_news
    }

    /// A write came too late: there is a newer object, or none, of which the watch tells. It is looked at `at` in case
    /// that it does not.
    pub(super) fn outdated(&mut self, id: &Id, at: Timestamp) {
        self.due.insert(id.clone(), at);
    }

    /// The dependents of each trust root; `None` while a list has not been read.
    pub(super) fn listed(&self, roots: &Roots) -> Option<BTreeMap<String, Listed>> {
        if !roots.listed || self.listings.values().any(|listing| *listing == Listing::Open) {
            return None;
        }
        let of = |(id, workload)| {
            let refusal = self.failing.get(id).and_then(|backoff| backoff.refusal.as_deref());
            Line::of(id, workload, self.waiting.get(id).copied(), refusal, roots)
        };
        let mut lines: Vec<Line<'_>> = self.workloads.iter().map(of).collect();
        for (source, listing) in &self.listings {
            if let Listing::Refused(refusal) = listing {
                lines.push(Line::unlisted(source.kind, &source.namespace, refusal));
            }
        }
        let is_missing = |declared: &&Declared| {
            let Id { namespace, kind, .. } = &declared.id;
            let source = Source { namespace: namespace.clone(), kind: *kind };
            self.listing(&source) == Some(&Listing::Complete) && !self.workloads.contains_key(&declared.id)
        };
        lines.extend(self.declared.iter().filter(is_missing).map(Line::not_found));
        Some(listed(&lines, roots))
    }

    fn wish_by_flag(&self, id: &Id) -> Option<&Wish> {
        self.declared.iter().find(|declared| declared.id == *id).map(|declared| &declared.wish)
    }

    fn remove(&mut self, id: &Id) {
        self.workloads.remove(id);
        self.waiting.remove(id);
        self.failing.remove(id);
        self.due.remove(id);
    }
}

fn id(source: &Source, object: &DynamicObject) -> Id {
    Id { kind: source.kind, namespace: source.namespace.clone(), name: object.name_any() }
}
