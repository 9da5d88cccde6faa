//! The verdict on an image, and the one way in which verdicts are put together.

use crate::Reason;

/// One thing that stands against an image, with what a person needs to see why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The authority that says so, where one does.
    pub authority: Option<String>,
    /// The closed reason.
    pub reason: Reason,
    /// The text that the field knows; it stands first in a message.
    pub text: String,
    /// What a person can do about it, on a line of its own.
    pub hint: Option<String>,
}

/// What one policy (or the lack of one) has against one image of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The policy, or `None` where the finding is not a policy's.
    pub policy: Option<String>,
    /// The path of the image's field in the object, such as `spec.containers[0].image`.
    pub path: String,
    /// The image as the object names it.
    pub image: String,
    /// What stands against it, in the order of the policy's authorities. Never empty.
    pub causes: Causes,
}

/// One cause or more.
pub type Causes = NonEmpty<Cause>;
/// One finding or more.
pub type Findings = NonEmpty<Finding>;

/// A list that cannot be empty, so that no lost element can turn a refusal into a consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonEmpty<T> {
    first: T,
    rest: Vec<T>,
}

impl<T> NonEmpty<T> {
    /// A list of one.
    pub const fn one(first: T) -> Self {
        Self { first, rest: Vec::new() }
    }

    /// A list of what `items` yields, or `None` where it yields nothing.
    pub fn collect(items: impl IntoIterator<Item = T>) -> Option<Self> {
        let mut items = items.into_iter();
        Some(Self { first: items.next()?, rest: items.collect() })
    }

    /// Every element, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// The first element.
    pub const fn first(&self) -> &T {
        &self.first
    }

    fn extend(&mut self, other: Self) {
        self.rest.push(other.first);
        self.rest.extend(other.rest);
    }
}

/// The outcome for an image, or for a whole object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stands against it.
    Allow,
    /// Policies in `warn` mode have something against it; it is admitted with these warnings.
    Warn(Findings),
    /// It is refused.
    Deny {
        /// Why.
        findings: Findings,
        /// What policies in `warn` mode have against it besides.
        warnings: Vec<Finding>,
    },
}

/// A [`Verdict`] without its findings, for metrics and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// Admitted.
    Allow,
    /// Admitted with warnings.
    Warn,
    /// Refused.
    Deny,
}

impl Decision {
    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

impl Verdict {
    /// A denial for one finding.
    pub const fn deny(finding: Finding) -> Self {
        Self::Deny { findings: Findings::one(finding), warnings: Vec::new() }
    }

    /// The verdict without its findings.
    pub const fn decision(&self) -> Decision {
        match self {
            Self::Allow => Decision::Allow,
            Self::Warn(_) => Decision::Warn,
            Self::Deny { .. } => Decision::Deny,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Allow, verdict) | (verdict, Self::Allow) => verdict,
            (Self::Warn(mut findings), Self::Warn(more)) => {
                findings.extend(more);
                Self::Warn(findings)
            }
            (Self::Warn(before), Self::Deny { findings, warnings }) => {
                Self::Deny { findings, warnings: before.iter().cloned().chain(warnings).collect() }
            }
            (Self::Deny { findings, mut warnings }, Self::Warn(more)) => {
                warnings.extend(more.iter().cloned());
                Self::Deny { findings, warnings }
            }
            (
                Self::Deny { mut findings, mut warnings },
                Self::Deny { findings: more, warnings: more_warnings },
            ) => {
                findings.extend(more);
                warnings.extend(more_warnings);
                Self::Deny { findings, warnings }
            }
        }
    }
}

/// Puts verdicts together: a denial outweighs a warning, a warning outweighs consent, and no finding is lost
/// or changes its level. The order of the verdicts is the order of the findings.
pub fn fold(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    verdicts.into_iter().fold(Verdict::Allow, Verdict::and)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &str) -> Finding {
        Finding {
            policy: Some(name.into()),
            path: "spec.containers[0].image".into(),
            image: "ghcr.io/a/b".into(),
            causes: Causes::one(Cause {
                authority: None,
                reason: Reason::StaticFail,
                text: "disallowed by static policy".into(),
                hint: None,
            }),
        }
    }

    fn warn(name: &str) -> Verdict {
        Verdict::Warn(Findings::one(finding(name)))
    }

    fn names<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<&'a str> {
        findings.into_iter().filter_map(|finding| finding.policy.as_deref()).collect()
    }

    #[test]
    fn a_warning_never_softens_a_denial_in_either_order() {
        for verdicts in [
            vec![warn("w"), Verdict::deny(finding("d")), Verdict::Allow],
            vec![Verdict::deny(finding("d")), Verdict::Allow, warn("w")],
        ] {
            let Verdict::Deny { findings, warnings } = fold(verdicts) else { panic!("not denied") };
            assert_eq!(names(findings.iter()), ["d"]);
            assert_eq!(names(&warnings), ["w"]);
        }
    }

    #[test]
    fn every_finding_is_kept_in_order_at_its_own_level() {
        let folded = fold([
            warn("w1"),
            Verdict::deny(finding("d1")),
            warn("w2"),
            Verdict::Deny { findings: Findings::one(finding("d2")), warnings: vec![finding("w3")] },
        ]);
        let Verdict::Deny { findings, warnings } = folded else { panic!("not denied") };
        assert_eq!(names(findings.iter()), ["d1", "d2"]);
        assert_eq!(names(&warnings), ["w1", "w2", "w3"]);
    }

    #[test]
    fn only_consents_make_a_consent() {
        assert_eq!(fold([Verdict::Allow, Verdict::Allow]), Verdict::Allow);
        assert_eq!(fold([Verdict::Allow, warn("w"), warn("v")]).decision(), Decision::Warn);
    }
}
