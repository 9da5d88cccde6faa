//! Judging the images of one workload.

mod channels;
mod lookup;
mod plan;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use trustwright_core::{Cause, Causes, Decision, Digest, Finding, Findings, ImageRef, Reason, Verdict, fold};
use trustwright_policy::{NoMatch, Outcome, Policy, Ruling, Snapshot, Workload, evaluate, input, select};
use trustwright_registry::Client;

use crate::{
    AuthorityAccount, CredentialError, Credentials, Explanation, Metrics, Misses, PolicyAccount,
    cache::{Cache, Configs},
    evaluation::Evaluator,
    flight::Flights,
    habits::Habits,
    judgement::Subject,
    misses::Told,
    proof::{Provers, Verifiers},
};
use plan::Plan;

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

/// What is to be judged, when, and on whose behalf.
#[derive(Clone, Copy)]
pub struct Review<'a> {
    /// The workload, as policies select it.
    pub workload: &'a Workload<'a>,
    /// Its images.
    pub images: &'a [ImageField],
    /// The whole object, for policies whose rule looks at it; see
    /// [`Includes::workload`](trustwright_policy::Includes::workload).
    pub object: Option<&'a Value>,
    /// What is shown to registries.
    pub credentials: &'a dyn Credentials,
    /// The time of day, which certificates, logs and timestamps are held against.
    pub now: Timestamp,
    /// Until when there is time for an answer.
    pub deadline: Instant,
}

/// Judges images. Cheap to clone; all clones share what they remember. What is under way ends with the last of them.
#[derive(Debug, Clone)]
pub struct Engine {
    registry: Client,
    verifiers: Verifiers,
    evaluator: Evaluator,
    cache: Cache,
    flights: Flights,
    metrics: Metrics,
    told: Told,
    habits: Habits,
    /// Whether somebody wants to know what a verdict rests on.
    traces: bool,
}

/// Why a tag could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// There is no credential to ask with.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The registry has not answered, or not with a digest.
    #[error(transparent)]
    Registry(#[from] trustwright_registry::Error),
}

/// What is to be said of an image, wherever it stands.
enum Opinion<'s> {
    /// No policy was asked.
    Own(Decision, Cause),
    /// What each policy says.
    Policies(Vec<Said<'s>>),
}

/// What a policy says.
struct Said<'s> {
    policy: &'s Arc<Policy>,
    /// What its authorities found.
    outcomes: Vec<Outcome>,
    /// What its rule says of that.
    ruling: Option<Ruling>,
    /// What that rests on, where somebody wants to know.
    authorities: Vec<AuthorityAccount>,
}

impl Engine {
    /// An engine that reads evidence through `registry`.
    pub fn new(registry: Client) -> Self {
        Self {
            registry,
            verifiers: Verifiers::default(),
            evaluator: Evaluator::new(),
            cache: Cache::default(),
            flights: Flights::default(),
            metrics: Metrics::default(),
            told: Told::default(),
            habits: Habits::default(),
            traces: false,
        }
    }

    /// The same, telling `misses` which trust roots may have been rotated.
    #[must_use]
    pub fn telling(self, misses: Arc<dyn Misses>) -> Self {
        Self { told: Told::new(misses), ..self }
    }

    /// One that remembers nothing from one request to the next.
    pub fn forgetful(registry: Client) -> Self {
        Self { cache: Cache::none(), flights: Flights::forgetful(), ..Self::new(registry) }
    }

