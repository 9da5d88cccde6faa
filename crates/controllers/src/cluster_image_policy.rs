//! `ClusterImagePolicy`: can every part of it be used, and is it in force everywhere?

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{ResourceExt as _, core::DynamicObject};
use tokio::time::Instant;
use trustwright_api::v1alpha1::{
    AuthorityStatus, ClusterImagePolicyStatus, ConditionStatus, ConditionType, PolicyReason, UsedTrustRoot,
    condition,
};
use trustwright_policy::{
    Check, CompiledOnce, NotReady, Part, Policy, Signatory, Version, compile_stored, trust_problems,
};
use trustwright_runtime::objects::Objects;

use crate::{
    enforcement::{Enforcement, Reach},
    policy_bodies::{self, Bodies},
    status::{Aspect, Decision, Transition, conditions, difference, known},
};

/// For how long a policy may be on its way to the replicas before its status says so. Most arrive sooner, and are
/// written once instead of twice.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// Where many are on their way, each waits longer: two writes for every one of thousands would keep all of them from
/// arriving. So many for each, and at most.
const FOR_EACH: Duration = Duration::from_millis(10);
const LONGEST_WAY: Duration = Duration::from_secs(30);

/// Every `ClusterImagePolicy` while we lead.
pub(crate) struct Policies {
    pub(crate) objects: Objects,
    pub(crate) enforcement: Arc<Enforcement>,
    pub(crate) bodies: Arc<Bodies>,
    /// What compiles the texts of policies, each of them once.
    pub(crate) languages: CompiledOnce,
}

/// What was gathered about a policy.
#[derive(Debug)]
struct Observed {
    policy: Policy,
    /// What keeps its trust roots from being used.
    trust: Vec<String>,
    reach: Reach,
    /// For how long it may be on its way before its status says so.
    patience: Duration,
}

impl Policies {
    /// The status that `object` should have, from all that is known.
    pub(crate) fn decide(&self, object: &DynamicObject, now: Timestamp) -> Decision {
        let name = object.name_any();
        let references = (
            |name: &str| self.objects.secret_entries(name),
            |name: &str| self.objects.config_map_entries(name),
        );
        let mut policy = compile_stored(&name, object.data.get("spec"), &references, &self.languages);
        let remote = policy_bodies::wanted(object.data.get("spec"));
        self.bodies.want(&name, remote.values().cloned().collect());
        let silent = self.bodies.explain(&mut policy, &remote, Instant::now());
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
        let begun = self.enforcement.is_new() && roots.iter().any(|root| !known.contains_key(root));
        let reach = self.enforcement.policy(&name, version, roots, ready, is_told(object));
        if begun {
            // A new leader has not looked at every trust root yet.
            return Decision { again: now.checked_add(ON_ITS_WAY).ok(), ..Decision::default() };
        }
        if let Some(left) = silent {
            return Decision { again: now.checked_add(left).ok(), ..Decision::default() };
        }
        let usable = |root: &str| known.get(root).is_some_and(|root| root.trusted.is_ok());
        let patience = patience(self.enforcement.on_their_way());
        decide(object, &Observed { policy, trust, reach, patience }, &usable, now)
    }

    /// Forgets a policy that is gone.
    pub(crate) fn forget(&self, name: &str) {
        self.enforcement.forget_policy(name);
        self.bodies.forget(name);
    }

    /// Forgets every policy but these.
    pub(crate) fn retain(&self, names: &BTreeSet<String>) {
        self.enforcement.retain_policies(names);
        self.bodies.retain(names);
    }
}

fn patience(on_their_way: usize) -> Duration {
    let many = u32::try_from(on_their_way).unwrap_or(u32::MAX);
    FOR_EACH.saturating_mul(many).clamp(ON_ITS_WAY, LONGEST_WAY)
}

/// Whether the status says of the present generation that it is in force.
fn is_told(object: &DynamicObject) -> bool {
    let (_, status): (_, ClusterImagePolicyStatus) = known(object);
    condition(&status.conditions, ConditionType::Enforced.as_str()).is_some_and(|enforced| {
        enforced.status == ConditionStatus::True && enforced.observed_generation == object.metadata.generation
    })
}

/// The status that `object` should have. `usable` tells whether something of a trust root is in force.
fn decide(
    object: &DynamicObject,
    observed: &Observed,
    usable: &dyn Fn(&str) -> bool,
    now: Timestamp,
) -> Decision {
    let (previous, known): (_, ClusterImagePolicyStatus) = known(object);
    let generation = object.metadata.generation;
    let aspects = aspects(observed);
    let is_ready = |type_| aspects.iter().any(|aspect: &Aspect| aspect.type_ == type_ && aspect.met);
    if let (true, Reach::Spreading(since)) = (is_ready(ConditionType::SignatureChecksReady), observed.reach)
        && let Some(left) = observed.patience.checked_sub(since).filter(|left| !left.is_zero())
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
        status: difference(previous, &status, &["observedGeneration", "authorities"]),
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
    let Observed { policy, trust, reach, patience: _ } = observed;
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
        let only_the_spec = policy.not_ready().any(|problem| !is_cured_elsewhere(problem));
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

/// Whether something other than a change of the spec may cure it: an object that the field names.
fn is_cured_elsewhere(problem: &NotReady) -> bool {
    match problem.part {
        Part::Keys => problem.field.ends_with(".secretRef"),
        // Texts stand elsewhere, or are in the spec and found.
        Part::Policies | Part::TrustRoots => true,
        Part::Spec => false,
    }
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
mod tests;
