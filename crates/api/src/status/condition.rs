//! Conditions and how they change (Kubernetes API conventions, "Typical status properties").

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One aspect of an object's state.
///
/// Only `type` and `status` are required, as in objects that the Policy Controller stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The aspect, for example `Ready`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[schemars(with = "String")]
    pub status: ConditionStatus,
    /// Why, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When `status` last changed (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_transition_time: Option<Time>,
    /// The `metadata.generation` that the condition speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How grave it is when the condition is not met: absent for an error, else `Warning` or `Info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
}

/// Whether a condition is met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "&'static str")]
pub enum ConditionStatus {
    /// It is met.
    True,
    /// It is not met.
    False,
    /// Nobody can tell yet. Any other text is read as this.
    #[default]
    Unknown,
}

/// The conditions after a change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConditionUpdate {
    /// All conditions, those of other controllers included.
    pub conditions: Vec<Condition>,
    /// Whether anything but times differs from before; if not, there is nothing to write.
    pub changed: bool,
}

impl Condition {
    /// Returns a condition without message, time or generation.
    pub fn new(type_: impl Into<String>, status: ConditionStatus, reason: impl Into<String>) -> Self {
        Self { type_: type_.into(), status, reason: Some(reason.into()), ..Self::default() }
    }

    /// Adds the sentence for people.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Adds the generation that the condition speaks of.
    #[must_use]
    pub fn with_observed_generation(mut self, generation: Option<i64>) -> Self {
        self.observed_generation = generation;
        self
    }

    /// Returns whether the condition is met.
    pub fn is_true(&self) -> bool {
        self.status == ConditionStatus::True
    }
}

impl ConditionStatus {
    /// Returns the text of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(met: bool) -> Self {
        if met { Self::True } else { Self::False }
    }
}

impl From<String> for ConditionStatus {
    fn from(text: String) -> Self {
        match text.as_str() {
            "True" => Self::True,
            "False" => Self::False,
            _ => Self::Unknown,
        }
    }
}

impl From<ConditionStatus> for &'static str {
    fn from(status: ConditionStatus) -> Self {
        status.as_str()
    }
}

/// Returns the condition of this type.
pub fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Returns `previous` with `new` in place of the condition of its type, or behind the others.
///
/// The time in `new` is not used: `lastTransitionTime` stays as it was while `status` does, and becomes `now`
/// when `status` changes or the time was missing. Conditions of other types, in particular those that another
/// controller wrote, are left untouched in their place.
#[must_use]
pub fn set_condition(previous: &[Condition], new: Condition, now: &Time) -> ConditionUpdate {
    let before = condition(previous, &new.type_);
    let kept = before
        .filter(|before| before.status == new.status)
        .and_then(|before| before.last_transition_time.clone());
    let new = Condition { last_transition_time: Some(kept.unwrap_or_else(|| now.clone())), ..new };
    let changed = before.is_none_or(|before| without_time(before) != without_time(&new));
    let mut conditions = previous.to_vec();
    match conditions.iter_mut().find(|condition| condition.type_ == new.type_) {
        Some(condition) => *condition = new,
        None => conditions.push(new),
    }
    ConditionUpdate { conditions, changed }
}

/// Returns `previous` without the condition of this type. For conditions that exist only while they are met,
/// such as `Stalled`.
#[must_use]
pub fn remove_condition(previous: &[Condition], type_: &str) -> ConditionUpdate {
    let conditions: Vec<Condition> =
        previous.iter().filter(|condition| condition.type_ != type_).cloned().collect();
    ConditionUpdate { changed: conditions.len() != previous.len(), conditions }
}

fn without_time(condition: &Condition) -> Condition {
    Condition { last_transition_time: None, ..condition.clone() }
}

#[cfg(test)]
mod tests;
