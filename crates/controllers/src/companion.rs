//! Beside another system that verifies: a Policy Controller whose `TrustRoot` definition is not ours.
//!
//! ```text
//! object ── stored::read ──> as with our definition ── TrustRoots::decide ──> our status
//! our status, what the peer has loaded ── say, stored ── overlay ──> their status with ours in it ──> PUT
//! fingerprint, what the peer has loaded ── tell ──> annotation ──> the peer reads its mirror again
//! policies that the peer has loaded ── policies, say ──> which of them rest on it, and whether all that should do
//! keys that the peer can load ── loadable, second ──> another TrustRoot, where that is wished for
//! ```
//!
//! # Guarantees
//!
//! * No field is written that the other definition does not have, and no condition without the severity `Info`: the
//!   other system decodes strictly on every write, and sums up every condition without a severity.
//! * Nothing of another writer is lost: a status is written as a whole, under the resourceVersion that it was read at,
//!   never by server-side apply.
//! * Definitions, webhook configurations and policies are not touched.

mod loadable;
mod overlay;
mod peer;
mod policies;
mod say;
pub(crate) mod schema;
mod second;
mod step;
mod stored;
mod tell;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, TypeMeta},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use trustwright_api::v1alpha1::{ConditionType, TrustRootReason, TrustRootStatus, UsedBy, condition};
use trustwright_roots::{Artifact, Root, Source, read};
use trustwright_trust::{TrustMaterial, tuf::Floor};

use crate::{
    Metrics,
    enforcement::MOST_USERS,
    status::Transition,
    trust_root::{FloorsError, TrustRoots},
};
use overlay::{Ours, overlay};
use peer::{Entry, Peer, peer};
use say::say;
use second::{Outcome, WANTED, written_from};
use step::{Step, step};
use tell::{MATERIAL, TOLD, Tell, Told, tell};

pub(crate) use peer::Follow;
pub(crate) use policies::Users;

const FIELD_MANAGER: &str = "trustwright-companion";
/// Longest wait for one write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Beside whom we run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompanionSettings {
    /// The namespace of the Policy Controller.
    pub policy_controller_namespace: String,
}

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The API server refused.
    #[error("failed to read or write the {what}: {source}")]
    Write {
        /// What was read or written.
        what: &'static str,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} seconds", WRITE_TIMEOUT.as_secs())]
    Timeout,
    /// The floors could not be read or kept.
    #[error(transparent)]
    Floors(#[from] FloorsError),
}

/// What a reconcile came to.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Whether the status was written.
    pub(crate) written: bool,
    /// What to tell about.
    pub(crate) events: Vec<Transition>,
    /// When to look again.
    pub(crate) again: Option<Timestamp>,
}

/// The reconciler of `TrustRoot`s whose definition is not ours.
pub(crate) struct Companion {
    roots: Arc<TrustRoots>,
    api: Api<DynamicObject>,
    resource: ApiResource,
    peer: Peer,
    metrics: Metrics,
    /// Whether the other system is told; our rights suffice for it where we were asked to be its companion.
    tells: bool,
    told: Mutex<BTreeMap<String, Told>>,
    /// The objects that hold what can be loaded of another: its name, and their generation when it was looked at.
    seconds: Mutex<BTreeMap<String, (String, Option<i64>)>>,
    /// Names of objects to look at again.
    changed: mpsc::UnboundedSender<String>,
}

/// An outcome of a write that is no failure.
enum Written {
    Yes(Box<DynamicObject>),
    /// There is a newer object, or none: the watch brings what there is to know.
    Outdated,
}

impl Companion {
    /// Returns the reconciler, and what it follows the other system with. `changed` hears the names of objects to look
    /// at again. Without settings nobody is followed, and nobody told.
    pub(crate) fn new(
        client: Client,
        resource: ApiResource,
        roots: Arc<TrustRoots>,
        settings: Option<&CompanionSettings>,
        metrics: Metrics,
        changed: mpsc::UnboundedSender<String>,
    ) -> (Self, Option<Follow>) {
        let (peer, follow) = match settings {
            Some(settings) => {
                let (peer, follow) =
                    peer(client.clone(), &settings.policy_controller_namespace, changed.clone());
                (peer, Some(follow))
            }
            None => (Peer::unknown(), None),
        };
        let api = Api::all_with(client, &resource);
        let tells = follow.is_some();
        let (told, seconds) = (Mutex::default(), Mutex::default());
        (Self { roots, api, resource, peer, metrics, tells, told, seconds, changed }, follow)
    }

    /// Forgets one object.
    pub(crate) fn forget(&self, name: &str) {
        self.roots.forget(name);
        self.told().remove(name);
        if let Some((first, _)) = self.seconds().remove(name) {
            self.look_again(first);
        }
    }

    /// Forgets every object but those of these names.
    pub(crate) fn retain(&self, names: &BTreeSet<String>) {
        self.roots.retain(names);
        self.told().retain(|name, _| names.contains(name));
        self.seconds().retain(|name, _| names.contains(name));
    }

