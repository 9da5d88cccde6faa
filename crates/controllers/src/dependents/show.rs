//! What the status of a trust root shows of its dependents.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use trustwright_api::v1alpha1::DependentStatus;

use super::decide::Waiting;
use super::roots::Roots;
use super::view::Listed;
use super::wish::{Declared, Selection};
use super::workload::{Id, Kind, Workload};

/// The most dependents that a status names.
const MAX_ENTRIES: usize = 50;

/// Why a dependent was not told of all that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DependentReason {
    /// The API server does not let us.
    Refused,
    /// Its annotations contradict themselves, or cannot be read.
    Invalid,
    /// A flag names it, and it does not exist.
    NotFound,
    /// The right moment has not come.
    Waiting,
}

impl DependentReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "Refused",
            Self::Invalid => "Invalid",
            Self::NotFound => "NotFound",
            Self::Waiting => "Waiting",
        }
    }
}

/// One dependent with where it is shown.
#[derive(Debug, Clone)]
pub(super) struct Line<'s> {
    roots: &'s Selection,
    entry: DependentStatus,
    workload: Option<&'s Workload>,
}

const EVERYWHERE: &Selection = &Selection::All;

fn entry(id: &Id, why: Option<(DependentReason, String)>) -> DependentStatus {
    let (reason, message) = why.unzip();
    DependentStatus {
        kind: id.kind.as_str().to_owned(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        reason: reason.map(|reason| reason.as_str().to_owned()),
        message,
        ..DependentStatus::default()
    }
}

impl<'s> Line<'s> {
    /// A workload that exists.
    pub(super) fn of(
        id: &Id,
        workload: &'s Workload,
        waiting: Option<Waiting>,
        refusal: Option<&str>,
        roots: &Roots,
    ) -> Self {
        let wish = match &workload.wish {
            Ok(wish) => wish,
            Err(refused) => {
                let why = (DependentReason::Invalid, refused.error.to_string());
                return Self { roots: &refused.roots, entry: entry(id, Some(why)), workload: None };
            }
        };
        let missing = || {
            let missing = roots.missing(&wish.roots);
            let is_known = roots.listed && !missing.is_empty();
            is_known.then(|| format!("there is no TrustRoot {}", missing.join(", ")))
        };
        let why = refusal
            .map(|refusal| (DependentReason::Refused, refusal.to_owned()))
            .or_else(|| Some((DependentReason::Waiting, waiting?.message()?)))
            .or_else(|| Some((DependentReason::Invalid, missing()?)));
        let mut entry = entry(id, why);
        entry.action = Some(wish.on_change.as_str().to_owned());
        entry.since = workload.since.map(Time);
        Self { roots: &wish.roots, entry, workload: Some(workload) }
    }

    /// A workload that a flag names and that does not exist.
    pub(super) fn not_found(declared: &'s Declared) -> Self {
        let message = "--dependent names it, and it does not exist".to_owned();
        let mut entry = entry(&declared.id, Some((DependentReason::NotFound, message)));
        entry.action = Some(declared.wish.on_change.as_str().to_owned());
        Self { roots: &declared.wish.roots, entry, workload: None }
    }

    /// A kind in a namespace that we may not list. What would depend on which trust root, nobody can say.
    pub(super) fn unlisted(kind: Kind, namespace: &str, refusal: &str) -> Self {
        let id = Id { kind, namespace: namespace.to_owned(), name: "*".to_owned() };
        let entry = entry(&id, Some((DependentReason::Refused, refusal.to_owned())));
        Self { roots: EVERYWHERE, entry, workload: None }
    }
}

/// The dependents of each trust root.
pub(super) fn listed(lines: &[Line<'_>], roots: &Roots) -> BTreeMap<String, Listed> {
    let of_root = |root: &String| {
        let mut entries: Vec<DependentStatus> = lines
            .iter()
            .filter(|line| line.roots.includes(root))
            .map(|line| {
                let mut entry = line.entry.clone();
                let known = line.workload.and_then(|workload| workload.known.as_ref());
                // Its own of the fingerprints, so that it can be held against the one of this trust root.
                entry.fingerprint = known.and_then(|known| known.0.get(root).cloned());
                entry
            })
            .collect();
        let order = |entry: &DependentStatus| {
            let id = (entry.kind.clone(), entry.namespace.clone(), entry.name.clone());
            (entry.message.is_none(), id)
        };
        entries.sort_by_cached_key(order);
        let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        entries.truncate(MAX_ENTRIES);
        Listed { entries, count }
    };
    roots.all.keys().map(|root| (root.clone(), of_root(root))).collect()
}
