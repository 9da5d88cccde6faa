//! Gathering: from an object to what is known about it, with one poll per mirror.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use kube::{Client, ResourceExt as _, core::DynamicObject};
use tokio::{sync::mpsc, task::JoinSet};
use trustwright_api::v1alpha1::{
    ConditionStatus, ConditionType, TrustRootReason, TrustRootStatus, condition,
};
use trustwright_mirror::{BuildError, Mirror, MirrorConfig};
use trustwright_roots::{
    Anchor, Artifact, DEFAULT_NAME, FloorEntry, Refusal, Remote, Root, Source, SourceKind, Spec, Text,
    anchored, floor_key, read,
};
use trustwright_runtime::objects::Objects;

use super::floors::{Floors, FloorsError};
use super::live::{Cause, Live, Shared, State};
use super::poll::Poll;
use super::references::{Access, text};
use super::shown::Shown;
use super::{Observed, Refresh, RefreshFailure, annotation, decide, stored_repository};
use crate::{
    Metrics, Settings,
    dependents::View,
    enforcement::{Enforcement, MOST_USERS},
    status::{Decision, known},
};

/// The annotation whose change asks for a refresh.
const REFRESH: &str = "trustwright.dev/refresh";

/// Every `TrustRoot` while we lead. Dropping it ends all polls.
pub(crate) struct TrustRoots {
    parts: Parts,
    live: Mutex<BTreeMap<String, Live>>,
    tasks: Mutex<JoinSet<()>>,
    floors: Floors,
    /// The client of all mirrors that need no certificates of their own.
    plain: Mirror,
}

/// What [`TrustRoots`] is built from.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) objects: Objects,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) clock: fn() -> Timestamp,
    /// Names of objects to look at again.
    pub(crate) changed: mpsc::UnboundedSender<String>,
    pub(crate) dependents: Arc<View>,
    pub(crate) enforcement: Arc<Enforcement>,
    /// Names of policies to look at again.
    pub(crate) policies_changed: mpsc::UnboundedSender<String>,
}

impl TrustRoots {
    pub(crate) fn new(parts: Parts) -> Result<Self, BuildError> {
        // Any URL will do: every mirror is built beside it.
        let anywhere = trustwright_roots::DEFAULT_MIRROR.parse();
        let anywhere = anywhere.map_err(|_| BuildError::Base("is not a URL"))?;
        let floors = Floors::new(parts.client.clone(), &parts.settings.namespace);
        let plain = Mirror::new(&MirrorConfig::new(anywhere))?;
        Ok(Self { parts, live: Mutex::default(), tasks: Mutex::default(), floors, plain })
    }

    /// The status that `object` should have, from all that is known.
    pub(crate) async fn decide(
        &self,
        object: &DynamicObject,
        now: Timestamp,
    ) -> Result<Decision, FloorsError> {
        let mut observed = self.observe(object, now).await?;
        self.parts.dependents.decided(&object.name_any(), observed.judgement());
        observed.dependents = self.parts.dependents.of(&object.name_any());
        self.enforce(object, &mut observed);
        self.parts.metrics.show(&object.name_any(), Shown::of(&observed, || self.times(&object.name_any())));
        Ok(decide(object, &observed, self.parts.settings.expiry_warning, now))
    }

    /// Has every replica be held against what should be in force, and tells the policies that rest on it.
    fn enforce(&self, object: &DynamicObject, observed: &mut Observed) {
        let name = &object.name_any();
        let root = match &observed.root {
            Ok(root) => root.clone(),
            Err(refusal) => Root::refused(refusal.source_kind.unwrap_or(SourceKind::Remote), refusal.clone()),
        };
        let told = told(object);
        let (in_force, concerned) = self.parts.enforcement.trust_root(name, root, told.as_deref());
        for policy in concerned {
            // Nobody listens once we no longer lead.
            drop(self.parts.policies_changed.send(policy));
        }
        observed.in_force = Some(in_force);
        // A new leader has not looked at every policy yet.
        observed.users =
            (!self.parts.enforcement.is_new()).then(|| self.parts.enforcement.users(name, MOST_USERS));
    }

    /// Keeps the floor of what the status says now. It never says more than the status: a floor above the only copy of
    /// a repository would lock it out.
    pub(crate) async fn applied(&self, object: &DynamicObject) -> Result<(), FloorsError> {
        self.keep_floor(object).await?;
        self.parts.dependents.applied(object);
        Ok(())
    }