    /// Decides on one object and writes what has changed.
    ///
    /// # Errors
    /// When a write failed that should be tried again. A write that came too late is no error, and neither is one that
    /// the other system refuses.
    pub(crate) async fn settle(&self, object: &DynamicObject, now: Timestamp) -> Result<Settled, Error> {
        let name = object.name_any();
        if self.tells && self.is_unwanted(object).await? {
            return Ok(Settled::default());
        }
        let ours = stored::read(object);
        let decision = self.roots.decide(&ours, now).await?;
        let mut fields = decision.status.unwrap_or_else(|| ours.data["status"].clone());
        let users = self.peer.users(&name, now);
        if let Some(users) = &users {
            fields["usedBy"] = used_by(users);
            self.metrics.show_users(&name, users);
        }
        let status: TrustRootStatus = serde_json::from_value(fields.clone()).unwrap_or_default();
        let material = material(&ours, &status, now);
        let step = self.step(&name, &status, material.as_deref());
        let second = self.second(object, &status, material.as_deref(), now).await?;
        let about = status.fingerprint.as_deref().map(|fingerprint| {
            let metadata = &object.metadata;
            format!("{:?}/{:?}/{fingerprint}", metadata.uid, metadata.generation)
        });
        let told = self.told().get(&name).filter(|told| Some(&told.about) == about.as_ref()).cloned();
        let refused = told.as_ref().and_then(|told| told.refused.as_deref());
        let said = say(&status, &step, refused, second.as_ref(), users.as_ref());
        let theirs = object.data.get("status").cloned().unwrap_or_default();
        let next =
            overlay(&theirs, &Ours { annotations: stored::annotations(&fields), conditions: said }, now);

        let later =
            [decision.again, second.and_then(|second| second.again), users.and_then(|users| users.again)];
        let again = later.into_iter().flatten().min();
        let mut settled = Settled { again, ..Settled::default() };
        let mut version = object.resource_version();
        if next != theirs {
            match self.write_status(object, next).await? {
                Written::Yes(written) => version = written.resource_version(),
                Written::Outdated => return Ok(soon(settled, now)),
            }
            settled.written = true;
            settled.events = decision.events;
        }
        self.roots.applied(&ours).await?;

        let (Some(fingerprint), Some(about), true) = (&status.fingerprint, about, self.tells) else {
            return Ok(settled);
        };
        let lags = matches!(step, Step::Differs(_)) && says_ready(&theirs);
        let annotations = object.metadata.annotations.as_ref();
        let annotated = annotations.and_then(|all| all.get(MATERIAL)).map(String::as_str);
        let told = told.or_else(|| {
            // Since when it lags is not known; it is looked at from now on.
            lags.then(|| Told { about: about.clone(), at: now, times: 1, refused: None })
        });
        let told_before = told.as_ref().map_or(0, |told| told.times);
        let written = match tell(annotated, fingerprint, lags, told.as_ref(), now) {
            Tell::Nothing => return Ok(settled),
            Tell::At(due) => {
                self.told().extend(told.map(|told| (name, told)));
                settled.again = Some(settled.again.map_or(due, |again| again.min(due)));
                return Ok(settled);
            }
            Tell::Material => self.annotate(object, version, &json!({MATERIAL: fingerprint})).await?,
            Tell::Again => self.annotate(object, version, &json!({TOLD: now.to_string()})).await?,
        };
        let refused = match written {
            Ok(Written::Yes(_)) => None,
            Ok(Written::Outdated) => return Ok(soon(settled, now)),
            Err(refused) => {
                tracing::warn!(trustroot = name, message = refused, "The Policy Controller cannot be told");
                settled = soon(settled, now);
                Some(refused)
            }
        };
        self.told().insert(name, Told { about, at: now, times: told_before + 1, refused });
        Ok(settled)
    }

