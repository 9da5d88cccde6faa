//! Evaluating the texts of policies, away from the threads that answer requests.

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use trustwright_core::{Cause, Reason};
use trustwright_policy::{Answer, Attestation, Rule, document};
use trustwright_verify::Statement;

/// Longest that one evaluation may take, however much time there is.
const LONGEST: Duration = Duration::from_secs(5);
/// What an evaluation may be late by before nobody waits for it any more.
const GRACE: Duration = Duration::from_millis(500);
/// The name of a policy over a whole result, in messages.
const WHOLE: &str = "ClusterImagePolicy";

/// Evaluates a few texts at a time. Cheap to clone; all clones share the limit.
#[derive(Debug, Clone)]
pub(crate) struct Evaluator(Arc<Semaphore>);

/// Why a statement, or a whole result, is not as it has to be: the reason, and the field's words for it.
pub(crate) type Refused = (Reason, String);

impl Evaluator {
    /// As many at a time as there are processors.
    pub(crate) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(2, usize::from);
        Self(Arc::new(Semaphore::new(processors.max(2))))
    }

    /// Evaluates what `attestation` asks of `statement`, if it asks for anything. Returns the document that complies, to
    /// be held against the same rule again.
    pub(crate) async fn attestation(
        &self,
        attestation: &Attestation,
        statement: Statement,
        deadline: Instant,
    ) -> Result<Option<Arc<[u8]>>, Refused> {
        let Some(rule) = attestation.rule.clone() else { return Ok(None) };
        let kind = attestation.predicate_type.clone();
        let work = move |limit| {
            let document = match document(&kind, statement.payload()) {
                Ok(document) => document,
                Err(error) => return Err((Reason::AttestationRefused, error.to_string())),
            };
            Ok((rule.program.evaluate(&document, limit), document))
        };
        let (answer, document) = match self.run(deadline, work).await {
            Ok(Ok(evaluated)) => evaluated,
            Ok(Err(refused)) => return Err(refused),
            Err(answer) => (answer, Vec::new()),
        };
        settle(attestation.rule.as_ref(), &attestation.name, Reason::AttestationRefused, answer)?;
        Ok(Some(document.into()))
    }

    /// Whether a document that was compliant is so now.
    pub(crate) async fn again(
        &self,
        attestation: &Attestation,
        document: Arc<[u8]>,
        deadline: Instant,
    ) -> bool {
        let Some(rule) = attestation.rule.clone() else { return true };
        let work = move |limit| rule.program.evaluate(&document, limit);
        self.run(deadline, work).await == Ok(Answer::Compliant)
    }

    /// Evaluates the rule of a whole policy.
    pub(crate) async fn whole(&self, rule: &Rule, input: Vec<u8>, deadline: Instant) -> Result<(), Cause> {
        let program = Arc::clone(&rule.program);
        let answer = self.run(deadline, move |limit| program.evaluate(&input, limit)).await;
        let answer = answer.unwrap_or_else(|stopped| stopped);
        settle(Some(rule), WHOLE, Reason::PolicyRefused, answer).map_err(|(reason, text)| Cause {
            authority: None,
            reason,
            text,
            hint: Some("spec.policy refuses what the authorities found".into()),
        })
    }

    /// Runs `work` on a thread that may block, with the time that it has. The error is the answer where there is none:
    /// too late, or a panic.
    async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce(Duration) -> T + Send + 'static,
    ) -> Result<T, Answer> {
        let late = || Answer::Exhausted("no time was left for the evaluation".into());
        let permit = timeout_at(deadline, Arc::clone(&self.0).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(late()) };
        let limit = deadline.saturating_duration_since(Instant::now()).min(LONGEST);
        if limit.is_zero() {
            return Err(late());
        }
        let mut running = JoinSet::new();
        running.spawn_blocking(move || {
            // Given back when the work ends, also where nobody waits for it any more: no thread can be stopped.
            let _permit = permit;
            work(limit)
        });
        match timeout(limit + GRACE, running.join_next()).await {
            Ok(Some(Ok(done))) => Ok(done),
            Ok(Some(Err(_)) | None) => {
                Err(Answer::Exhausted("the evaluation broke off; please report this".into()))
            }
            Err(_) => Err(late()),
        }
    }
}

/// The field's words for an answer that is no consent.
fn settle(rule: Option<&Rule>, name: &str, refused: Reason, answer: Answer) -> Result<(), Refused> {
    let prefix = || rule.map(|rule| rule.language.prefix(name)).unwrap_or_default();
    match answer {
        Answer::Compliant => Ok(()),
        Answer::Warned(text) => Err((refused, format!("warning: {text}"))),
        Answer::Refused(text) => Err((refused, format!("{}{text}", prefix()))),
        Answer::Exhausted(text) => Err((Reason::EvaluationExhausted, format!("{}{text}", prefix()))),
    }
}
