//! Judging the images of one workload.

mod channels;

use std::{collections::HashMap, sync::Arc};

use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;
use tokio::time::Instant;
use trustwright_core::{Cause, Causes, Decision, Digest, Finding, Findings, ImageRef, Reason, Verdict, fold};
use trustwright_policy::{NoMatch, Outcome, Policy, Snapshot, Workload, evaluate, select};
use trustwright_registry::{Client, Credential};

use crate::{
    judgement::{Judgement, Subject},
    proof::{Provers, Verifiers},
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
    verifiers: Verifiers,
}

/// What is to be said of an image, wherever it stands.
enum Opinion<'s> {
    /// No policy was asked.
    Own(Decision, Cause),
    /// What the authorities of each policy found.
    Policies(Vec<(&'s Policy, Vec<Outcome>)>),
}

impl Engine {
    /// An engine that reads evidence through `registry`.
    pub fn new(registry: Client) -> Self {
        Self { registry, verifiers: Verifiers::default() }
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
    ///
    /// `now` is the time of day, which certificates, logs and timestamps are held against; until `deadline` registries
    /// may be asked.
    pub async fn judge(
        &self,
        snapshot: &Snapshot,
        workload: &Workload<'_>,
        images: &[ImageField],
        now: Timestamp,
        deadline: Instant,
    ) -> Verdict {
        let provers = Provers::new(&self.verifiers, snapshot);
        let mut opinions = HashMap::new();
        let considered: Vec<_> = images
            .iter()
            .map(|field| {
                let opinion = opinions.entry(field.image.as_str()).or_insert_with(|| {
                    self.consider(&provers, workload, &field.image, now, deadline)
                        .map(Arc::new)
                        .boxed()
                        .shared()
                });
                opinion.clone()
            })
            .collect();
        let considered: Vec<_> = stream::iter(considered).buffered(CONCURRENCY).collect().await;
        fold(images.iter().zip(considered).map(|(field, opinion)| opinion.verdict(field)))
    }

    async fn consider<'s>(
        &self,
        provers: &Provers<'s>,
        workload: &Workload<'_>,
        text: &str,
        now: Timestamp,
        deadline: Instant,
    ) -> Opinion<'s> {
        let snapshot = provers.snapshot();
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
        let subject = Subject { image: &image, digest, now };
        let mut judgements: Vec<_> = policies
            .into_iter()
            .map(|policy| Judgement::new(policy, &subject, |signed| provers.prove(signed)))
            .collect();
        channels::consult(&self.registry, &mut judgements, &subject, deadline).await;
        Opinion::Policies(judgements.into_iter().map(|judgement| judgement.outcomes(&image)).collect())
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
