//! The conditions that we add to theirs. Pure.

use trustwright_api::v1alpha1::{Condition, ConditionStatus, ConditionType, TrustRootStatus, condition};

use super::{
    overlay::{Info, Type},
    policies::{Fault, Users},
    second::Outcome,
    step::{Step, listed},
    stored::in_their_words,
};

/// What we say of an object whose status, by our own definition, is `status`. `refused` is why the other system could
/// not be told of a change, `second` what became of the second object that was wished for, and `users` who rests on it.
/// Our `Ready` becomes a part of `SignatureChecksReady`: theirs is theirs.
pub(super) fn say(
    status: &TrustRootStatus,
    step: &Step,
    refused: Option<&str>,
    second: Option<&Outcome>,
    users: Option<&Users>,
) -> Vec<Info> {
    let seen = |from: ConditionType, to: Type| {
        condition(&status.conditions, from.as_str()).map(|one| as_is(one, to))
    };
    let ready = seen(ConditionType::Ready, Type::SignatureChecksReady);
    let in_step = in_step(step);
    let loaded = users.and_then(policies_loaded);
    let mut said: Vec<Info> = [
        seen(ConditionType::Expired, Type::Expired),
        seen(ConditionType::Expiring, Type::Expiring),
        seen(ConditionType::Refreshed, Type::Refreshed),
        ready.map(|ready| checks(ready, [&in_step, &loaded])),
        in_step,
        loaded,
    ]
    .into_iter()
    .flatten()
    .collect();
    said.extend(refused.map(|message| Info {
        type_: Type::PeerTold,
        status: ConditionStatus::False,
        reason: "WriteRefused".to_owned(),
        message: format!(
            "the annotation that makes the Policy Controller read this again could not be written, and is not tried \
             again until the object changes: {message}"
        ),
    }));
    said.extend(second.map(|second| Info {
        type_: Type::WrittenAs,
        status: second.written.into(),
        reason: second.reason.to_owned(),
        message: second.message.clone(),
    }));
    said
}

fn as_is(condition: &Condition, type_: Type) -> Info {
    Info {
        type_,
        status: condition.status,
        reason: condition.reason.clone().unwrap_or_default(),
        message: in_their_words(condition.message.as_deref().unwrap_or_default()),
    }
}

/// Signatures are checked as the trust root says when that can be used, is what the one who checks has loaded, and so
/// are the policies that ask for it.
fn checks(ready: Info, peer: [&Option<Info>; 2]) -> Info {
    if ready.status != ConditionStatus::True {
        return ready;
    }
    let unmet = peer.into_iter().flatten().find(|one| one.status != ConditionStatus::True);
    unmet.map_or(ready, |unmet| Info { type_: Type::SignatureChecksReady, ..unmet.clone() })
}

/// Nothing where nobody rests on it, or the policies cannot be seen.
fn policies_loaded(users: &Users) -> Option<Info> {
    let faults = users.faults.as_ref()?;
    let of = |wanted: Fault| -> Vec<String> {
        let named = faults.iter().filter(|(_, fault)| *fault == wanted);
        named.map(|(name, _)| format!("{name:?}")).collect()
    };
    let said: Vec<String> = [
        (Fault::NotLoaded, "has not loaded"),
        (Fault::Outdated, "has loaded another state of"),
        (Fault::Deleted, "still has loaded, though there is no such policy:"),
    ]
    .into_iter()
    .map(|(fault, says)| (says, of(fault)))
    .filter(|(_, names)| !names.is_empty())
    .map(|(says, names)| format!("{says} {}", listed(&names)))
    .collect();
    let (status, reason, message) = match faults.first() {
        None if users.loaded.is_empty() => return None,
        None => (
            ConditionStatus::True,
            "Loaded",
            "the Policy Controller has loaded every policy that rests on this trust root".to_owned(),
        ),
        Some(_) => (
            ConditionStatus::False,
            "PoliciesDiffer",
            format!(
                "of the policies that rest on this trust root, the Policy Controller {}",
                said.join("; ")
            ),
        ),
    };
    Some(Info { type_: Type::PoliciesLoaded, status, reason: reason.to_owned(), message })
}

