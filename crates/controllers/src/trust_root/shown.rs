//! What metrics show of each trust root.

use std::sync::Arc;

use jiff::Timestamp;
use trustwright_trust::KeyKind;

use super::{Observed, Refresh, live::Shared};

/// What metrics show of one trust root. Times are read when they are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) ready: bool,
    pub(crate) fingerprint: Option<String>,
    /// Role, version, expiry.
    pub(crate) roles: Vec<(String, u64, Timestamp)>,
    /// Kind, name, ID, end.
    pub(crate) keys: Vec<(KeyKind, String, String, Timestamp)>,
    pub(crate) refreshed: Option<bool>,
    mirror: Option<Arc<Shared>>,
}

impl Shown {
    pub(super) fn of(observed: &Observed, mirror: impl FnOnce() -> Option<Arc<Shared>>) -> Self {
        let root = observed.root.as_ref().ok();
        let material = root.and_then(|root| root.trusted.as_ref().ok());
        let reports = root.map(|root| root.reports.as_slice()).unwrap_or_default();
        let metadata = root.map(|root| root.metadata.as_slice()).unwrap_or_default();
        Self {
            ready: material.is_some(),
            fingerprint: material.map(|material| material.fingerprint().to_string()),
            roles: metadata.iter().map(|role| (role.role.clone(), role.version, role.expires)).collect(),
            keys: reports
                .iter()
                .filter(|report| report.is_usable())
                .filter_map(|report| {
                    let id = report.id.clone().unwrap_or_default();
                    Some((report.kind, report.name.clone(), id, report.not_after?))
                })
                .collect(),
            refreshed: observed.refresh.as_ref().and_then(|refresh| match refresh {
                Refresh::Pending => None,
                Refresh::UpToDate => Some(true),
                Refresh::Failed(_) => Some(false),
            }),
            mirror: observed.refresh.as_ref().and_then(|_| mirror()),
        }
    }

    /// When the mirror last said something that we accept.
    pub(crate) fn refreshed_at(&self) -> Option<Timestamp> {
        self.mirror.as_ref()?.state().refreshed_at
    }

    /// When the mirror will be asked again.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.mirror.as_ref()?.state().next_at
    }
}
