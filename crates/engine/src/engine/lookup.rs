//! Answering what remains to be asked: with whose credentials, on which flight, and for how long.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use trustwright_core::{Reason, Repository};
use trustwright_policy::Outcome;
use trustwright_registry::Credential;

use super::{
    Engine, Review,
    channels::{Search, consult},
    plan::Plan,
};
use crate::{
    Counter, CredentialError, Credentials,
    cache::{AuthorityKey, Builder, Configs, Kept},
    collect::Source,
    configs::Shop,
    flight::{self, Answers, Boarding, Flight, Landing, Progress},
    judgement::{Judgement, Question, Subject},
    refuse,
};

/// The configurations of an image, or why they cannot be read.
pub(super) type FoundConfigs = Result<Arc<Configs>, (Reason, String)>;

/// What to show to the registry of a place, or why nobody knows.
type Shown = Result<Credential, CredentialError>;

/// What is asked on one flight.
struct Lookup {
    subject: Subject,
    /// The questions of each policy, and whether all of its evidence is wanted.
    groups: Vec<(Vec<Arc<Question>>, bool)>,
    sources: Vec<(Source, Shown)>,
    /// What to show where the configurations are, if they are wanted.
    configs: Option<Shown>,
    /// Whether somebody wants to know what became of everything that is found.
    traced: bool,
}

/// What `credentials` has for a repository, or for the Secrets that a policy names.
pub(super) async fn credential(
    credentials: &dyn Credentials,
    repository: &Repository,
    pull_secrets: &[String],
    deadline: Instant,
) -> Shown {
    let named = (!pull_secrets.is_empty()).then_some(pull_secrets);
    timeout_at(deadline, credentials.credential(repository, named)).await.unwrap_or_else(|_| {
        let text = format!("the credentials for {repository} could not be read in time");
        Err(CredentialError { reason: Reason::DeadlineExceeded, text })
    })
}

