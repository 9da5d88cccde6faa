//! `TrustRoot`: what is trusted, for how long, and does refreshing work?
//!
//! ```text
//! gather   TrustRoots ── Live (one per mirror): poll ── refresh ── transport ──> mirror
//!             │                 │                        floors ──> Secret in our namespace
//! decide   Observed ──> decide ──> status, transitions
//! apply    run ──> status (server-side apply), floors, events
//! ```

mod default_object;
mod floors;
mod live;
mod misses;
mod observe;
mod poll;
mod references;
mod refresh;
mod schedule;
mod shown;
mod transitions;
mod transport;

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::DynamicObject;
use serde_json::Value;
use trustwright_api::spec::Base64Data;
use trustwright_api::v1alpha1::{
    ConditionType, RoleStatus, TrustRootReason, TrustRootStatus, TrustedKey, TrustedKeyKind, UsedBy,
};
use trustwright_roots::{Refusal, Root, SourceKind, Standing};
use trustwright_trust::tuf::RoleState;
use trustwright_trust::{KeyKind, KeyReport};

pub(crate) use default_object::keep as keep_default_object;
pub(crate) use floors::FloorsError;
pub(crate) use live::Cause;
pub(crate) use misses::Misses;
pub(crate) use observe::{Parts, TrustRoots};
pub(crate) use shown::Shown;

use crate::dependents::{Judgement, Listed};
use crate::status::{Aspect, Decision, conditions, difference, known};

/// The fields of the status that are ours, besides conditions.
const OWNED: [&str; 11] = [
    "observedGeneration",
    "source",
    "fingerprint",
    "keys",
    "metadata",
    "expires",
    "lastChangeTime",
    "repository",
    "usedBy",
    "dependents",
    "dependentCount",
];

/// How long before their end roles are said to be expiring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryWarning {
    /// For `timestamp` and `snapshot`, which are signed again and again by a machine.
    pub online: SignedDuration,
    /// For all other roles, which people sign.
    pub offline: SignedDuration,
}

/// What was gathered about an object.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    /// What it comes to, or that its spec comes to nothing.
    pub(crate) root: Result<Root, Refusal>,
    /// How refreshing goes; only where there is a mirror.
    pub(crate) refresh: Option<Refresh>,
    /// The repository in force as base64; only where there is a mirror.
    pub(crate) packed: Option<Arc<str>>,
    /// Who depends on it; `None` while that is not known.
    pub(crate) dependents: Option<Listed>,
    /// Whether every live webhook replica has it in force; `None` where nobody asks them.
    pub(crate) in_force: Option<bool>,
    /// How many policies rest on it, and the first of their names; `None` where nobody knows.
    pub(crate) users: Option<(usize, Vec<String>)>,
}

impl Observed {
    /// A root without a mirror, of which nothing else is known yet.
    fn of(root: Result<Root, Refusal>) -> Self {
        Self { root, refresh: None, packed: None, dependents: None, in_force: None, users: None }
    }

    /// What it means to those who depend on it.
    pub(crate) fn judgement(&self) -> Judgement {
        match self.root.as_ref().map(|root| &root.trusted) {
            Ok(Ok(material)) => Judgement::Ready(material.fingerprint().to_string()),
            Ok(Err(_)) if self.refresh == Some(Refresh::Pending) => Judgement::Open,
            Ok(Err(_)) | Err(_) => Judgement::NotReady,
        }
    }
}

/// How refreshing goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// The mirror has not answered yet.
    Pending,
    /// It was read, and what it serves is in force.
    UpToDate,
    /// It was not, or what it serves is not accepted.
    Failed(RefreshFailure),
}

/// Why refreshing failed. Equal for equal causes: no time and no count is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefreshFailure {
    pub(crate) reason: TrustRootReason,
    pub(crate) message: String,
}

/// The status that `object` should have.
pub(crate) fn decide(
    object: &DynamicObject,
    observed: &Observed,
    warning: ExpiryWarning,
    now: Timestamp,
) -> Decision {
    let (previous, known): (_, TrustRootStatus) = known(object);
    let generation = object.metadata.generation;
    let root = observed.root.as_ref().ok();
    let source = match &observed.root {
        Ok(root) => Some(root.source),
        Err(refusal) => refusal.source_kind,
    };
    let metadata = root.map(|root| root.metadata.as_slice()).unwrap_or_default();
    let fingerprint =
        root.and_then(|root| root.trusted.as_ref().ok()).map(|material| material.fingerprint().to_string());
    let (dependents, dependent_count) = match &observed.dependents {
        None => (known.dependents.clone(), known.dependent_count),
        Some(listed) => (listed.entries.clone(), Some(listed.count).filter(|count| *count > 0)),
    };
    let status = TrustRootStatus {
        observed_generation: generation,
        conditions: conditions(&known.conditions, aspects(observed, warning, now), generation, now),
        annotations: BTreeMap::new(),
        source: source.map(|source| source.as_str().to_owned()),
        last_change_time: last_change(&known, fingerprint.as_deref(), now),
        fingerprint,
        keys: root.map(|root| root.reports.iter().map(line).collect()).unwrap_or_default(),
        metadata: metadata.iter().map(role).collect(),
        expires: source.and_then(|source| expires(source, metadata)).map(Time),
        repository: repository(observed, source, &known),
        dependents,
        dependent_count,
        used_by: match &observed.users {
            None => known.used_by.clone(),
            Some((0, _)) => None,
            Some((count, policies)) => {
                Some(UsedBy { count: i64::try_from(*count).unwrap_or(i64::MAX), policies: policies.clone() })
            }
        },
    };
    let again = changes(root, warning).filter(|change| *change > now).min();
    Decision {
        status: difference(previous, &status, &OWNED),
        events: transitions::between(&known, &status),
        again,
    }
}

