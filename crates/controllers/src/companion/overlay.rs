//! From their status and what we have to say to the status that holds both.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value, json};
use trustwright_api::v1alpha1::ConditionStatus;

/// What all our annotations start with.
pub(super) const PREFIX: &str = "trustwright.dev/";

/// A condition as people and tools see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Info {
    pub(super) type_: Type,
    pub(super) status: ConditionStatus,
    pub(super) reason: String,
    pub(super) message: String,
}

/// The types of our conditions. Theirs are others, `Ready` among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Type {
    /// A role has ended. Exists only while true.
    Expired,
    /// A role ends soon. Exists only while true.
    Expiring,
    /// What the other system has loaded is what the trust root says.
    PeerInStep,
    /// The other system could be told of a change. Exists only while false.
    PeerTold,
    /// The other system has every policy that rests on it loaded as it is now. Only where one does.
    PoliciesLoaded,
    /// The last refresh succeeded.
    Refreshed,
    /// Signatures are checked against what the trust root says.
    SignatureChecksReady,
    /// The second trust root that was wished for is written. Only where one is.
    WrittenAs,
}

impl Type {
    const ALL: [Self; 8] = [
        Self::Expired,
        Self::Expiring,
        Self::PeerInStep,
        Self::PeerTold,
        Self::PoliciesLoaded,
        Self::Refreshed,
        Self::SignatureChecksReady,
        Self::WrittenAs,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "Expired",
            Self::Expiring => "Expiring",
            Self::PeerInStep => "PeerInStep",
            Self::PeerTold => "PeerTold",
            Self::PoliciesLoaded => "PoliciesLoaded",
            Self::Refreshed => "Refreshed",
            Self::SignatureChecksReady => "SignatureChecksReady",
            Self::WrittenAs => "WrittenAs",
        }
    }
}

/// All that we say about one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ours {
    /// By full name, each of which starts with [`PREFIX`].
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) conditions: Vec<Info>,
}

/// Returns `theirs` with what is ours replaced by `ours`. Whatever else stands there stays as it is; nothing is added
/// that a status of theirs cannot hold.
///
/// Conditions have the severity `Info`, since their `Ready` sums up every condition that has none, and no
/// `observedGeneration`, which their strict decoding does not know. `lastTransitionTime` is kept as long as the
/// condition's status is. The order is theirs, by type.
pub(super) fn overlay(theirs: &Value, ours: &Ours, now: Timestamp) -> Value {
    let mut status = theirs.as_object().cloned().unwrap_or_default();
    let annotations = annotations(status.get("annotations"), ours);
    if !annotations.is_empty() {
        status.insert("annotations".to_owned(), Value::Object(annotations));
    } else if status.get("annotations").is_some_and(Value::is_object) {
        status.remove("annotations");
    }
    let known = status.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_ours = |one: &Value| Type::ALL.iter().any(|type_| one["type"] == type_.as_str());
    let mut conditions: Vec<Value> = known.iter().filter(|one| !is_ours(one)).cloned().collect();
    conditions.extend(ours.conditions.iter().map(|info| condition(info, &known, now)));
    if !conditions.is_empty() {
        conditions.sort_by_key(|one| one["type"].as_str().unwrap_or_default().to_owned());
        status.insert("conditions".to_owned(), Value::Array(conditions));
    } else if !known.is_empty() {
        status.remove("conditions");
    }
    Value::Object(status)
}

fn annotations(theirs: Option<&Value>, ours: &Ours) -> Map<String, Value> {
    let mut all = theirs.and_then(Value::as_object).cloned().unwrap_or_default();
    all.retain(|name, _| !name.starts_with(PREFIX));
    all.extend(ours.annotations.iter().map(|(name, value)| (name.clone(), json!(value))));
    all
}

fn condition(info: &Info, known: &[Value], now: Timestamp) -> Value {
    let before = known.iter().find(|one| one["type"] == info.type_.as_str());
    let kept = before
        .filter(|before| before["status"] == info.status.as_str())
        .and_then(|before| before.get("lastTransitionTime"))
        .cloned();
    json!({
        "type": info.type_.as_str(),
        "status": info.status.as_str(),
        "severity": "Info",
        "reason": info.reason,
        "message": info.message,
        "lastTransitionTime": kept.unwrap_or_else(|| json!(Time(now))),
    })
}

#[cfg(test)]
mod tests;