impl Engine {
    /// Answers what remains to be asked in `plans`. Returns the configurations of the image, where one of them asks for
    /// them.
    pub(super) async fn answer(
        &self,
        plans: &mut [Plan<'_>],
        subject: Subject,
        review: &Review<'_>,
    ) -> Option<FoundConfigs> {
        let wants_configs = plans.iter().any(Plan::wants_configs);
        let known = wants_configs.then(|| self.known_configs(&subject)).flatten();
        let is_missing = wants_configs && known.is_none();
        let Some(lookup) = self.lookup(plans, subject, is_missing, review).await else {
            return known.map(Ok);
        };
        let Answers { outcomes, traces, configs } = self.fly(&lookup, review.deadline).await;
        let mut traces = traces.into_iter();
        for (plan, outcomes) in plans.iter_mut().zip(outcomes) {
            plan.accept(outcomes, traces.next().unwrap_or_default());
        }
        let late =
            || Err((Reason::DeadlineExceeded, "failed to get a ConfigFile: [no answer in time]".into()));
        wants_configs.then(|| known.map(Ok).or(configs).unwrap_or_else(late))
    }

    /// Sets out to answer what remains to be asked in `plans`, and waits for nothing but the credentials. Without them,
    /// and where somebody else is under way, it does nothing.
    pub(super) async fn set_out(&self, plans: &[Plan<'_>], subject: Subject, review: &Review<'_>) {
        let is_missing = plans.iter().any(Plan::wants_configs) && self.known_configs(&subject).is_none();
        if let Some(lookup) = self.lookup(plans, subject, is_missing, review).await
            && lookup.has_credentials()
            && self.board(&lookup, None, review.deadline).1 == Boarding::Started
        {
            self.metrics.add(Counter::Flight);
        }
    }

    /// What is to be asked for `plans`, and for the configurations if they are missing. `None` if that is nothing.
    async fn lookup(
        &self,
        plans: &[Plan<'_>],
        subject: Subject,
        are_configs_missing: bool,
        review: &Review<'_>,
    ) -> Option<Arc<Lookup>> {
        let groups: Vec<_> = plans.iter().map(|plan| (plan.questions(), plan.is_exhaustive())).collect();
        if !are_configs_missing && groups.iter().all(|(questions, _)| questions.is_empty()) {
            return None;
        }
        let mut sources: Vec<(Source, Shown)> = Vec::new();
        for source in
            groups.iter().flat_map(|(questions, _)| questions).flat_map(|question| &question.sources)
        {
            if sources.iter().any(|(known, _)| known == source) {
                continue;
            }
            let same = |known: &&(Source, Shown)| {
                known.0.repository == source.repository && known.0.pull_secrets == source.pull_secrets
            };
            let shown = if let Some((_, shown)) = sources.iter().find(same) {
                shown.clone()
            } else {
                let (repository, secrets) = (&source.repository, &source.pull_secrets);
                credential(review.credentials, repository, secrets, review.deadline).await
            };
            sources.push((source.clone(), shown));
        }
        let configs = if are_configs_missing {
            let repository = subject.image.repository();
            Some(credential(review.credentials, repository, &[], review.deadline).await)
        } else {
            None
        };
        Some(Arc::new(Lookup { subject, groups, sources, configs, traced: self.traces }))
    }

    /// Waits for the flight that answers `lookup`, until `deadline`. One that is late already is waited for half of the
    /// time: what it hangs on may be over.
    async fn fly(&self, lookup: &Arc<Lookup>, deadline: Instant) -> Answers {
        let mut given_up: Option<Arc<Flight>> = None;
        loop {
            let (flight, boarding) = self.board(lookup, given_up.as_ref(), deadline);
            let now = Instant::now();
            let (counter, until) = match boarding {
                Boarding::Started => (Counter::Flight, deadline),
                Boarding::Joined => (Counter::Joined, deadline),
                Boarding::Late => (Counter::Joined, now + deadline.saturating_duration_since(now) / 2),
            };
            self.metrics.add(counter);
            let landing = flight.wait(until).await;
            let is_time_left = Instant::now() < deadline;
            match landing {
                Landing::Broken => return lookup.broken(),
                // Somebody else's fault, that may be over.
                Landing::Over if boarding == Boarding::Late && flight.has_failed() && is_time_left => {}
                Landing::Over => return flight.answers(&lookup.subject.image),
                Landing::Late if boarding == Boarding::Late && is_time_left => {}
                Landing::Late => {
                    self.metrics.add(Counter::Late);
                    return flight.answers(&lookup.subject.image);
                }
            }
            given_up = Some(flight);
        }
    }

    fn board(
        &self,
        lookup: &Arc<Lookup>,
        given_up: Option<&Arc<Flight>>,
        deadline: Instant,
    ) -> (Arc<Flight>, Boarding) {
        self.flights.board(
            lookup.key(),
            given_up,
            deadline,
            || lookup.judgements(),
            |flight| self.clone().look(Arc::clone(lookup), flight, deadline),
        )
    }

    /// Flies. Returns the answers, and whether the same would be found in a moment.
    fn look(
        self,
        lookup: Arc<Lookup>,
        flight: Arc<Flight>,
        late: Instant,
    ) -> impl Future<Output = (Answers, bool)> + Send + 'static {
        // Without the flights, of which this will be one: they end when the last engine does.
        let Self { registry, evaluator, cache, told, habits, .. } = self;
        async move {
            let start = Instant::now();
            let search = Search {
                registry,
                evaluator,
                subject: lookup.subject.clone(),
                sources: lookup.sources.clone(),
                patience: start + late.saturating_duration_since(start) / 2,
                deadline: late.max(start + flight::LONGEST),
                habits,
            };
            consult(&search, &flight).await;
            let configs = match &lookup.configs {
                None => None,
                Some(shown) => Some(lookup.configs(&search, shown).await),
            };
            let (image, digest) = (&search.subject.image, &search.subject.digest);
            let at = Instant::now();
            if let Some(Ok((configs, size))) = &configs {
                let key = AuthorityKey::of_configs(image.repository(), digest);
                cache.put(key, Kept::Configs(Arc::clone(configs), *size), at);
            }
            let mut answers = Answers {
                outcomes: Vec::new(),
                traces: Vec::new(),
                configs: configs.map(|configs| configs.map(|(configs, _)| configs)),
            };
            let mut lasts = !matches!(answers.configs, Some(Err(_)));
            if let Progress::Looking(judgements) = &*flight.progress() {
                for judgement in judgements {
                    answers.outcomes.push(judgement.outcomes(image, true));
                    answers.traces.push(judgement.traces());
                    lasts &= judgement.is_lasting();
                    judgement.misses().for_each(|(root, fingerprint)| told.tell(root, fingerprint, at));
                    for (key, voucher) in judgement.vouchers() {
                        cache.put(key, Kept::Voucher(Arc::new(voucher)), at);
                    }
                }
            }
            (answers, lasts)
        }
    }

    fn known_configs(&self, subject: &Subject) -> Option<Arc<Configs>> {
        let key = AuthorityKey::of_configs(subject.image.repository(), &subject.digest);
        match self.cache.get(&key, Instant::now(), subject.now)? {
            Kept::Configs(configs, _) => Some(configs),
            Kept::Voucher(_) => None,
        }
    }
}

impl Lookup {
    /// What the answers rest on, refusals included: also what the registries are shown.
    fn key(&self) -> AuthorityKey {
        let mut key = Builder::new("flight", self.subject.image.repository(), &self.subject.digest);
        // With their numbers, so that no list is taken for the end of another.
        let count = |key: &mut Builder, count: usize| key.part(&(count as u64).to_be_bytes());
        count(&mut key, self.groups.len());
        for (questions, is_exhaustive) in &self.groups {
            key.part(&[u8::from(*is_exhaustive)]);
            count(&mut key, questions.len());
            for question in questions {
                key.part(question.key.as_bytes());
                key.part(question.name.as_bytes());
            }
        }
        for (source, shown) in &self.sources {
            key.part(source.repository.to_string().as_bytes());
            key.part(&id(shown));
        }
        if let Some(shown) = &self.configs {
            key.part(b"configs");
            key.part(&id(shown));
        }
        key.key()
    }

    fn has_credentials(&self) -> bool {
        self.sources.iter().map(|(_, shown)| shown).chain(&self.configs).all(Result::is_ok)
    }

    fn judgements(&self) -> Vec<Judgement> {
        let judgements = self.groups.iter().map(|(questions, all)| Judgement::new(questions.clone(), *all));
        if self.traced { judgements.map(Judgement::traced).collect() } else { judgements.collect() }
    }

    async fn configs(
        &self,
        search: &Search,
        shown: &Shown,
    ) -> Result<(Arc<Configs>, usize), (Reason, String)> {
        let credential = shown.as_ref().map_err(|error| (error.reason, error.to_string()))?;
        let (registry, deadline) = (&search.registry, search.deadline);
        let repository = self.subject.image.repository();
        let shop = Shop { registry, repository, credential, deadline };
        let (configs, size) = shop.configs(self.subject.digest).await?;
        Ok((Arc::new(configs), size))
    }

    /// The answers of a flight that has broken off.
    fn broken(&self) -> Answers {
        let refused = |question: &Arc<Question>| Outcome::Refused(refuse::broken(&question.name));
        let outcomes = self.groups.iter().map(|(questions, _)| questions.iter().map(refused).collect());
        let configs = Some(Err((Reason::Internal, "failed to get a ConfigFile: []".to_owned())));
        Answers { outcomes: outcomes.collect(), traces: Vec::new(), configs }
    }
}

/// What tells what is shown from anything else that could be.
fn id(shown: &Shown) -> Vec<u8> {
    match shown {
        Ok(credential) => credential.id().to_vec(),
        Err(error) => error.text.as_bytes().to_vec(),
    }
}
