//! What is known so far of one policy and one image.

use trustwright_core::{Digest, ImageRef};
use trustwright_policy::{Authority, Check, Formats, Outcome, Policy};
use trustwright_verify::{Form, PublicKey};

use crate::{
    collect::Event,
    refuse::{self, Refusals},
};

/// What is known so far of one policy.
pub(crate) struct Judgement<'s> {
    policy: &'s Policy,
    authorities: Vec<AuthorityState<'s>>,
}

struct AuthorityState<'s> {
    authority: &'s Authority,
    vouched: bool,
    refusals: Refusals,
}

impl<'s> Judgement<'s> {
    pub(crate) fn new(policy: &'s Policy) -> Self {
        let authorities = policy
            .authorities
            .iter()
            .map(|authority| AuthorityState {
                authority,
                vouched: matches!(authority.check, Check::Pass),
                refusals: Refusals::default(),
            })
            .collect();
        Self { policy, authorities }
    }

    /// Whether a signature in `form` could change the verdict.
    pub(crate) fn wants(&self, form: Form) -> bool {
        !self.settled() && self.authorities.iter().any(|state| state.key(form).is_some())
    }

    /// Takes in what the registry holds in `form`.
    pub(crate) fn hear(&mut self, form: Form, digest: Digest, event: &Event) {
        if self.settled() {
            return;
        }
        for state in &mut self.authorities {
            let Some(key) = state.key(form) else { continue };
            match event {
                Event::Found(signature) => {
                    let checked = signature.as_ref().map_err(Clone::clone);
                    match checked.and_then(|signature| trustwright_verify::check(signature, &digest, key)) {
                        Ok(_) => state.vouched = true,
                        Err(refusal) => state.refusals.refused(refusal),
                    }
                }
                Event::Fault(reason, text) => state.refusals.failed(*reason, text),
                Event::Skipped(count) => state.refusals.skipped(*count),
            }
        }
    }

    /// The policy and what each of its authorities found. Of a policy with a problem of its own only the
    /// authorities speak that need no evidence: nobody has looked for any.
    pub(crate) fn outcomes(self, image: &ImageRef, digest: Digest) -> (&'s Policy, Vec<Outcome>) {
        let is_heard = |state: &AuthorityState<'_>| {
            self.policy.problems.is_empty() || !matches!(state.authority.check, Check::Key(..))
        };
        let outcomes = self
            .authorities
            .into_iter()
            .filter(is_heard)
            .map(|state| {
                if state.vouched {
                    return Outcome::Vouched;
                }
                Outcome::Refused(refuse::cause(state.authority, &state.refusals, image, digest))
            })
            .collect();
        (self.policy, outcomes)
    }

    /// Whether nothing that a registry could say would change the verdict.
    fn settled(&self) -> bool {
        !self.policy.problems.is_empty() || self.authorities.iter().any(|state| state.vouched)
    }
}

impl<'s> AuthorityState<'s> {
    fn key(&self, form: Form) -> Option<&'s PublicKey> {
        match &self.authority.check {
            Check::Key(key, formats) => looks_for(*formats, form).then_some(key.as_ref()),
            Check::Pass | Check::Fail(_) | Check::NotReady(_) => None,
        }
    }
}

pub(crate) const fn looks_for(formats: Formats, form: Form) -> bool {
    match form {
        Form::Legacy => formats.legacy,
        Form::Bundle => formats.bundle,
    }
}