    async fn keep_floor(&self, object: &DynamicObject) -> Result<(), FloorsError> {
        let floor = {
            let live = self.live();
            let Some(live) = live.get(&object.name_any()) else { return Ok(()) };
            (live.key.clone(), live.decided.clone())
        };
        if floor.1 == FloorEntry::default() {
            return Ok(());
        }
        self.floors.raise(&floor.0, &floor.1).await
    }

    /// Forgets every object but those of these names.
    pub(crate) fn retain(&self, names: &BTreeSet<String>) {
        self.live().retain(|name, _| names.contains(name));
        self.parts.enforcement.retain_trust_roots(names);
        self.parts.dependents.retain(names);
        self.parts.metrics.retain(names);
    }

    /// Forgets one object.
    pub(crate) fn forget(&self, name: &str) {
        self.live().remove(name);
        for policy in self.parts.enforcement.forget_trust_root(name) {
            drop(self.parts.policies_changed.send(policy));
        }
        self.parts.dependents.forget(name);
        self.parts.metrics.forget(name);
    }

    /// The fingerprint in force of a trust root whose mirror answers: one that fails, or is being asked for the first time,
    /// has its own schedule.
    pub(super) fn refreshable(&self, name: &str) -> Option<String> {
        let shared = self.times(name)?;
        let answers = shared.state().refresh == Refresh::UpToDate;
        self.parts.enforcement.fingerprint(name).filter(|_| answers)
    }

