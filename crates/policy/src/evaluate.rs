//! From what the authorities found to the verdict of one policy.

use trustwright_core::{Cause, Causes, Finding, Findings, Reason, Verdict};

use crate::{Match, Mode, Policy};

/// What one authority found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It vouches for the image, by this.
    Vouched(Match),
    /// It does not.
    Refused(Cause),
}

/// What the rule over a whole policy says of what its authorities found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It is as it has to be.
    Compliant,
    /// It is not, or nobody knows.
    Refused(Cause),
}

/// The verdict of `policy` on the image `image` at `path`, given what each of its authorities found, in their
/// order, and what its rule says, where it has one. One authority that vouches is enough; a policy with a problem of its
/// own fails whatever they say.
///
/// An outcome that is missing counts as a refusal, and so does the ruling of a rule.
pub fn evaluate(
    policy: &Policy,
    path: &str,
    image: &str,
    outcomes: &[Outcome],
    ruling: Option<&Ruling>,
) -> Verdict {
    let vouched = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Vouched(_)));
    let complies = policy.rule.is_none() || ruling == Some(&Ruling::Compliant);
    if policy.problems.is_empty() && vouched && complies {
        return Verdict::Allow;
    }
    let own = policy.problems.iter().map(|problem| Cause {
        authority: None,
        reason: Reason::PolicyNotReady,
        text: format!("failed to process policy: {}", policy.name),
        hint: Some(problem.to_string()),
    });
    let refused = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Vouched(_) => None,
        Outcome::Refused(cause) => Some(cause.clone()),
    });
    let ruled = ruling.and_then(|ruling| match ruling {
        Ruling::Compliant => None,
        Ruling::Refused(cause) => Some(cause.clone()),
    });
    let missing = || {
        Causes::one(Cause {
            authority: None,
            reason: Reason::Internal,
            text: format!("failed to process policy: {}", policy.name),
            hint: Some("nobody gave an answer; please report this".into()),
        })
    };
    let finding = Finding {
        policy: Some(policy.name.clone()),
        path: path.to_owned(),
        image: image.to_owned(),
        causes: Causes::collect(own.chain(refused).chain(ruled)).unwrap_or_else(missing),
    };
    match policy.mode {
        Mode::Enforce => Verdict::deny(finding),
        Mode::Warn => Verdict::Warn(Findings::one(finding)),
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use trustwright_core::Decision;

    use super::*;
    use crate::{Answer, Images, Language, NotReady, Program, Rule};

    #[derive(Debug)]
    struct Silent;

    impl Program for Silent {
        fn evaluate(&self, _: &[u8], _: Duration) -> Answer {
            Answer::Refused(String::new())
        }
    }

    fn policy(mode: Mode, problems: Vec<NotReady>) -> Policy {
        Policy {
            name: "p".into(),
            mode,
            images: Images::Every,
            scopes: Vec::new(),
            authorities: Vec::new(),
            rule: None,
            includes: crate::Includes::default(),
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
        evaluate(policy, "spec.containers[0].image", "i", outcomes, None).decision()
    }

    #[test]
    fn one_authority_that_vouches_is_enough() {
        let policy = policy(Mode::Enforce, Vec::new());
        assert_eq!(decide(&policy, &[refused(), Outcome::Vouched(Match::Static)]), Decision::Allow);
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
        assert_eq!(
            decide(&policy(Mode::Enforce, problem()), &[Outcome::Vouched(Match::Static)]),
            Decision::Deny
        );
        assert_eq!(
            decide(&policy(Mode::Warn, problem()), &[Outcome::Vouched(Match::Static)]),
            Decision::Warn
        );
    }

    #[test]
    fn a_rule_has_to_comply_once_an_authority_vouches_and_its_silence_refuses() {
        let rule = Rule { language: Language::Cue, program: Arc::new(Silent), text: [0; 32] };
        let with = Policy { rule: Some(rule), ..policy(Mode::Enforce, Vec::new()) };
        let decide = |policy: &Policy, outcomes: &[Outcome], ruling: Option<&Ruling>| {
            evaluate(policy, "spec.containers[0].image", "i", outcomes, ruling)
        };
        let vouched = [refused(), Outcome::Vouched(Match::Static)];
        let Outcome::Refused(cause) = refused() else { panic!() };
        let refusal = Ruling::Refused(Cause { text: "not compliant".into(), ..cause });
        assert_eq!(decide(&with, &vouched, Some(&Ruling::Compliant)), Verdict::Allow);
        assert_eq!(decide(&with, &vouched, None).decision(), Decision::Deny);
        assert_eq!(decide(&with, &[refused()], Some(&Ruling::Compliant)).decision(), Decision::Deny);
        let Verdict::Deny { findings, .. } = decide(&with, &vouched, Some(&refusal)) else { panic!() };
        let texts: Vec<_> = findings.first().causes.iter().map(|cause| cause.text.as_str()).collect();
        assert_eq!(texts, ["no signatures found", "not compliant"]);
        // One field away: a policy without a rule.
        assert_eq!(decide(&policy(Mode::Enforce, Vec::new()), &vouched, None), Verdict::Allow);
    }

    #[test]
    fn warn_mode_warns_where_enforce_denies() {
        assert_eq!(decide(&policy(Mode::Warn, Vec::new()), &[refused()]), Decision::Warn);
    }
}