    /// The same, counting with `metrics`.
    #[must_use]
    pub fn counting(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// What it has counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The size of what it remembers, in bytes, about.
    pub fn remembered(&self) -> usize {
        self.cache.bytes()
    }

    /// The digest that `image` names now: its own, or its tag's in the registry.
    pub async fn resolve(
        &self,
        image: &ImageRef,
        credentials: &dyn Credentials,
        deadline: Instant,
    ) -> Result<Digest, ResolveError> {
        if let Some(digest) = image.digest() {
            return Ok(digest);
        }
        let credential = lookup::credential(credentials, image.repository(), &[], deadline).await?;
        Ok(self.registry.resolve(image, &credential, deadline).await?)
    }

    /// Judges every image of a workload against `snapshot`: each text once, however often it stands there.
    pub async fn judge(&self, snapshot: &Snapshot, review: &Review<'_>) -> Verdict {
        let provers = Provers::new(&self.verifiers, snapshot);
        let mut opinions = HashMap::new();
        let considered: Vec<_> = review
            .images
            .iter()
            .map(|field| {
                let opinion = opinions.entry(field.image.as_str()).or_insert_with(|| {
                    self.consider(&provers, review, &field.image).map(Arc::new).boxed().shared()
                });
                opinion.clone()
            })
            .collect();
        let considered: Vec<_> = stream::iter(considered).buffered(CONCURRENCY).collect().await;
        fold(review.images.iter().zip(considered).map(|(field, opinion)| opinion.verdict(field)))
    }

    /// Sets out to look for the evidence that [`Engine::judge`] will want of images of which nothing is remembered, and does
    /// not wait until it is found: whoever judges them then does. It changes no verdict, only when it is known.
    pub async fn prefetch(&self, snapshot: &Snapshot, review: &Review<'_>) {
        let provers = Provers::new(&self.verifiers, snapshot);
        let texts: HashSet<_> = review.images.iter().map(|field| field.image.as_str()).collect();
        let started: Vec<_> =
            texts.into_iter().map(|text| self.prefetch_image(&provers, review, text)).collect();
        stream::iter(started).buffer_unordered(CONCURRENCY).collect::<()>().await;
    }

    async fn prefetch_image(&self, provers: &Provers<'_>, review: &Review<'_>, text: &str) {
        let Ok(image) = text.parse::<ImageRef>() else { return };
        let Some(digest) = image.digest() else { return };
        let subject = Subject { image, digest, now: review.now };
        let policies = select(provers.snapshot(), review.workload, &subject.image.name());
        let plans = self.plans(policies, &subject, provers);
        if !plans.iter().any(|plan| plan.is_remembered(self, review)) {
            self.set_out(&plans, subject, review).await;
        }
    }

    /// Judges as [`Engine::judge`] does, and says what the verdict on each image rests on. All evidence is looked at, and
    /// not only until every policy is settled; nothing is taken from memory, and nothing is put there.
    pub async fn explain(&self, snapshot: &Snapshot, review: &Review<'_>) -> Vec<Explanation> {
        let engine =
            Self { cache: Cache::none(), flights: Flights::forgetful(), traces: true, ..self.clone() };
        let provers = Provers::new(&engine.verifiers, snapshot);
        let mut explanations = Vec::new();
        for field in review.images {
            let opinion = engine.consider(&provers, review, &field.image).await;
            let verdict = opinion.verdict(field);
            explanations.push(Explanation {
                field: field.clone(),
                verdict,
                policies: opinion.accounts(field),
            });
        }
        explanations
    }

    async fn consider<'s>(&self, provers: &Provers<'s>, review: &Review<'_>, text: &str) -> Opinion<'s> {
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
        let policies = select(snapshot, review.workload, &image.name());
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
        let subject = Subject { image, digest, now: review.now };
        let mut plans = self.plans(policies, &subject, provers);
        for plan in &mut plans {
            plan.recall(self, review).await;
        }
        let configs = self.answer(&mut plans, subject, review).await;
        let mut opinions = Vec::new();
        for plan in plans {
            let ruling = self.rule(&plan, configs.as_ref(), review).await;
            let (policy, authorities) = (plan.policy, plan.accounts());
            opinions.push(Said { policy, outcomes: plan.outcomes(), ruling, authorities });
        }
        Opinion::Policies(opinions)
    }

    fn plans<'s>(
        &self,
        policies: Vec<&'s Arc<Policy>>,
        subject: &Subject,
        provers: &Provers<'s>,
    ) -> Vec<Plan<'s>> {
        policies.into_iter().map(|policy| Plan::new(policy, subject, provers, self.traces)).collect()
    }

    /// What the rule of a policy says of what its authorities found, once one of them vouches.
    async fn rule(
        &self,
        plan: &Plan<'_>,
        configs: Option<&Result<Arc<Configs>, (Reason, String)>>,
        review: &Review<'_>,
    ) -> Option<Ruling> {
        let rule = plan.policy.rule.as_ref()?;
        if !plan.policy.problems.is_empty() || !plan.is_vouched() {
            return None;
        }
        let none = Configs::new();
        let configs = match configs {
            _ if !plan.policy.includes.config => &none,
            Some(Ok(configs)) => configs.as_ref(),
            Some(Err((reason, text))) => {
                let hint = Some("spec.policy asks for the image's configuration".to_owned());
                let cause = Cause { authority: None, reason: *reason, text: text.clone(), hint };
                return Some(Ruling::Refused(cause));
            }
            // Whoever asks for it gets it or a fault, so this is only ever reached by a bug; it refuses all the same.
            None => return None,
        };
        let matches: Vec<_> = plan.matches().collect();
        let input = input(plan.policy, &matches, configs, review.object);
        Some(match self.evaluator.whole(rule, input, review.deadline).await {
            Ok(()) => Ruling::Compliant,
            Err(cause) => Ruling::Refused(cause),
        })
    }
}

impl Opinion<'_> {
    fn verdict(&self, field: &ImageField) -> Verdict {
        match self {
            Self::Own(Decision::Allow, _) => Verdict::Allow,
            Self::Own(Decision::Warn, cause) => Verdict::Warn(Findings::one(finding(field, cause))),
            Self::Own(Decision::Deny, cause) => Verdict::deny(finding(field, cause)),
            Self::Policies(policies) => fold(policies.iter().map(|said| said.verdict(field))),
        }
    }

    fn accounts(self, field: &ImageField) -> Vec<PolicyAccount> {
        match self {
            Self::Own(..) => Vec::new(),
            Self::Policies(policies) => policies.into_iter().map(|said| said.account(field)).collect(),
        }
    }
}

impl Said<'_> {
    fn verdict(&self, field: &ImageField) -> Verdict {
        evaluate(self.policy, &field.path, &field.image, &self.outcomes, self.ruling.as_ref())
    }

    fn account(self, field: &ImageField) -> PolicyAccount {
        let verdict = self.verdict(field);
        PolicyAccount {
            policy: Arc::clone(self.policy),
            verdict,
            authorities: self.authorities,
            ruling: self.ruling,
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

impl fmt::Debug for Review<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Review").field("images", &self.images).field("now", &self.now).finish_non_exhaustive()
    }
}
