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
use trustwright_registry::Client;

use crate::{
    collect::{self, Event, Lookup, Source},
    judgement::{Judgement, Subject},
    proof::Verified,
};

/// One place, and what is still to come from it.
struct Channel<'a> {
    source: &'a Source,
    events: Fuse<BoxStream<'a, Event>>,
}

/// Looks for evidence, bundles before legacy tags, until every policy is settled or nothing is left to look at. Where
/// the bundles take half of the time, legacy tags are read beside them, so that one kind of request that hangs hides
/// nothing of the other kind.
pub(super) async fn consult(
    registry: &Client,
    judgements: &mut [Judgement<'_>],
    subject: &Subject<'_>,
    deadline: Instant,
) {
    let mut sources: Vec<Source> = Vec::new();
    for source in judgements.iter().flat_map(Judgement::sources) {
        if !sources.contains(source) {
            sources.push(source.clone());
        }
    }
    let mut channels: Vec<_> = sources
        .iter()
        .map(|source| {
            let mut appetite = collect::Appetite::default();
            for judgement in judgements.iter() {
                appetite.extend(&judgement.appetite(source));
            }
            let lookup = Lookup { registry, source, digest: subject.digest, appetite, deadline };
            Channel { source, events: collect::evidence(lookup).boxed().fuse() }
        })
        .collect();
    let start = Instant::now();
    let patience = start + deadline.saturating_duration_since(start) / 2;
    loop {
        let (asked, waits) = turn(&channels, judgements, Instant::now() >= patience);
        if !asked.contains(&true) {
            return;
        }
        let event = tokio::select! {
            biased;
            event = next(&mut channels, &asked) => event,
            () = sleep_until(patience), if waits => None,
        };
        if let Some((index, event)) = event
            && let Some(source) = sources.get(index)
        {
            let mut known = Verified::default();
            for judgement in judgements.iter_mut() {
                judgement.hear(source, subject, &event, &mut known);
            }
            // Checking signatures is work, and other images want their turn.
            yield_now().await;
        }
    }
}

/// Which channels are read now, and whether others wait for that.
fn turn(channels: &[Channel<'_>], judgements: &[Judgement<'_>], is_late: bool) -> (Vec<bool>, bool) {
    let is_wanted = |channel: &Channel<'_>| {
        !channel.events.is_done() && judgements.iter().any(|judgement| judgement.wants(channel.source))
    };
    let wanted: Vec<bool> = channels.iter().map(is_wanted).collect();
    let mut both = channels.iter().zip(&wanted);
    let bundles = both.any(|(channel, wanted)| *wanted && channel.source.is_referrers());
    let is_next = |channel: &Channel<'_>| channel.source.is_referrers() || is_late || !bundles;
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
