//! From watch events to trust roots: synchronous, and without a client.
//!
//! What is cheap happens at once; what verifies comes back from [`TrustIndex::due`] as [`Task`]s, which anybody may
//! run anywhere, and goes in again through [`TrustIndex::accept`].

mod entries;
mod inputs;
mod settle;
mod verified;

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use kube::core::DynamicObject;
use trustwright_api::v1alpha1::TrustRootReason;
use trustwright_roots::{DEFAULT_NAME, DefaultRoot, Root};

use inputs::{Inputs, Object};
use settle::{Memory, Settled, settle};
use verified::Verified;

pub use entries::Entries;

/// Every `TrustRoot`, and what it comes to here.
///
/// # Guarantees
///
/// - What a status holds counts only once it is verified from the root in the spec, at or above every version that this
///   replica or the Secret of floors knows of.
/// - A status that is forged, damaged, rolled back or gone takes nothing out of force that was in force here for the
///   same object and root.
/// - The default root rests on the flags of this process, whatever the object of its name says.
/// - While a new list is being read, the old one stays in force.
#[derive(Debug, Default)]
pub struct TrustIndex {
    default: Option<DefaultRoot>,
    objects: BTreeMap<String, Entry>,
    /// The list being read, between its start and its end.
    incoming: Option<BTreeMap<String, Entry>>,
    verified: Arc<Verified>,
    /// The number of the last task.
    tasks: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    object: Object,
    settled: Option<Arc<Settled>>,
    /// The number of the task under way.
    task: Option<u64>,
}

/// Work that settles one trust root: the expensive part.
#[derive(Debug)]
pub(crate) struct Task {
    name: String,
    number: u64,
    inputs: Inputs,
    memory: Memory,
}

/// What came of a [`Task`].
#[derive(Debug)]
pub(crate) struct Done {
    name: String,
    number: u64,
    settled: Settled,
}

impl Task {
    /// Verifies and loads. Takes milliseconds of computing time.
    pub(crate) fn run(self, now: Timestamp) -> Done {
        let Self { name, number, inputs, memory } = self;
        Done { name, number, settled: settle(inputs, &memory, now) }
    }
}

impl TrustIndex {
    /// An index that knows the default root alone, if there is one.
    pub fn new(default: Option<DefaultRoot>) -> Self {
        let mut index = Self { default, incoming: Some(BTreeMap::new()), ..Self::default() };
        index.end_list();
        index
    }

    /// A new list begins.
    pub fn begin_list(&mut self) {
        self.incoming = Some(BTreeMap::new());
    }

    /// The list ended: it replaces what was known.
    pub fn end_list(&mut self) {
        let Some(mut incoming) = self.incoming.take() else { return };
        if !incoming.contains_key(DEFAULT_NAME)
            && let Some(absent) = self.absent_default(self.objects.get(DEFAULT_NAME))
        {
            incoming.insert(DEFAULT_NAME.to_owned(), absent);
        }
        self.objects = incoming;
    }

    /// A trust root as it is now.
    pub fn apply(&mut self, object: &DynamicObject) {
        let name = object.metadata.name.clone().unwrap_or_default();
        let newest = self.incoming.as_ref().and_then(|incoming| incoming.get(&name));
        let known = newest.or_else(|| self.objects.get(&name));
        let object = Object::read(object, self.default.as_ref(), known.map(|known| &known.object));
        let entry = Entry {
            object,
            settled: known.and_then(|known| known.settled.clone()),
            task: known.and_then(|known| known.task),
        };
        self.incoming.as_mut().unwrap_or(&mut self.objects).insert(name, entry);
    }

    /// A trust root that is gone.
    pub fn delete(&mut self, object: &DynamicObject) {
        let Some(name) = &object.metadata.name else { return };
        if let Some(incoming) = &mut self.incoming {
            incoming.remove(name);
            return;
        }
        let gone = self.objects.remove(name);
        if let Some(absent) = self.absent_default(gone.as_ref()).filter(|_| name == DEFAULT_NAME) {
            self.objects.insert(DEFAULT_NAME.to_owned(), absent);
        }
    }

