//! What is to be done with a workload.

use jiff::{SignedDuration, Timestamp};

use super::known::Known;
use super::rollout::Rollout;
use super::roots::Roots;
use super::wish::{OnChange, Selection};
use super::workload::Workload;

/// What is to be done with a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing.
    None,
    /// Take down what it started with. It was not told of anything yet, and has started before we came.
    Record(Known),
    /// Restart it, as it does not know of this.
    Restart(Known),
    /// Tell it on its metadata, as it does not know of this.
    Annotate(Known),
    /// Nothing yet.
    Wait(Waiting),
}

/// Why nothing is done yet. All but the last end with a change of something that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// One of its trust roots is being looked at.
    Open,
    /// None of its trust roots is ready.
    NothingReady,
    /// Somebody has paused it.
    Paused,
    /// It is rolling.
    Rolling,
    /// It was restarted a moment ago; until then.
    Until(Timestamp),
}

/// What is to be done with `workload` at `now`, where at least `interval` lies between two of its restarts.
///
/// New is only what is verified and ready: a trust root that is gone or not ready any more changes nothing, and one
/// that comes back as it was does not either.
pub(crate) fn decide(workload: &Workload, roots: &Roots, now: Timestamp, interval: SignedDuration) -> Action {
    let Ok(wish) = &workload.wish else { return Action::None };
    if workload.ends {
        return Action::None;
    }
    let ready = roots.ready(&wish.roots);
    let is_news = |known: &Known| ready.0.iter().any(|(name, of)| known.0.get(name) != Some(of));
    let is_open = roots.is_open(&wish.roots);
    match (&workload.known, wish.on_change) {
        (Some(known), _) if !is_news(known) => Action::None,
        // What else is about to change is to go with the same restart.
        _ if is_open => Action::Wait(Waiting::Open),
        _ if ready.0.is_empty() => Action::Wait(Waiting::NothingReady),
        (None, OnChange::Restart) => Action::Record(ready),
        (None, OnChange::Annotate) => Action::Annotate(ready),
        (Some(known), OnChange::Annotate) => Action::Annotate(next(known, ready, roots, &wish.roots)),
        (Some(known), OnChange::Restart) => match workload.rollout {
            Rollout::Paused => Action::Wait(Waiting::Paused),
            Rollout::Rolling => Action::Wait(Waiting::Rolling),
            Rollout::Done => match rests_until(workload.restarted_at, now, interval) {
                Some(until) => Action::Wait(Waiting::Until(until)),
                None => Action::Restart(next(known, ready, roots, &wish.roots)),
            },
        },
    }
}

/// What it knows once it was told. Of what is not ready it keeps what it knew.
fn next(known: &Known, ready: Known, roots: &Roots, selection: &Selection) -> Known {
    let mut next = known.clone();
    // A list of names bounds itself; `*` would remember every root that ever was.
    next.0.retain(|name, _| match selection {
        Selection::All => roots.all.contains_key(name),
        Selection::Names(names) => names.contains(name),
    });
    next.0.extend(ready.0);
    next
}

/// Until when it is left alone. A time further ahead than any clock is wrong by is nobody's restart.
fn rests_until(
    restarted_at: Option<Timestamp>,
    now: Timestamp,
    interval: SignedDuration,
) -> Option<Timestamp> {
    let restarted_at = restarted_at?;
    if restarted_at > now.checked_add(interval).ok()? {
        return None;
    }
    restarted_at.checked_add(interval).ok().filter(|until| *until > now)
}

impl Waiting {
    /// What people are told; nothing where it is over in a moment, or where the trust root itself says it.
    pub(crate) fn message(self) -> Option<String> {
        match self {
            Self::Open | Self::NothingReady => None,
            Self::Paused => Some("restarts when its rollout is no longer paused".to_owned()),
            Self::Rolling => Some("restarts when its rollout under way is done".to_owned()),
            Self::Until(until) => Some(format!("restarts at {until}: it was restarted a moment ago")),
        }
    }
}