    fn told(&self) -> MutexGuard<'_, BTreeMap<String, Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seconds(&self) -> MutexGuard<'_, BTreeMap<String, (String, Option<i64>)>> {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_again(&self, name: String) {
        // Nobody listens once we no longer lead.
        drop(self.changed.send(name));
    }

    fn step(&self, name: &str, status: &TrustRootStatus, material: Option<&TrustMaterial>) -> Step {
        let entry = self.peer.entry(name);
        let complaints = status.keys.iter().any(|key| !key.usable);
        match (&entry, material) {
            (Entry::Unknown, _) | (_, None) => Step::Unknown,
            (Entry::Absent, Some(_)) => Step::NotLoaded,
            (Entry::Loaded(text), Some(material)) => step(text, material, complaints),
        }
    }

    /// Whether it was written from another that does not want it any more; then it is deleted. If it is wanted and was
    /// changed, the other one is looked at again.
    async fn is_unwanted(&self, object: &DynamicObject) -> Result<bool, Error> {
        let Some(first) = written_from(object) else { return Ok(false) };
        if second::tidy(&self.api, object).await? {
            return Ok(true);
        }
        let known = (first.clone(), object.metadata.generation);
        let before = self.seconds().insert(object.name_any(), known.clone());
        if before.is_some_and(|before| before != known) {
            self.look_again(known.0);
        }
        Ok(false)
    }

    /// Keeps the second object, if the first wishes for one.
    async fn second(
        &self,
        object: &DynamicObject,
        status: &TrustRootStatus,
        material: Option<&TrustMaterial>,
        now: Timestamp,
    ) -> Result<Option<Outcome>, Error> {
        let annotations = object.metadata.annotations.as_ref();
        let wanted = annotations.and_then(|all| all.get(WANTED)).filter(|name| !name.is_empty());
        let first = object.name_any();
        let unwanted: Vec<String> = self
            .seconds()
            .iter()
            .filter(|(name, (from, _))| *from == first && Some(*name) != wanted)
            .map(|(name, _)| name.clone())
            .collect();
        for name in unwanted {
            self.look_again(name);
        }
        let (Some(name), true) = (wanted, self.tells) else { return Ok(None) };
        if let Some(material) = material {
            return second::write(&self.api, &self.resource, object, name, material, now).await.map(Some);
        }
        let ready = condition(&status.conditions, ConditionType::Ready.as_str());
        let reason = ready.and_then(|ready| ready.reason.as_deref());
        let has_ended =
            [TrustRootReason::Expired, TrustRootReason::Stale].iter().any(|one| reason == Some(one.as_str()));
        if has_ended && status.fingerprint.is_none() {
            return second::withdraw(&self.api, object, name).await.map(Some);
        }
        Ok(None)
    }

    async fn write_status(&self, object: &DynamicObject, status: Value) -> Result<Written, Error> {
        let mut next = object.clone();
        // Objects of a list have none.
        next.types = Some(TypeMeta {
            api_version: self.resource.api_version.clone(),
            kind: self.resource.kind.clone(),
        });
        next.data["status"] = status;
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let name = object.name_any();
        let write = self.api.replace_status(&name, &params, &next);
        match tokio::time::timeout(WRITE_TIMEOUT, write).await {
            Err(_) => Err(Error::Timeout),
            Ok(Ok(written)) => Ok(Written::Yes(Box::new(written))),
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => Ok(Written::Outdated),
            Ok(Err(error)) => Err(Error::Write { what: "status", source: Box::new(error) }),
        }
    }

    /// Writes annotations of the object. The inner error is the other system's refusal, or a missing right.
    async fn annotate(
        &self,
        object: &DynamicObject,
        version: Option<String>,
        annotations: &Value,
    ) -> Result<Result<Written, String>, Error> {
        let patch = json!({
            "metadata": {"uid": object.uid(), "resourceVersion": version, "annotations": annotations},
        });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let name = object.name_any();
        let patch = Patch::Merge(&patch);
        let write = self.api.patch(&name, &params, &patch);
        match tokio::time::timeout(WRITE_TIMEOUT, write).await {
            Err(_) => Err(Error::Timeout),
            Ok(Ok(written)) => Ok(Ok(Written::Yes(Box::new(written)))),
            Ok(Err(kube::Error::Api(status))) => match status.code {
                404 | 409 => Ok(Ok(Written::Outdated)),
                // Too many requests will pass.
                400..=428 | 430..=499 => Ok(Err(status.message.clone())),
                _ => Err(Error::Write { what: "annotation", source: Box::new(kube::Error::Api(status)) }),
            },
            Ok(Err(error)) => Err(Error::Write { what: "annotation", source: Box::new(error) }),
        }
    }
}

/// Makes a request, for as long as one may take.
async fn within<T>(
    what: &'static str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(WRITE_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|source| Error::Write { what, source: Box::new(source) }),
        Err(_) => Err(Error::Timeout),
    }
}

fn soon(settled: Settled, now: Timestamp) -> Settled {
    Settled { again: Some(now), ..settled }
}

/// The field of our status: nothing where nobody rests on it.
fn used_by(users: &Users) -> Value {
    if users.loaded.is_empty() {
        return Value::Null;
    }
    let count = i64::try_from(users.loaded.len()).unwrap_or(i64::MAX);
    json!(UsedBy { count, policies: users.loaded.iter().take(MOST_USERS).cloned().collect() })
}

/// Whether they take themselves to be ready.
fn says_ready(status: &Value) -> bool {
    let conditions = status.get("conditions").and_then(Value::as_array);
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

/// What the status says is in force, for comparison: `None` if nothing is, or it cannot be had again.
fn material(ours: &DynamicObject, status: &TrustRootStatus, now: Timestamp) -> Option<Arc<TrustMaterial>> {
    let fingerprint = status.fingerprint.as_deref()?;
    let spec = read(ours.data.get("spec")).ok()?;
    let root = match &spec.source {
        Source::Remote(remote) => {
            // It has just been decided upon, so whether it has expired by now is no question here.
            let verified_before = Floor { root: 1, ..Floor::default() };
            let packed = status.repository.as_ref()?;
            let artifact = Artifact::restore(&packed.0, &remote.anchor, Some(&verified_before), now).ok()?;
            Root::of_artifact(&artifact, spec.rule, now)
        }
        Source::Repository(_) | Source::SigstoreKeys(_) | Source::TrustedRoot(_) => {
            Root::of_spec(&spec, now)?
        }
    };
    root.trusted.ok().filter(|material| material.fingerprint().to_string() == fingerprint)
}