    /// Has the mirror of a trust root asked now, since something was missed in it.
    pub(super) fn refresh_for_miss(&self, name: &str) {
        if let Some(shared) = self.times(name) {
            shared.ask(Cause::Miss);
        }
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<String, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn times(&self, name: &str) -> Option<Arc<Shared>> {
        self.live().get(name).map(|live| live.shared.clone())
    }

    async fn observe(&self, object: &DynamicObject, now: Timestamp) -> Result<Observed, FloorsError> {
        let name = object.name_any();
        let spec = read(object.data.get("spec"))
            .and_then(|spec| anchored(spec, &name, self.parts.settings.default_root.as_ref()));
        let without_mirror = |root| {
            self.live().remove(&name);
            Ok(Observed::of(root))
        };
        match &spec {
            Err(refusal) => without_mirror(Err(refusal.clone())),
            Ok(Spec { source: Source::Remote(remote), .. }) => {
                self.observe_remote(object, remote, &spec, now).await
            }
            Ok(Spec { source: Source::TrustedRoot(text), .. }) => without_mirror(Ok(self.of_text(text, now))),
            Ok(spec) => without_mirror(Root::of_spec(spec, now).ok_or_else(|| Refusal {
                reason: TrustRootReason::InvalidSpec,
                source_kind: Some(spec.kind()),
                message: "spec holds no keys".to_owned(),
            })),
        }
    }

    fn of_text(&self, source: &Text, now: Timestamp) -> Root {
        match text(source, &self.parts.objects) {
            Ok(text) => Root::of_text(&text, now),
            Err(problem) => {
                let (reason, kind) = (TrustRootReason::InvalidReference, SourceKind::TrustedRoot);
                Root::refused(kind, Refusal::new(reason, kind, format!("{kind}: {problem}")))
            }
        }
    }

    async fn observe_remote(
        &self,
        object: &DynamicObject,
        remote: &Remote,
        spec: &Result<Spec, Refusal>,
        now: Timestamp,
    ) -> Result<Observed, FloorsError> {
        let name = object.name_any();
        let key = floor_key(&identity(object), &remote.anchor);
        let known = {
            let live = self.live();
            live.get(&name).is_some_and(|live| live.key == key && live.target == remote.anchor.target)
        };
        if !known {
            let live = self.restore(object, key, &remote.anchor, now).await?;
            self.live().insert(name.clone(), live);
        }
        let failure = self.keep_polling(object, remote);
        let state = match self.live().get_mut(&name) {
            Some(live) => {
                let state = live.shared.state().clone();
                live.decided = state.floor.clone();
                state
            }
            None => State::unasked(None, FloorEntry::default()),
        };
        let refresh = failure.map_or(state.refresh, Refresh::Failed);
        let root = match (&state.artifact, spec) {
            (Some(artifact), Ok(spec)) => Root::of_artifact(artifact, spec.rule, now),
            _ => Root::refused(SourceKind::Remote, self.nothing_yet(&name, &refresh)),
        };
        let packed = state.artifact.map(|artifact| artifact.packed.as_str().into());
        Ok(Observed { refresh: Some(refresh), packed, ..Observed::of(Ok(root)) })
    }

    /// Takes from the status what verifies, and from our Secret what must not be gone below.
    async fn restore(
        &self,
        object: &DynamicObject,
        key: String,
        anchor: &Anchor,
        now: Timestamp,
    ) -> Result<Live, FloorsError> {
        let name = object.name_any();
        let mut stored = self.floors.get(&key).await?;
        if let Some(inherited) = self.inherited(object, anchor) {
            stored = Some(stored.unwrap_or_default().max(&inherited));
        }
        let accepted = stored.as_ref().and_then(FloorEntry::for_restore);
        let restored = stored_repository(object)
            .map(|packed| Artifact::restore(packed, anchor, accepted, now))
            .transpose()
            .unwrap_or_else(|error| {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(trustroot = name, error, "The repository in the status is not put in force");
                None
            });
        let mut floor = stored.unwrap_or_default();
        if let Some(artifact) = &restored {
            floor.accepted = floor.accepted.max(&artifact.floor);
        }
        let state = State::unasked(restored.map(Arc::new), floor);
        Ok(Live {
            key,
            target: anchor.target.clone(),
            shared: Arc::new(Shared::new(state)),
            decided: FloorEntry::default(),
            access: None,
            wish: annotation(object, REFRESH).map(str::to_owned),
            task: None,
        })
    }

    /// The floor that a newer root in the spec inherits: the repository is the same if its chain holds that root.
    fn inherited(&self, object: &DynamicObject, anchor: &Anchor) -> Option<FloorEntry> {
        let live = self.live();
        let live = live.get(&object.name_any())?;
        let same_object = live.key.split('.').next() == Some(identity(object).as_str());
        let state = live.shared.state().clone();
        let archive = state.artifact?.archive().ok()?;
        let in_chain = archive
            .files()
            .any(|(path, bytes)| path.ends_with(".root.json") && bytes == anchor.root.as_slice());
        (same_object && in_chain).then_some(state.floor)
    }

    /// Starts the poll, or starts it anew where it must ask otherwise. Returns why it cannot run.
    fn keep_polling(&self, object: &DynamicObject, remote: &Remote) -> Option<RefreshFailure> {
        let name = object.name_any();
        let wish = annotation(object, REFRESH);
        let mut table = self.live();
        let live = table.get_mut(&name)?;
        let access = match Access::gather(remote, &self.parts.objects) {
            Ok(access) => access,
            Err(failure) => {
                live.stop();
                return Some(failure);
            }
        };
        if live.access.as_ref() == Some(&access) {
            if live.wish.as_deref() != wish {
                live.wish = wish.map(str::to_owned);
                live.shared.ask(Cause::Wish);
            }
            return None;
        }
        live.stop();
        let mirror = match access.mirror(&self.plain) {
            Ok(mirror) => mirror,
            Err(failure) => return Some(failure),
        };
        let poll = Poll {
            name: name.clone(),
            mirror,
            anchor: remote.anchor.clone(),
            interval: remote.refresh_interval,
            shared: live.shared.clone(),
            metrics: self.parts.metrics.clone(),
            clock: self.parts.clock,
        };
        let changed = self.parts.changed.clone();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        // Nobody listens once we no longer lead.
        let task = tasks.spawn(poll.run(move || drop(changed.send(name.clone()))));
        live.wish = wish.map(str::to_owned);
        live.access = Some(access);
        live.task = Some(task);
        None
    }

    fn nothing_yet(&self, name: &str, refresh: &Refresh) -> Refusal {
        let (reason, message) = match refresh {
            Refresh::Failed(failure) => (failure.reason, failure.message.clone()),
            Refresh::Pending | Refresh::UpToDate => {
                (TrustRootReason::Refreshing, "the mirror is being read for the first time".to_owned())
            }
        };
        let embedded = name == DEFAULT_NAME
            && self.parts.settings.default_root.as_ref().is_some_and(|default| default.embedded);
        let message = if embedded {
            format!("{message}; starts from the embedded root.json, which brings no keys by itself")
        } else {
            message
        };
        Refusal::new(reason, SourceKind::Remote, message)
    }
}

/// The fingerprint of which the status says that every replica has it.
fn told(object: &DynamicObject) -> Option<String> {
    let (_, status): (_, TrustRootStatus) = known(object);
    let ready = condition(&status.conditions, ConditionType::SignatureChecksReady.as_str())?;
    (ready.status == ConditionStatus::True).then_some(status.fingerprint).flatten()
}

/// What a floor belongs to: the object, or for the default root the name, as deleting that object must not lower it.
fn identity(object: &DynamicObject) -> String {
    let name = object.name_any();
    if name == DEFAULT_NAME { name } else { object.uid().unwrap_or(name) }
}
