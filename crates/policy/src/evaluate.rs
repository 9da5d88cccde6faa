//! From what the authorities found to the verdict of one policy.

use trustwright_core::{Cause, Causes, Finding, Findings, Reason, Verdict};

use crate::{Mode, Policy};

/// What one authority found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It vouches for the image.
    Vouched,
    /// It does not.
    Refused(Cause),
}

/// The verdict of `policy` on the image `image` at `path`, given what each of its authorities found, in their
/// order. One authority that vouches is enough; a policy with a problem of its own fails whatever they say.
///
/// An outcome that is missing counts as a refusal.
pub fn evaluate(policy: &Policy, path: &str, image: &str, outcomes: &[Outcome]) -> Verdict {
    let vouched = outcomes.contains(&Outcome::Vouched);
    if policy.problems.is_empty() && vouched {
        return Verdict::Allow;
    }
    let own = policy.problems.iter().map(|problem| Cause {
        authority: None,
        reason: Reason::PolicyNotReady,
        text: format!("failed to process policy: {}", policy.name),
        hint: Some(problem.to_string()),
    });
    let refused = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Vouched => None,
        Outcome::Refused(cause) => Some(cause.clone()),
    });
    let missing = || {
        Causes::one(Cause {
            authority: None,
            reason: Reason::Internal,
            text: format!("failed to process policy: {}", policy.name),
            hint: Some("no authority gave an answer; please report this".into()),
        })
    };
    let finding = Finding {
        policy: Some(policy.name.clone()),
        path: path.to_owned(),
        image: image.to_owned(),
        causes: Causes::collect(own.chain(refused)).unwrap_or_else(missing),
    };
    match policy.mode {
        Mode::Enforce => Verdict::deny(finding),
        Mode::Warn => Verdict::Warn(Findings::one(finding)),
    }
}

#[cfg(test)]
mod tests {
    use trustwright_core::Decision;

    use super::*;
    use crate::{Images, NotReady};

    fn policy(mode: Mode, problems: Vec<NotReady>) -> Policy {
        Policy {
            name: "p".into(),
            mode,
            images: Images::Every,
            scopes: Vec::new(),
            authorities: Vec::new(),
            problems,
            notes: Vec::new(),
            inputs: crate::Inputs::default(),
        }
    }

    fn refused() -> Outcome {
        Outcome::Refused(Cause {
            authority: Some("a".into()),
            reason: Reason::NoSignatures,
            text: "no signatures found".into(),
            hint: None,
        })
    }

    fn decide(policy: &Policy, outcomes: &[Outcome]) -> Decision {
        evaluate(policy, "spec.containers[0].image", "i", outcomes).decision()
    }

    #[test]
    fn one_authority_that_vouches_is_enough() {
        let policy = policy(Mode::Enforce, Vec::new());
        assert_eq!(decide(&policy, &[refused(), Outcome::Vouched]), Decision::Allow);
        assert_eq!(decide(&policy, &[refused(), refused()]), Decision::Deny);
    }

    #[test]
    fn no_answer_at_all_is_a_refusal() {
        assert_eq!(decide(&policy(Mode::Enforce, Vec::new()), &[]), Decision::Deny);
    }

    #[test]
    fn a_policy_with_a_problem_fails_although_an_authority_vouches() {
        let problem = || {
            vec![NotReady {
                part: crate::Part::Spec,
                field: "spec.mode".into(),
                problem: "unsupported".into(),
            }]
        };
        assert_eq!(decide(&policy(Mode::Enforce, problem()), &[Outcome::Vouched]), Decision::Deny);
        assert_eq!(decide(&policy(Mode::Warn, problem()), &[Outcome::Vouched]), Decision::Warn);
    }

    #[test]
    fn warn_mode_warns_where_enforce_denies() {
        assert_eq!(decide(&policy(Mode::Warn, Vec::new()), &[refused()]), Decision::Warn);
    }
}
