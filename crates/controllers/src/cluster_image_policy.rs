//! `ClusterImagePolicy`: can every part of it be used, and is it in force everywhere?

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{ResourceExt as _, core::DynamicObject};
use trustwright_api::v1alpha1::{
    AuthorityStatus, ClusterImagePolicyStatus, ConditionStatus, ConditionType, PolicyReason, UsedTrustRoot,
    condition,
};
use trustwright_policy::{Check, Part, Policy, Signatory, Version, compile_stored, trust_problems};
use trustwright_runtime::objects::Objects;

use crate::{
    enforcement::{Enforcement, Reach},
    status::{Aspect, Decision, Transition, conditions, difference},
};

/// For how long a policy may be on its way to the replicas before its status says so. Most arrive sooner, and are
/// written once instead of twice.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// Every `ClusterImagePolicy` while we lead.
pub(crate) struct Policies {
    pub(crate) objects: Objects,
    pub(crate) enforcement: Arc<Enforcement>,
}

/// What was gathered about a policy.
#[derive(Debug)]
struct Observed {
    policy: Policy,
    /// What keeps its trust roots from being used.
    trust: Vec<String>,
    reach: Reach,
}

impl Policies {
    /// The status that `object` should have, from all that is known.
    pub(crate) fn decide(&self, object: &DynamicObject, now: Timestamp) -> Decision {
        let name = object.name_any();
        let references = (
            |name: &str| self.objects.secret_entries(name),
            |name: &str| self.objects.config_map_entries(name),
        );
        let policy = compile_stored(&name, object.data.get("spec"), &references);
        let version = Version {
            uid: object.uid().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
            inputs: policy.inputs.digest,
        };
        let roots: BTreeSet<String> =
            policy.authorities.iter().flat_map(|authority| authority.trust_roots.clone()).collect();
        let known = self.enforcement.roots();
        let trust: Vec<String> = trust_problems(&policy, &known).iter().map(ToString::to_string).collect();
        let ready = trust.is_empty() && policy.not_ready().next().is_none();
        let reach = self.enforcement.policy(&name, version, roots, ready);
        let usable = |root: &str| known.get(root).is_some_and(|root| root.trusted.is_ok());
        decide(object, &Observed { policy, trust, reach }, &usable, now)
    }
}

/// The status that `object` should have. `usable` tells whether something of a trust root is in force.
fn decide(
    object: &DynamicObject,
    observed: &Observed,
    usable: &dyn Fn(&str) -> bool,
    now: Timestamp,
) -> Decision {
    let previous = object.data.get("status").cloned().unwrap_or_default();
    let known: ClusterImagePolicyStatus = serde_json::from_value(previous.clone()).unwrap_or_default();
    let generation = object.metadata.generation;
    let aspects = aspects(observed);
    let is_ready = |type_| aspects.iter().any(|aspect: &Aspect| aspect.type_ == type_ && aspect.met);
    if let (true, Reach::Spreading(since)) = (is_ready(ConditionType::SignatureChecksReady), observed.reach)
        && let Some(left) = ON_ITS_WAY.checked_sub(since).filter(|left| !left.is_zero())
    {
        let again = now.checked_add(left).ok();
        return Decision { again, ..Decision::default() };
    }
    let status = ClusterImagePolicyStatus {
        observed_generation: generation,
        conditions: conditions(&known.conditions, aspects, generation, now),
        authorities: authorities(&observed.policy, usable),
        ..ClusterImagePolicyStatus::default()
    };
    Decision {
        status: difference(&previous, &status, &["observedGeneration", "authorities"]),
        events: transitions(&known, &status),
        again: None,
    }
}

fn authorities(policy: &Policy, usable: &dyn Fn(&str) -> bool) -> Vec<AuthorityStatus> {
    let of = |authority: &trustwright_policy::Authority| AuthorityStatus {
        name: authority.name.clone(),
        key: match &authority.check {
            Check::Signed(signed) => match &signed.signatory {
                Signatory::Key(key) => Some(key.fingerprint().to_string()),
                Signatory::Keyless(_) => None,
            },
            Check::Pass | Check::Fail(_) | Check::NotReady(_) => None,
        },
        trust_roots: authority
            .trust_roots
            .iter()
            .map(|name| UsedTrustRoot { name: name.clone(), usable: usable(name) })
            .collect(),
        message: match &authority.check {
            Check::NotReady(problem) => Some(problem.to_string()),
            Check::Pass | Check::Fail(_) | Check::Signed(_) => None,
        },
    };
    policy.authorities.iter().map(of).collect()
}

