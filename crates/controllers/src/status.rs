//! What the reconcilers of both kinds have in common: conditions, and the difference that is worth a write.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::DynamicObject;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use trustwright_api::v1alpha1::{Condition, ConditionStatus, ConditionType, set_condition};

/// Longest condition message, in characters.
const MAX_MESSAGE: usize = 2_000;

/// One condition as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aspect {
    pub(crate) type_: ConditionType,
    pub(crate) met: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Aspect {
    pub(crate) fn new(
        type_: ConditionType,
        met: bool,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { type_, met, reason, message: message.into() }
    }
}

/// What a reconcile came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Decision {
    /// The status to apply, or `None` where the object has it.
    pub(crate) status: Option<Value>,
    /// What to tell about once the status is written.
    pub(crate) events: Vec<Transition>,
    /// When time alone will change it.
    pub(crate) again: Option<Timestamp>,
}

/// A change that people may want to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transition {
    /// Whether it is bad news.
    pub(crate) warning: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// The conditions that we own, given what the object has.
pub(crate) fn conditions(
    previous: &[Condition],
    aspects: Vec<Aspect>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let condition = |aspect: Aspect| {
        Condition::new(aspect.type_, ConditionStatus::from(aspect.met), aspect.reason)
            .with_message(aspect.message.chars().take(MAX_MESSAGE).collect::<String>())
            .with_observed_generation(generation)
    };
    aspects
        .into_iter()
        .map(condition)
        .filter_map(|condition| {
            let type_ = condition.type_.clone();
            let updated = set_condition(previous, condition, &Time(now)).conditions;
            updated.into_iter().find(|condition| condition.type_ == type_)
        })
        .collect()
}

/// The status of an object as it stands, and what of it can be read: nothing, where that fails.
pub(crate) fn known<T: DeserializeOwned + Default>(object: &DynamicObject) -> (&Value, T) {
    let status = object.data.get("status").unwrap_or(&Value::Null);
    (status, T::deserialize(status).unwrap_or_default())
}

/// The part of `status` to apply, or `None` where the object has it already.
///
/// `previous` is the object's status as read. Fields in `owned` and conditions of our types are compared;
/// whatever else stands there is another writer's.
pub(crate) fn difference(previous: &Value, desired: &impl Serialize, owned: &[&str]) -> Option<Value> {
    let desired = serde_json::to_value(desired).ok()?;
    let ours = |status: &Value| {
        let types: Vec<&str> = ConditionType::ALL.iter().map(|type_| type_.as_str()).collect();
        let mut conditions: Vec<Value> = status
            .get("conditions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|condition| {
                condition.get("type").and_then(Value::as_str).is_some_and(|t| types.contains(&t))
            })
            .cloned()
            .collect();
        conditions.sort_by_key(|condition| condition["type"].as_str().unwrap_or_default().to_owned());
        for condition in &mut conditions {
            if let Some(condition) = condition.as_object_mut() {
                condition.remove("lastTransitionTime");
            }
        }
        let fields: Vec<&Value> =
            owned.iter().map(|field| status.get(*field).unwrap_or(&Value::Null)).collect();
        json!([conditions, fields])
    };
    (ours(previous) != ours(&desired)).then_some(desired)
}