fn in_step(step: &Step) -> Option<Info> {
    let (status, reason, message) = match step {
        Step::Unknown => return None,
        Step::Same => (
            ConditionStatus::True,
            "InStep",
            "what the Policy Controller has loaded is what this trust root says".to_owned(),
        ),
        Step::NotLoaded => (
            ConditionStatus::False,
            "NotLoaded",
            "the Policy Controller has loaded nothing for this trust root".to_owned(),
        ),
        Step::Differs(what) => (
            ConditionStatus::False,
            "Differs",
            format!("what the Policy Controller has loaded is not what this trust root says: {what}"),
        ),
    };
    Some(Info { type_: Type::PeerInStep, status, reason: reason.to_owned(), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(ready: ConditionStatus) -> TrustRootStatus {
        let conditions = vec![
            Condition::new("Ready", ready, "Loaded").with_message("spec.onExpiry"),
            Condition::new("Reconciling", ConditionStatus::True, "Refreshing"),
            Condition::new("Refreshed", ConditionStatus::False, "MirrorUnavailable"),
        ];
        TrustRootStatus { conditions, ..TrustRootStatus::default() }
    }

    fn said(ready: ConditionStatus, step: &Step) -> Vec<(Type, ConditionStatus, String)> {
        let said = say(&status(ready), step, None, None, None);
        said.into_iter().map(|one| (one.type_, one.status, one.reason)).collect()
    }

    #[test]
    fn checks_are_ready_when_the_root_is_and_the_peer_is_in_step() {
        use ConditionStatus::{False, True};
        let differs = Step::Differs("it still trusts x".to_owned());
        let refreshed = (Type::Refreshed, False, "MirrorUnavailable".to_owned());
        let of = |type_, status, reason: &str| (type_, status, reason.to_owned());
        for (ready, step, checks, peer) in [
            (True, Step::Unknown, of(Type::SignatureChecksReady, True, "Loaded"), None),
            (
                True,
                Step::Same,
                of(Type::SignatureChecksReady, True, "Loaded"),
                Some(of(Type::PeerInStep, True, "InStep")),
            ),
            (
                True,
                Step::NotLoaded,
                of(Type::SignatureChecksReady, False, "NotLoaded"),
                Some(of(Type::PeerInStep, False, "NotLoaded")),
            ),
            (
                True,
                differs.clone(),
                of(Type::SignatureChecksReady, False, "Differs"),
                Some(of(Type::PeerInStep, False, "Differs")),
            ),
            (
                False,
                differs,
                of(Type::SignatureChecksReady, False, "Loaded"),
                Some(of(Type::PeerInStep, False, "Differs")),
            ),
        ] {
            let expected: Vec<_> = [refreshed.clone(), checks].into_iter().chain(peer).collect();
            assert_eq!(said(ready, &step), expected);
        }
    }

    #[test]
    fn a_refusal_is_said_and_names_of_fields_are_those_of_annotations() {
        let said = say(&status(ConditionStatus::True), &Step::Unknown, Some("expired"), None, None);
        let told = said.last().unwrap();
        assert_eq!((told.type_, told.status), (Type::PeerTold, ConditionStatus::False));
        assert!(told.message.ends_with("expired"));
        let checks = said.iter().find(|one| one.type_ == Type::SignatureChecksReady).unwrap();
        assert_eq!(checks.message, "annotation trustwright.dev/on-expiry");
    }

    #[test]
    fn policies_that_are_not_loaded_as_they_are_make_checks_unready() {
        let root = status(ConditionStatus::True);
        let with = |loaded: &[&str], faults: Option<&[(&str, Fault)]>| {
            let faults: Option<Vec<_>> =
                faults.map(|all| all.iter().map(|(name, fault)| ((*name).to_owned(), *fault)).collect());
            let loaded = loaded.iter().map(ToString::to_string).collect();
            let said = say(&root, &Step::Same, None, None, Some(&Users { loaded, faults, again: None }));
            let find = |type_| said.iter().find(|one: &&Info| one.type_ == type_).cloned();
            (find(Type::PoliciesLoaded), find(Type::SignatureChecksReady).unwrap())
        };
        // Nobody rests on it, or nobody can see who does.
        for (loaded, faults) in [(&[][..], Some(&[][..])), (&["p"], None)] {
            let (policies, checks) = with(loaded, faults);
            assert_eq!((policies, checks.status), (None, ConditionStatus::True));
        }
        let (policies, checks) = with(&["p"], Some(&[]));
        assert_eq!(policies.unwrap().status, ConditionStatus::True);
        assert_eq!((checks.status, checks.reason.as_str()), (ConditionStatus::True, "Loaded"));
        let faults =
            [("a", Fault::NotLoaded), ("b", Fault::Outdated), ("c", Fault::Deleted), ("d", Fault::NotLoaded)];
        let (policies, checks) = with(&["b", "c"], Some(&faults));
        let policies = policies.unwrap();
        assert_eq!((policies.status, policies.reason.as_str()), (ConditionStatus::False, "PoliciesDiffer"));
        assert!(
            policies.message.ends_with(
                "has not loaded \"a\", \"d\"; has loaded another state of \"b\"; still has loaded, though there is no \
                 such policy: \"c\""
            ),
            "{}",
            policies.message
        );
        assert_eq!(checks, Info { type_: Type::SignatureChecksReady, ..policies });
        // What is wrong with the root itself comes first.
        let behind = Users { faults: Some(vec![("a".to_owned(), Fault::NotLoaded)]), ..Users::default() };
        let said = say(&root, &Step::NotLoaded, None, None, Some(&behind));
        let checks = said.iter().find(|one| one.type_ == Type::SignatureChecksReady).unwrap();
        assert_eq!(checks.reason, "NotLoaded");
    }
}