fn aspects(observed: &Observed) -> Vec<Aspect> {
    let Observed { policy, trust, reach } = observed;
    let of = |part: Part| -> Vec<String> {
        policy.not_ready().filter(|problem| problem.part == part).map(ToString::to_string).collect()
    };
    let resolved = |type_, part: Part, what: &str| {
        let problems = of(part);
        let (reason, message) = if problems.is_empty() {
            (PolicyReason::Resolved, format!("every {what} that the policy names was found"))
        } else {
            (PolicyReason::NotResolved, problems.join("; "))
        };
        Aspect::new(type_, problems.is_empty(), reason.as_str(), message)
    };
    let trust_aspect = {
        let (reason, message) = if trust.is_empty() {
            (PolicyReason::Resolved, "every trust root that the policy rests on is in force".to_owned())
        } else {
            (PolicyReason::TrustRootNotReady, trust.join("; "))
        };
        Aspect::new(ConditionType::TrustReady, trust.is_empty(), reason.as_str(), message)
    };
    let problems: Vec<String> = policy.not_ready().map(ToString::to_string).chain(trust.clone()).collect();
    let checks = if problems.is_empty() {
        let message = match policy.authorities.len() {
            1 => "the policy's authority can be used".to_owned(),
            count => format!("all {count} authorities can be used"),
        };
        Aspect::new(ConditionType::SignatureChecksReady, true, PolicyReason::Compiled.as_str(), message)
    } else {
        let reason = match (policy.not_ready().next(), trust.is_empty()) {
            (None, false) => PolicyReason::TrustRootNotReady,
            _ if of(Part::Spec).is_empty() => PolicyReason::NotResolved,
            _ => PolicyReason::NotCompiled,
        };
        Aspect::new(ConditionType::SignatureChecksReady, false, reason.as_str(), problems.join("; "))
    };
    let (enforced, reason, message) = match reach {
        Reach::InForce => (true, PolicyReason::InForce, "every live webhook replica has it in force"),
        Reach::Spreading(_) => {
            (false, PolicyReason::Spreading, "not every live webhook replica has it in force yet")
        }
        Reach::NoReplica => (false, PolicyReason::NoReplica, "no webhook replica is alive"),
    };
    let enforced_aspect = Aspect::new(ConditionType::Enforced, enforced, reason.as_str(), message);
    let ready = match (checks.met, enforced) {
        (true, false) => Aspect::new(ConditionType::Ready, false, enforced_aspect.reason, message),
        _ => Aspect::new(ConditionType::Ready, checks.met, checks.reason, checks.message.clone()),
    };
    let mut aspects = vec![ready.clone()];
    if !ready.met {
        // Only a change of the spec helps, or another object may come right; tools that read kstatus would wait for
        // ever, or give up too early.
        let only_the_spec = !of(Part::Spec).is_empty();
        let type_ = if only_the_spec { ConditionType::Stalled } else { ConditionType::Reconciling };
        aspects.push(Aspect::new(type_, true, ready.reason, ready.message));
    }
    aspects.extend([
        checks,
        resolved(ConditionType::KeysResolved, Part::Keys, "key"),
        resolved(ConditionType::PoliciesResolved, Part::Policies, "policy text"),
        trust_aspect,
        enforced_aspect,
    ]);
    aspects
}

