//! The words of a refusal: the field's text first, then what a person can do.

use trustwright_core::{Cause, Digest, ImageRef, Reason};
use trustwright_policy::{Authority, Check, Formats};
use trustwright_verify::{Form, PublicKey, Refusal};

use crate::judgement::looks_for;

/// Different refusals that a message quotes.
const MAX_TEXTS: usize = 5;

/// What stood against an authority while evidence was looked at.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    list: Vec<Refusal>,
    /// The first fault of the registry, which may hide a signature.
    fault: Option<(Reason, String)>,
    /// Signatures beyond the limit that nobody looked at.
    skipped: usize,
}

impl Refusals {
    pub(crate) fn refused(&mut self, refusal: Refusal) {
        self.list.push(refusal);
    }

    pub(crate) fn failed(&mut self, reason: Reason, text: &str) {
        self.fault.get_or_insert_with(|| (reason, text.to_owned()));
    }

    pub(crate) fn skipped(&mut self, count: usize) {
        self.skipped += count;
    }
}

/// Why `authority` does not vouch for the image.
pub(crate) fn cause(authority: &Authority, refusals: &Refusals, image: &ImageRef, digest: Digest) -> Cause {
    let name = authority.name.as_str();
    let cause = |reason, text: String, hint: Option<String>| Cause {
        authority: Some(name.to_owned()),
        reason,
        text,
        hint,
    };
    match &authority.check {
        Check::Fail(message) => {
            cause(Reason::StaticFail, format!("disallowed by static policy: {message}"), None)
        }
        Check::NotReady(problem) => cause(
            Reason::AuthorityNotReady,
            format!("failed to process authority: {name}"),
            Some(format!("authority {name} cannot be used: {problem}")),
        ),
        // A static pass vouches, so this is only ever reached by a bug; it refuses all the same.
        Check::Pass => cause(Reason::Internal, format!("failed to process authority: {name}"), None),
        Check::Key(key, formats) => {
            let (reason, text) = refusals.text();
            let hint = refusals.hint(key, *formats, image, digest);
            let prefix =
                format!("signature key validation failed for authority {name} for {}: ", image.name());
            cause(reason, prefix + &text, Some(format!("authority {name}: {hint}")))
        }
    }
}

impl Refusals {
    /// The reason, and the words of the field for it.
    fn text(&self) -> (Reason, String) {
        if let Some((reason, text)) = &self.fault {
            return (*reason, text.clone());
        }
        if self.list.is_empty() {
            return (Reason::NoSignatures, "no signatures found".into());
        }
        let mut texts: Vec<String> = Vec::new();
        for text in self.list.iter().map(ToString::to_string) {
            if !texts.contains(&text) && texts.len() < MAX_TEXTS {
                texts.push(text);
            }
        }
        (Reason::NoMatchingSignatures, format!("no matching signatures: {}", texts.join("\n ")))
    }

    /// What was done, and what remains to do.
    fn hint(&self, key: &PublicKey, formats: Formats, image: &ImageRef, digest: Digest) -> String {
        let repository = image.repository();
        let found = match (self.list.len(), &self.fault) {
            (0, None) => {
                Some(format!("looked for {} in {repository} and found none", places(formats, digest)))
            }
            (0, Some(_)) => None,
            (count, _) => Some(format!(
                "{count} signature(s) found in {repository}, none of them good under the key {}",
                key.fingerprint()
            )),
        };
        let fault = self.fault.as_ref().map(|_| {
            format!("the registry {} has to answer before {digest} can be judged", repository.registry())
        });
        let skipped = (self.skipped > 0).then(|| format!("{} more not looked at", self.skipped));
        [fault, found, skipped].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

fn places(formats: Formats, digest: Digest) -> String {
    let bundles = || format!("bundles among the referrers of {digest}");
    let tag = || format!("the tag sha256-{}.sig", digest.hex());
    let bundles = looks_for(formats, Form::Bundle).then(bundles);
    let tag = looks_for(formats, Form::Legacy).then(tag);
    bundles.into_iter().chain(tag).collect::<Vec<_>>().join(" and ")
}