/// What the status keeps of the repository. One that we cannot put in force stays where we have none that is better:
/// nobody trusts it unseen, and it may be all that is left.
fn repository(
    observed: &Observed,
    source: Option<SourceKind>,
    known: &TrustRootStatus,
) -> Option<Base64Data> {
    match (&observed.packed, source) {
        (Some(packed), _) => Some(Base64Data(packed.to_string())),
        (None, Some(SourceKind::Remote) | None) => known.repository.clone(),
        (None, Some(SourceKind::Repository | SourceKind::SigstoreKeys | SourceKind::TrustedRoot)) => None,
    }
}

fn last_change(known: &TrustRootStatus, fingerprint: Option<&str>, now: Timestamp) -> Option<Time> {
    if known.fingerprint.as_deref() == fingerprint && known.last_change_time.is_some() {
        return known.last_change_time.clone();
    }
    // A root that never trusted anything has not changed.
    (known.fingerprint.is_some() || fingerprint.is_some()).then_some(Time(now))
}

/// Whether a machine signs the role again and again.
fn is_online(role: &str) -> bool {
    matches!(role, "timestamp" | "snapshot")
}

/// When the first role ends that refreshing alone does not extend.
fn expires(source: SourceKind, metadata: &[RoleState]) -> Option<Timestamp> {
    let refreshed = |role: &&RoleState| source == SourceKind::Remote && is_online(&role.role);
    metadata.iter().filter(|role| !refreshed(role)).map(|role| role.expires).min()
}

impl ExpiryWarning {
    /// When `role` starts to be expiring.
    fn starts(&self, role: &RoleState) -> Timestamp {
        let before = if is_online(&role.role) { self.online } else { self.offline };
        role.expires.checked_sub(before).unwrap_or(Timestamp::MIN)
    }
}

/// When time alone changes something.
fn changes(root: Option<&Root>, warning: ExpiryWarning) -> impl Iterator<Item = Timestamp> {
    let roles = root.map(|root| root.metadata.as_slice()).unwrap_or_default();
    let of_roles = roles.iter().flat_map(move |role| [role.expires, warning.starts(role)]);
    of_roles.chain(root.and_then(|root| root.until))
}

fn aspects(observed: &Observed, warning: ExpiryWarning, now: Timestamp) -> Vec<Aspect> {
    let mut aspects = own_aspects(observed, warning, now);
    let ready = aspects.iter().find(|aspect| aspect.type_ == ConditionType::Ready).cloned();
    if let (Some(ready), Some(in_force)) = (ready, observed.in_force) {
        let type_ = ConditionType::SignatureChecksReady;
        aspects.push(match (ready.met, in_force) {
            (false, _) => Aspect::new(type_, false, ready.reason, ready.message),
            (true, true) => {
                let message = "every live webhook replica has it in force";
                Aspect::new(type_, true, TrustRootReason::InForce.as_str(), message)
            }
            (true, false) => {
                let message = "not every live webhook replica has it in force yet, or none is alive";
                Aspect::new(type_, false, TrustRootReason::Spreading.as_str(), message)
            }
        });
    }
    aspects
}

fn own_aspects(observed: &Observed, warning: ExpiryWarning, now: Timestamp) -> Vec<Aspect> {
    let trusted =
        observed.root.as_ref().map_err(|refusal| (refusal, refusal.source_kind)).and_then(|root| {
            root.trusted.as_ref().map(|_| root).map_err(|refusal| (refusal, Some(root.source)))
        });
    let mut aspects = match trusted {
        Ok(root) => {
            let (reason, message) = ready(root, now);
            vec![Aspect::new(ConditionType::Ready, true, reason.as_str(), message)]
        }
        Err((refusal, source)) => refused(refusal, source),
    };
    aspects.extend(refreshed(observed.refresh.as_ref()));
    let Ok(root) = &observed.root else { return aspects };
    if let Some(expired) = root.expired(now) {
        let reason = match root.standing {
            Standing::Kept => TrustRootReason::ExpiredKept,
            Standing::Stale => TrustRootReason::Stale,
            Standing::Current | Standing::Rejected => TrustRootReason::Expired,
        };
        aspects.push(Aspect::new(ConditionType::Expired, true, reason.as_str(), expired));
    }
    if let Some(soon) = expiring(&root.metadata, warning, now) {
        aspects.push(Aspect::new(ConditionType::Expiring, true, TrustRootReason::ExpiresSoon.as_str(), soon));
    }
    if matches!(root.source, SourceKind::SigstoreKeys | SourceKind::TrustedRoot) {
        let message = format!(
            "{} has no TUF metadata: its keys do not expire, and going back to older ones is not noticed",
            root.source
        );
        let reason = TrustRootReason::NotProtectedByTuf.as_str();
        aspects.push(Aspect::new(ConditionType::Unprotected, true, reason, message));
    }
    aspects
}