/// What to tell about the step from one status to the next: that a policy fails, and that it works again. A new one
/// that works is no news.
fn transitions(previous: &ClusterImagePolicyStatus, next: &ClusterImagePolicyStatus) -> Vec<Transition> {
    let ready = ConditionType::Ready.as_str();
    let Some(new) = condition(&next.conditions, ready) else { return Vec::new() };
    let old = condition(&previous.conditions, ready);
    let (works, worked) =
        (new.status == ConditionStatus::True, old.is_none_or(|old| old.status == ConditionStatus::True));
    // That it is on its way is no news either.
    let on_its_way = [PolicyReason::Spreading.as_str(), PolicyReason::NoReplica.as_str()];
    let is_told = |reason: Option<&str>| !reason.is_some_and(|reason| on_its_way.contains(&reason));
    let told = match (worked, works) {
        (true, false) => is_told(new.reason.as_deref()),
        (false, true) => is_told(old.and_then(|old| old.reason.as_deref())),
        (true, true) | (false, false) => false,
    };
    let transition = || Transition {
        warning: !works,
        reason: new.reason.clone().unwrap_or_default(),
        message: new.message.clone().unwrap_or_default(),
    };
    if told { vec![transition()] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use trustwright_policy::NoReferences;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn policy(spec: &Value, status: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
            "metadata": {"name": "p", "generation": 3}, "spec": spec, "status": status,
        }))
        .unwrap()
    }

    fn good() -> Value {
        json!({"images": [{"glob": "**"}], "authorities": [{"static": {"action": "pass"}}]})
    }

    fn decided(object: &DynamicObject, reach: Reach, now: Timestamp) -> Decision {
        let policy = compile_stored("p", object.data.get("spec"), &NoReferences);
        decide(object, &Observed { policy, trust: Vec::new(), reach }, &|_| true, now)
    }

    fn applied(object: &DynamicObject, now: Timestamp) -> Option<Value> {
        decided(object, Reach::InForce, now).status
    }

    fn ready(status: &Value) -> (&str, &str) {
        let condition = &status["conditions"][0];
        assert_eq!(condition["type"], "Ready");
        (condition["status"].as_str().unwrap(), condition["message"].as_str().unwrap())
    }

    #[test]
    fn a_policy_that_compiles_is_ready_and_one_that_does_not_is_stalled_with_field_and_cause() {
        let status = applied(&policy(&good(), &json!({})), NOW).unwrap();
        assert_eq!(ready(&status), ("True", "the policy's authority can be used"));
        assert_eq!(status["observedGeneration"], 3);
        let types: Vec<_> =
            status["conditions"].as_array().unwrap().iter().map(|one| one["type"].clone()).collect();
        let expected =
            ["Ready", "SignatureChecksReady", "KeysResolved", "PoliciesResolved", "TrustReady", "Enforced"];
        assert_eq!(types, expected);

        let mut broken = good();
        broken["images"][0]["glob"] = json!("$FOO*");
        let status = applied(&policy(&broken, &json!({})), NOW).unwrap();
        let (ready, message) = ready(&status);
        assert_eq!(ready, "False");
        assert!(message.starts_with("spec.images[0].glob: invalid glob \"$FOO*\""), "{message}");
        assert_eq!(status["conditions"][1]["type"], "Stalled");
        assert!(applied(&policy(&json!({"images": 3}), &json!({})), NOW).is_some());
    }

    #[test]
    fn a_status_that_says_it_already_is_left_alone_whatever_others_wrote_beside_it() {
        let mut status = applied(&policy(&good(), &json!({})), NOW).unwrap();
        status["conditions"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({"type": "KeysInlined", "status": "True"}));
        status["annotations"] = json!({"a": "b"});
        let later = NOW + jiff::SignedDuration::from_hours(1);
        assert_eq!(applied(&policy(&good(), &status), later), None);
        status["conditions"][1]["status"] = json!("False");
        let again = applied(&policy(&good(), &status), later).unwrap();
        assert_eq!(again["conditions"][0]["lastTransitionTime"], "1970-01-01T01:00:00Z");
        assert!(again.get("annotations").is_none());
    }

    /// The reason of a condition where it is as given.
    fn reason<'s>(status: &'s Value, type_: &str, met: &str) -> Option<&'s str> {
        let all = status["conditions"].as_array().unwrap();
        let one = all.iter().find(|one| one["type"] == type_ && one["status"] == met)?;
        one["reason"].as_str()
    }

    #[test]
    fn a_policy_that_is_not_in_force_everywhere_is_not_ready_and_not_at_once_written() {
        let object = policy(&good(), &json!({}));
        let soon = decided(&object, Reach::Spreading(Duration::from_millis(500)), NOW);
        assert_eq!(soon.status, None);
        assert_eq!(soon.again, Some(NOW + Duration::from_millis(1_500)));
        let late = decided(&object, Reach::Spreading(ON_ITS_WAY), NOW).status.unwrap();
        assert_eq!(reason(&late, "Ready", "False"), Some("Spreading"));
        assert_eq!(reason(&late, "Reconciling", "True"), Some("Spreading"));
        assert_eq!(reason(&late, "SignatureChecksReady", "True"), Some("Compiled"));
        let alone = decided(&object, Reach::NoReplica, NOW);
        assert_eq!(reason(&alone.status.unwrap(), "Enforced", "False"), Some("NoReplica"));
        assert_eq!(alone.events, []);
    }

    #[test]
    fn what_another_object_may_cure_is_not_stalled() {
        let secret =
            json!({"images": [{"glob": "**"}], "authorities": [{"key": {"secretRef": {"name": "k"}}}]});
        let decision = decided(&policy(&secret, &json!({})), Reach::InForce, NOW);
        let status = decision.status.unwrap();
        assert_eq!(reason(&status, "KeysResolved", "False"), Some("NotResolved"));
        assert_eq!(reason(&status, "Ready", "False"), Some("NotResolved"));
        assert_eq!(reason(&status, "Reconciling", "True"), Some("NotResolved"));
        assert_eq!(reason(&status, "Stalled", "True"), None);
        assert_eq!(reason(&status, "Enforced", "True"), Some("InForce"));
        let message = status["authorities"][0]["message"].as_str().unwrap();
        assert_eq!(message, "spec.authorities[0].key.secretRef: secret \"k\" not found");
        assert_eq!((decision.events.len(), decision.events[0].warning), (1, true));

        let object = policy(&good(), &json!({}));
        let compiled = compile_stored("p", object.data.get("spec"), &NoReferences);
        let trust = vec!["there is no TrustRoot \"r\"".to_owned()];
        let observed = Observed { policy: compiled, trust, reach: Reach::InForce };
        let status = decide(&object, &observed, &|_| false, NOW).status.unwrap();
        assert_eq!(reason(&status, "TrustReady", "False"), Some("TrustRootNotReady"));
        assert_eq!(reason(&status, "Ready", "False"), Some("TrustRootNotReady"));
    }
}
