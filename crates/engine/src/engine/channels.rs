//! Reading from several places at once, and from each no further than somebody wants.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use futures::{
    StreamExt as _,
    stream::{BoxStream, Fuse},
};
use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};
use trustwright_registry::{Client, Credential};

use crate::{
    CredentialError,
    collect::{self, Event, Lookup, Source},
    evaluation::Evaluator,
    flight::{Flight, Progress},
    habits::Habits,
    judgement::{Judgement, Subject},
    proof::Verified,
};

/// One place, and what is still to come from it.
struct Channel<'a> {
    source: &'a Source,
    events: Fuse<BoxStream<'a, Event>>,
}

/// What it takes to look for evidence.
pub(crate) struct Search {
    pub(crate) registry: Client,
    pub(crate) evaluator: Evaluator,
    pub(crate) subject: Subject,
    /// What to show to the registry of each place, or why nobody knows.
    pub(crate) sources: Vec<(Source, Result<Credential, CredentialError>)>,
    /// When legacy tags are read beside bundles that have not been read yet.
    pub(crate) patience: Instant,
    /// Until when registries may be asked, and texts be evaluated.
    pub(crate) deadline: Instant,
    /// Where evidence was found before.
    pub(crate) habits: Habits,
}

/// Looks for evidence, bundles before legacy tags, until every policy is settled or nothing is left to look at; the other
/// way round in a repository that had nothing but legacy tags before. Where the first take half of the time, the others
/// are read beside them, so that one kind of request that hangs hides nothing of the other kind.
pub(crate) async fn consult(search: &Search, flight: &Flight) {
    let Search { registry, evaluator, subject, sources, patience, deadline, habits } = search;
    let repository = subject.image.repository();
    let is_legacy = habits.is_legacy(repository);
    let (mut among_referrers, mut under_tags) = (false, false);
    let mut channels: Vec<_> = sources
        .iter()
        .map(|(source, credential)| {
            let mut appetite = collect::Appetite::default();
            with(flight, |judgements| {
                for judgement in judgements.iter() {
                    appetite.extend(&judgement.appetite(source));
                }
            });
            let lookup = Lookup { registry, source, credential, subject, appetite, deadline: *deadline };
            Channel { source, events: collect::evidence(lookup).boxed().fuse() }
        })
        .collect();
    loop {
        let is_late = Instant::now() >= *patience;
        let (asked, waits) =
            with(flight, |judgements| turn(&channels, judgements, is_legacy, is_late)).unwrap_or_default();
        if !asked.contains(&true) {
            habits.found(repository, among_referrers, under_tags);
            return;
        }
        let event = tokio::select! {
            biased;
            event = next(&mut channels, &asked) => event,
            () = sleep_until(*patience), if waits => None,
        };
        if let Some((index, event)) = event
            && let Some((source, _)) = sources.get(index)
        {
            let is_found = matches!(event, Event::Found { .. });
            among_referrers |= is_found && source.is_referrers();
            under_tags |= is_found && !source.is_referrers();
            hear(flight, evaluator, subject, source, &event, *deadline).await;
            // Checking signatures is work, and other images want their turn.
            yield_now().await;
        }
    }
}

/// Has every policy take in what was found, and evaluates what they ask of it.
async fn hear(
    flight: &Flight,
    evaluator: &Evaluator,
    subject: &Subject,
    source: &Source,
    event: &Event,
    deadline: Instant,
) {
    let mut known = Verified::default();
    let tasks = with(flight, |judgements| {
        let each = |(index, judgement): (usize, &mut Judgement)| {
            let tasks = judgement.hear(source, subject, event, &mut known);
            tasks.into_iter().map(move |task| (index, task)).collect::<Vec<_>>()
        };
        judgements.iter_mut().enumerate().flat_map(each).collect::<Vec<_>>()
    });
    for (index, task) in tasks.unwrap_or_default() {
        let is_settled =
            |judgements: &mut [Judgement]| judgements.get(index).is_none_or(Judgement::is_settled);
        if with(flight, is_settled).unwrap_or(true) {
            continue;
        }
        let evaluated = evaluator.attestation(&task.attestation, task.statement.clone(), deadline).await;
        with(flight, |judgements| {
            if let Some(judgement) = judgements.get_mut(index) {
                judgement.accept(task, evaluated);
            }
        });
    }
}

/// Looks at what is known so far; `None` where the flight is over.
fn with<T>(flight: &Flight, look: impl FnOnce(&mut [Judgement]) -> T) -> Option<T> {
    match &mut *flight.progress() {
        Progress::Looking(judgements) => Some(look(judgements)),
        Progress::Over { .. } => None,
    }
}

/// Which channels are read now, and whether others wait for that.
fn turn(
    channels: &[Channel<'_>],
    judgements: &[Judgement],
    is_legacy: bool,
    is_late: bool,
) -> (Vec<bool>, bool) {
    let is_wanted = |channel: &Channel<'_>| {
        !channel.events.is_done() && judgements.iter().any(|judgement| judgement.wants(channel.source))
    };
    let wanted: Vec<bool> = channels.iter().map(is_wanted).collect();
    let mut both = channels.iter().zip(&wanted);
    let is_first = |channel: &Channel<'_>| channel.source.is_referrers() != is_legacy;
    let has_first = both.any(|(channel, wanted)| *wanted && is_first(channel));
    let is_next = |channel: &Channel<'_>| is_first(channel) || is_late || !has_first;
    let asked: Vec<bool> =
        channels.iter().zip(&wanted).map(|(channel, wanted)| *wanted && is_next(channel)).collect();
    let waits = asked != wanted;
    (asked, waits)
}

/// The next event of those channels that are `asked`, and which of them it is from; `None` where one has ended.
async fn next(channels: &mut [Channel<'_>], asked: &[bool]) -> Option<(usize, Event)> {
    let poll = |context: &mut Context<'_>| {
        for (index, (channel, asked)) in channels.iter_mut().zip(asked).enumerate() {
            if !asked {
                continue;
            }
            if let Poll::Ready(event) = channel.events.poll_next_unpin(context) {
                return Poll::Ready(event.map(|event| (index, event)));
            }
        }
        Poll::Pending
    };
    poll_fn(poll).await
}