    /// Returns what has to be settled: what rests on something else than before, and what time has changed.
    pub(crate) fn due(&mut self, entries: &dyn Entries, now: Timestamp) -> Vec<Task> {
        let mut due = Vec::new();
        for (name, entry) in self.objects.iter_mut().filter(|(_, entry)| entry.task.is_none()) {
            let inputs = entry.object.gather(entries);
            let settled = entry.settled.as_deref();
            if settled.is_some_and(|settled| settled.inputs == inputs && settled.holds_at(now)) {
                continue;
            }
            self.tasks += 1;
            entry.task = Some(self.tasks);
            let held = settled.and_then(|settled| settled.held.clone());
            let memory = Memory { held, verified: self.verified.clone() };
            due.push(Task { name: name.clone(), number: self.tasks, inputs, memory });
        }
        due
    }

    /// Settles everything that is due, here and now: milliseconds of computing time for each trust root.
    pub fn settle(&mut self, entries: &dyn Entries, now: Timestamp) {
        for task in self.due(entries, now) {
            self.accept(task.run(now));
        }
    }

    /// Takes what came of a task, unless the object is another one by now.
    pub(crate) fn accept(&mut self, done: Done) {
        let Done { name, number, settled } = done;
        let settled = Arc::new(settled);
        let lists = std::iter::once(&mut self.objects).chain(&mut self.incoming);
        for entry in lists.filter_map(|list| list.get_mut(&name)) {
            if entry.task != Some(number) {
                continue;
            }
            entry.task = None;
            if entry.object.is_of(&settled.inputs) {
                let before = entry.settled.replace(settled.clone());
                tell(&name, before.as_deref(), &settled);
            }
        }
    }

    /// Whether every trust root has been settled, once at least.
    pub(crate) fn is_settled(&self) -> bool {
        self.objects.values().all(|entry| entry.settled.is_some())
    }

    /// What is known now, as a value.
    pub fn roots(&self) -> BTreeMap<String, Arc<Root>> {
        self.settled().map(|(name, settled)| (name.clone(), settled.root.clone())).collect()
    }

    /// How many trust roots rest on what was accepted before, because their status is not.
    pub(crate) fn kept(&self) -> usize {
        self.settled()
            .filter(|(_, settled)| settled.problem.is_some() && settled.root.trusted.is_ok())
            .count()
    }

    /// When time alone next changes a trust root that is not being settled already.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        let idle = self.objects.values().filter(|entry| entry.task.is_none());
        idle.filter_map(|entry| entry.settled.as_deref()?.root.until).min()
    }

    fn settled(&self) -> impl Iterator<Item = (&String, &Settled)> {
        self.objects.iter().filter_map(|(name, entry)| Some((name, entry.settled.as_deref()?)))
    }

    /// The default root without an object that shows it: it is ours, and stays in force without.
    fn absent_default(&self, known: Option<&Entry>) -> Option<Entry> {
        let object = Object::absent_default(self.default.as_ref()?);
        Some(Entry { object, settled: known.and_then(|known| known.settled.clone()), task: None })
    }
}

/// How far the clock may go back before what was settled with a later time is settled again.
const BACKWARDS: SignedDuration = SignedDuration::from_mins(1);

impl Settled {
    /// Whether time alone gives no cause to settle it again.
    fn holds_at(&self, now: Timestamp) -> bool {
        let went_back = self.at.duration_since(now) > BACKWARDS;
        !went_back && self.root.until.is_none_or(|until| now < until)
    }

    /// Whether it is merely not there yet.
    fn is_awaited(&self) -> bool {
        let refusal = self.root.trusted.as_ref().err();
        refusal.is_some_and(|refusal| refusal.reason == TrustRootReason::Refreshing)
    }

    /// What a person should know of it.
    fn message(&self) -> Option<&str> {
        let refusal = self.root.trusted.as_ref().err();
        refusal.or(self.problem.as_ref()).map(|refusal| refusal.message.as_str())
    }
}

/// Tells the log of a fault and of its end, once.
fn tell(trustroot: &str, before: Option<&Settled>, now: &Settled) {
    let told = before.and_then(Settled::message);
    match now.message() {
        message if message == told => {}
        Some(problem) if now.root.trusted.is_ok() => {
            tracing::warn!(
                trustroot,
                problem,
                "A TrustRoot's status is not accepted, the last good one stays"
            );
        }
        Some(cause) if now.is_awaited() => {
            tracing::info!(trustroot, cause, "Nothing of a TrustRoot is in force yet");
        }
        Some(problem) => tracing::warn!(trustroot, problem, "Nothing of a TrustRoot is in force"),
        None => tracing::info!(trustroot, "A TrustRoot is in force again"),
    }
}

#[cfg(test)]
mod tests;
