//! A Deployment, `StatefulSet` or `DaemonSet`, reduced to what is decided upon.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use super::known::Known;
use super::names::{KNOWN, MATERIAL, RESTARTED_AT, SINCE};
use super::rollout::{Rollout, rollout};
use super::wish::{Refused, Wish};

/// The kinds that can depend on trust roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `apps/v1` `DaemonSet`.
    DaemonSet,
    /// `apps/v1` `Deployment`.
    Deployment,
    /// `apps/v1` `StatefulSet`.
    StatefulSet,
}

/// Which workload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What is known of one workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    /// What it wishes by its own annotations, or by a flag.
    pub(crate) wish: Result<Wish, Refused>,
    /// What it was told of; `None` where it was not told of anything yet.
    pub(crate) known: Option<Known>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) restarted_at: Option<Timestamp>,
    /// The combined fingerprint on its pod template.
    pub(crate) template_material: Option<String>,
    pub(crate) rollout: Rollout,
    /// Whether it is being deleted.
    pub(crate) ends: bool,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::DaemonSet, Self::Deployment, Self::StatefulSet];

    /// The name of the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DaemonSet => "DaemonSet",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
        }
    }

    const fn plural(self) -> &'static str {
        match self {
            Self::DaemonSet => "daemonsets",
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
        }
    }

    pub(crate) fn resource(self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("apps", "v1", self.as_str()), self.plural())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

impl Workload {
    /// Reads an object; `None` where it wishes nothing, and `by_flag` wishes nothing for it. What the object says
    /// itself counts, also where it cannot be granted: whoever owns it knows best.
    pub(crate) fn read(kind: Kind, object: &DynamicObject, by_flag: Option<&Wish>) -> Option<Self> {
        let none = BTreeMap::new();
        let annotations = object.metadata.annotations.as_ref().unwrap_or(&none);
        let wish = Wish::read(annotations).or_else(|| by_flag.map(|wish| Ok(wish.clone())))?;
        let time = |name: &str| annotations.get(name).and_then(|text| text.parse().ok());
        Some(Self {
            uid: object.metadata.uid.clone()?,
            resource_version: object.metadata.resource_version.clone()?,
            wish,
            known: annotations.get(KNOWN).and_then(|text| Known::parse(text)),
            since: time(SINCE),
            restarted_at: time(RESTARTED_AT),
            template_material: template_material(&object.data),
            rollout: rollout(kind, object.metadata.generation, &object.data),
            ends: object.metadata.deletion_timestamp.is_some(),
        })
    }
}

fn template_material(data: &Value) -> Option<String> {
    let annotations = data.get("spec")?.get("template")?.get("metadata")?.get("annotations")?;
    annotations.get(MATERIAL)?.as_str().map(str::to_owned)
}
