//! What people may want to hear of when a status changes. Once per change: what stays as it is says nothing.

use trustwright_api::v1alpha1::{
    Condition, ConditionStatus, ConditionType, DependentStatus, TrustRootReason, TrustRootStatus,
    condition as find,
};

use crate::{dependents::DependentReason, status::Transition};

/// The reason of the event that says that other keys are trusted now.
const MATERIAL_CHANGED: &str = "MaterialChanged";

/// What to tell about the step from one status to the next.
pub(super) fn between(previous: &TrustRootStatus, next: &TrustRootStatus) -> Vec<Transition> {
    let mut told = Vec::new();
    if let (Some(old), Some(new)) = (&previous.fingerprint, &next.fingerprint)
        && old != new
    {
        told.push(Transition {
            warning: false,
            reason: MATERIAL_CHANGED.to_owned(),
            message: format!("what is trusted has changed: fingerprint {new}, was {old}"),
        });
    }
    for type_ in ConditionType::ALL {
        let (old, new) = (find(&previous.conditions, type_.as_str()), find(&next.conditions, type_.as_str()));
        let Some(news) = step(*type_, old, new) else { continue };
        // One cause shows in several conditions, and is one piece of news: the first of them says most.
        match told.iter_mut().find(|known| known.reason == news.reason) {
            Some(known) => known.warning |= news.warning,
            None => told.push(news),
        }
    }
    told.extend(of_dependents(&previous.dependents, &next.dependents));
    told
}

/// Dependents that need somebody: one event per reason, however many they are.
fn of_dependents<'s>(
    previous: &'s [DependentStatus],
    next: &'s [DependentStatus],
) -> impl Iterator<Item = Transition> + use<'s> {
    let is_same = |one: &DependentStatus, other: &DependentStatus| {
        let key = |of: &DependentStatus| (of.kind.clone(), of.namespace.clone(), of.name.clone());
        key(one) == key(other) && one.reason == other.reason
    };
    let reasons = [DependentReason::Refused, DependentReason::Invalid, DependentReason::NotFound];
    reasons.into_iter().filter_map(move |reason| {
        let reason = reason.as_str();
        let is_news = |entry: &&DependentStatus| {
            entry.reason.as_deref() == Some(reason) && !previous.iter().any(|known| is_same(known, entry))
        };
        let mut news = next.iter().filter(is_news);
        let DependentStatus { kind, namespace, name, message, .. } = news.next()?;
        let more = match news.count() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let message = message.as_deref().unwrap_or_default();
        Some(Transition {
            warning: true,
            reason: format!("Dependent{reason}"),
            message: format!("{kind} {namespace}/{name}{more}: {message}"),
        })
    })
}

fn step(type_: ConditionType, old: Option<&Condition>, new: Option<&Condition>) -> Option<Transition> {
    let met = |condition: Option<&Condition>| {
        condition.is_some_and(|condition| condition.status == ConditionStatus::True)
    };
    let warning = match type_ {
        // Where the spec is at fault, only `Ready` speaks.
        ConditionType::Reconciling | ConditionType::SignatureChecksReady | ConditionType::Stalled => {
            return None;
        }
        ConditionType::Ready | ConditionType::Refreshed => !met(new),
        // The others exist while something is wrong.
        _ => met(new),
    };
    let new = match (old, new) {
        // A condition of which only the bad state exists ends without a word, as `Ready` and `Refreshed` say it.
        (_, None) => return None,
        (None, Some(new)) => {
            // That the first refresh went well is what `Ready` says; that it has begun is no news.
            let is_first = type_ == ConditionType::Refreshed && met(Some(new));
            if is_first || new.reason.as_deref() == Some(TrustRootReason::Refreshing.as_str()) {
                return None;
            }
            new
        }
        (Some(old), Some(new)) if old.status == new.status && old.reason == new.reason => return None,
        (Some(_), Some(new)) => new,
    };
    Some(Transition {
        warning,
        reason: new.reason.clone().unwrap_or_default(),
        message: new.message.clone().unwrap_or_default(),
    })
}
