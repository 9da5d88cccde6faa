//! Judging the images of one workload.

use std::{collections::HashMap, pin::pin, sync::Arc};

use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};
use trustwright_core::{Cause, Causes, Decision, Digest, Finding, Findings, ImageRef, Reason, Verdict, fold};
use trustwright_policy::{NoMatch, Outcome, Policy, Snapshot, Workload, evaluate, select};
use trustwright_registry::{Client, Credential};
use trustwright_verify::Form;

use crate::{
    collect::{self, Lookup},
    judgement::Judgement,
};

/// Images of one workload that are judged at once.
const CONCURRENCY: usize = 16;

/// An image of a workload, and where in the object it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageField {
    /// The field's path for people: `spec.template.spec.containers[0].image`.
    pub path: String,
    /// What stands there.
    pub image: String,
}

/// Judges images. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    registry: Client,
}

/// What is to be said of an image, wherever it stands.
enum Opinion<'s> {
    /// No policy was asked.
    Own(Decision, Cause),
    /// What the authorities of each policy found.
    Policies(Vec<(&'s Policy, Vec<Outcome>)>),
}

impl Engine {
    /// An engine that reads signatures through `registry`.
    pub const fn new(registry: Client) -> Self {
        Self { registry }
    }

    /// The digest that `image` names now: its own, or its tag's in the registry.
    pub async fn resolve(
        &self,
        image: &ImageRef,
        deadline: Instant,
    ) -> Result<Digest, trustwright_registry::Error> {
        self.registry.resolve(image, &Credential::Anonymous, deadline).await
    }

    /// Judges every image of a workload against `snapshot`: each text once, however often it stands there.
    pub async fn judge(
        &self,
        snapshot: &Snapshot,
        workload: &Workload<'_>,
        images: &[ImageField],
        deadline: Instant,
    ) -> Verdict {
        let mut opinions = HashMap::new();
        let considered: Vec<_> = images
            .iter()
            .map(|field| {
                let opinion = opinions.entry(field.image.as_str()).or_insert_with(|| {
                    self.consider(snapshot, workload, &field.image, deadline).map(Arc::new).boxed().shared()
                });
                opinion.clone()
            })
            .collect();
        let considered: Vec<_> = stream::iter(considered).buffered(CONCURRENCY).collect().await;
        fold(images.iter().zip(considered).map(|(field, opinion)| opinion.verdict(field)))
    }

    async fn consider<'s>(
        &self,
        snapshot: &'s Snapshot,
        workload: &Workload<'_>,
        text: &str,
        deadline: Instant,
    ) -> Opinion<'s> {
        let own = |decision, reason, text: String, hint: Option<&str>| {
            Opinion::Own(decision, Cause { authority: None, reason, text, hint: hint.map(str::to_owned) })
        };
        let image: ImageRef = match text.parse() {
            Ok(image) => image,
            Err(error) => return own(Decision::Deny, Reason::InvalidReference, format!("{error}"), None),
        };
        let Some(digest) = image.digest() else {
            return own(
                Decision::Deny,
                Reason::NotADigest,
                format!("invalid value: {text} must be an image digest"),
                Some(
                    "tags are resolved to digests when the object is written; this one was not, so its registry \
                     could not be asked, or knows no such tag: name the image by digest, or try again",
                ),
            );
        };
        let policies = select(snapshot, workload, &image.name());
        if policies.is_empty() {
            let decision = match snapshot.settings.no_match {
                NoMatch::Deny => Decision::Deny,
                NoMatch::Warn => Decision::Warn,
                NoMatch::Allow => Decision::Allow,
            };
            return own(
                decision,
                Reason::NoMatchingPolicy,
                "no matching policies".into(),
                Some("no ClusterImagePolicy has a glob that matches the image; kubectl get cip lists them"),
            );
        }
        let mut judgements: Vec<_> = policies.into_iter().map(|policy| Judgement::new(policy)).collect();
        self.consult_registry(&mut judgements, &image, digest, deadline).await;
        Opinion::Policies(
            judgements.into_iter().map(|judgement| judgement.outcomes(&image, digest)).collect(),
        )
    }

    /// Looks for signatures, bundles before legacy tags, until every policy is settled or nothing is left to
    /// look at. Where the bundles take half of the time, legacy tags are read beside them, so that one kind of
    /// request that hangs hides nothing of the other kind.
    async fn consult_registry(
        &self,
        judgements: &mut [Judgement<'_>],
        image: &ImageRef,
        digest: Digest,
        deadline: Instant,
    ) {
        let (registry, repository) = (&self.registry, image.repository());
        let look = |form| collect::signatures(Lookup { registry, repository, digest, form, deadline }).fuse();
        let (mut bundles, mut layers) = (pin!(look(Form::Bundle)), pin!(look(Form::Legacy)));
        let start = Instant::now();
        let patience = start + deadline.saturating_duration_since(start) / 2;
        loop {
            let wanted = |form| judgements.iter().any(|judgement| judgement.wants(form));
            let want_bundles = !bundles.is_done() && wanted(Form::Bundle);
            let want_layers = !layers.is_done() && wanted(Form::Legacy);
            let is_late = Instant::now() >= patience;
            let event = tokio::select! {
                biased;
                event = bundles.next(), if want_bundles => event.map(|event| (Form::Bundle, event)),
                event = layers.next(), if want_layers && (is_late || !want_bundles) => {
                    event.map(|event| (Form::Legacy, event))
                }
                () = sleep_until(patience), if want_bundles && want_layers && !is_late => None,
                else => return,
            };
            if let Some((form, event)) = event {
                for judgement in judgements.iter_mut() {
                    judgement.hear(form, digest, &event);
                }
                // Checking signatures is work, and other images want their turn.
                yield_now().await;
            }
        }
    }
}

impl Opinion<'_> {
    fn verdict(&self, field: &ImageField) -> Verdict {
        match self {
            Self::Own(Decision::Allow, _) => Verdict::Allow,
            Self::Own(Decision::Warn, cause) => Verdict::Warn(Findings::one(finding(field, cause))),
            Self::Own(Decision::Deny, cause) => Verdict::deny(finding(field, cause)),
            Self::Policies(policies) => fold(
                policies
                    .iter()
                    .map(|(policy, outcomes)| evaluate(policy, &field.path, &field.image, outcomes)),
            ),
        }
    }
}

fn finding(field: &ImageField, cause: &Cause) -> Finding {
    Finding {
        policy: None,
        path: field.path.clone(),
        image: field.image.clone(),
        causes: Causes::one(cause.clone()),
    }
}