/// What is said of a root of which nothing is trusted.
fn refused(refusal: &Refusal, source: Option<SourceKind>) -> Vec<Aspect> {
    let (reason, message) = (refusal.reason.as_str(), refusal.message.as_str());
    let waits = if is_tried_again(refusal.reason, source) {
        ConditionType::Reconciling
    } else {
        ConditionType::Stalled
    };
    vec![Aspect::new(ConditionType::Ready, false, reason, message), Aspect::new(waits, true, reason, message)]
}

/// Whether something other than a change of the spec may help. Tools that read kstatus then see progress, and failure
/// otherwise.
fn is_tried_again(reason: TrustRootReason, source: Option<SourceKind>) -> bool {
    match reason {
        // An object of our namespace may appear or change.
        TrustRootReason::InvalidReference => true,
        TrustRootReason::InvalidSpec => false,
        // A mirror may serve something else tomorrow.
        _ => source == Some(SourceKind::Remote),
    }
}

fn ready(root: &Root, now: Timestamp) -> (TrustRootReason, String) {
    let (all, complaints) = (root.reports.len(), root.complaints());
    let usable = all - complaints.len();
    let keys = if complaints.is_empty() {
        format!("all {all} keys can be used")
    } else {
        format!("{usable} of {all} keys can be used; {}", complaints.join("; "))
    };
    match root.expired(now) {
        None => (TrustRootReason::Loaded, keys),
        Some(expired) => {
            let cure = match root.source {
                SourceKind::Repository => ": pack the repository anew",
                SourceKind::Remote | SourceKind::SigstoreKeys | SourceKind::TrustedRoot => "",
            };
            (TrustRootReason::ExpiredKept, format!("{keys}; {expired}, and stays in force{cure}"))
        }
    }
}

fn refreshed(refresh: Option<&Refresh>) -> Option<Aspect> {
    let (met, reason, message) = match refresh? {
        Refresh::Pending => return None,
        Refresh::UpToDate => (true, TrustRootReason::UpToDate, "what the mirror serves is in force"),
        Refresh::Failed(failure) => (false, failure.reason, failure.message.as_str()),
    };
    Some(Aspect::new(ConditionType::Refreshed, met, reason.as_str(), message))
}

fn expiring(roles: &[RoleState], warning: ExpiryWarning, now: Timestamp) -> Option<String> {
    let soon: Vec<String> = roles
        .iter()
        .filter(|role| warning.starts(role) <= now && !role.is_expired(now))
        .map(|role| format!("{} version {} expires at {}", role.role, role.version, role.expires))
        .collect();
    (!soon.is_empty()).then(|| soon.join(", "))
}

fn role(role: &RoleState) -> RoleStatus {
    RoleStatus {
        role: role.role.clone(),
        version: i64::try_from(role.version).unwrap_or(i64::MAX),
        expires: Time(role.expires),
    }
}

fn kind(kind: KeyKind) -> TrustedKeyKind {
    match kind {
        KeyKind::CertificateAuthority => TrustedKeyKind::CertificateAuthority,
        KeyKind::CtLog => TrustedKeyKind::CtLog,
        KeyKind::TimestampAuthority => TrustedKeyKind::TimestampAuthority,
        KeyKind::TransparencyLog => TrustedKeyKind::TransparencyLog,
    }
}

fn line(report: &KeyReport) -> TrustedKey {
    TrustedKey {
        kind: kind(report.kind),
        name: report.name.clone(),
        id: report.id.clone().unwrap_or_default(),
        algorithm: report.algorithm.as_ref().map(ToString::to_string).unwrap_or_default(),
        not_before: report.not_before.map(Time),
        not_after: report.not_after.map(Time),
        usable: report.is_usable(),
        reason: report.problem().map(ToString::to_string),
    }
}

/// The value of an annotation, where the object has it.
fn annotation<'o>(object: &'o DynamicObject, name: &str) -> Option<&'o str> {
    object.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// The status as it was read.
fn stored_repository(object: &DynamicObject) -> Option<&str> {
    object.data.get("status")?.get("repository").and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
