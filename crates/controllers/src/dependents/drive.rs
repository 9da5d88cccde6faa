//! Driving: from what is heard to decisions to writes, while we lead.

use std::{error::Error, time::Duration};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use kube::{Client, core::DynamicObject};
use tokio::sync::mpsc;

use super::apply::{ApplyError, Manner, apply, body};
use super::decide::Action;
use super::known::Known;
use super::table::{Listing, Table};
use super::view::View;
use super::watch::{Heard, Source, refusal, watch};
use super::workload::{Id, Workload};
use super::{DependentSettings, trust_roots};
use crate::Metrics;

/// How long trust roots have to be quiet, so that two that change together restart a workload once.
const QUIET: Duration = Duration::from_secs(1);
/// How long statuses wait for more that is to be shown.
const GATHER: Duration = Duration::from_secs(1);
/// When an object that has changed is looked at again if no watch has told of it.
const OUTDATED: Duration = Duration::from_secs(5);
/// Longest sleep, in case that clocks are set.
const LONGEST: Duration = Duration::from_mins(10);
/// How many writes are under way at once.
const WRITES: usize = 8;

/// What the dependents run on.
pub(crate) struct Parts<'a> {
    pub(crate) client: Client,
    pub(crate) settings: &'a DependentSettings,
    pub(crate) metrics: &'a Metrics,
    pub(crate) clock: fn() -> Timestamp,
    pub(crate) view: &'a View,
    /// Names of trust roots whose dependents are others now.
    pub(crate) changed: mpsc::UnboundedSender<String>,
}

/// Tells dependents, while we lead. Never returns.
pub(crate) async fn run(parts: Parts<'_>) {
    let annotate = async {
        if parts.settings.annotate_trust_roots {
            trust_roots::keep(parts.client.clone(), parts.view, parts.clock).await;
        }
    };
    tokio::join!(annotate, Driver::new(&parts).run());
}

struct Driver<'a> {
    parts: &'a Parts<'a>,
    table: Table,
    /// When statuses are to show what has changed; `None` where nothing has.
    show_at: Option<Timestamp>,
}

impl<'a> Driver<'a> {
    fn new(parts: &'a Parts<'a>) -> Self {
        Self { parts, table: Table::new(parts.settings), show_at: Some((parts.clock)()) }
    }

    async fn run(mut self) {
        let mut heard = watch(&self.parts.client, &self.parts.settings.namespaces);
        let mut roots = self.parts.view.changes();
        roots.mark_changed();
        loop {
            let sleep = tokio::time::sleep(self.pause());
            tokio::select! {
                Some(heard) = heard.next() => self.hear(heard),
                Ok(()) = roots.changed() => {
                    let now = (self.parts.clock)();
                    self.table.all_due(after(now, QUIET));
                    self.changed(now);
                }
                () = sleep => {}
            }
            self.settle().await;
            self.show();
        }
    }

    /// How long there is nothing to do.
    fn pause(&self) -> Duration {
        let now = (self.parts.clock)();
        let next = self.table.next().into_iter().chain(self.show_at).min();
        let pause = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
        pause.unwrap_or(LONGEST).min(LONGEST)
    }

    fn changed(&mut self, now: Timestamp) {
        self.show_at.get_or_insert(after(now, GATHER));
    }

    fn hear(&mut self, (source, event): Heard) {
        let now = (self.parts.clock)();
        let was_refused = matches!(self.table.listing(&source), Some(Listing::Refused(_)));
        let Source { namespace, kind } = &source;
        let kind = kind.as_str();
        match event {
            Ok(event) => {
                self.table.take(&source, event, now);
                if was_refused && self.table.listing(&source) == Some(&Listing::Complete) {
                    tracing::info!(namespace, kind, "Dependents can be watched again");
                }
            }
            Err(error) => {
                if let Some(message) = refusal(&error) {
                    if self.table.set(&source, Listing::Refused(message.clone())) {
                        tracing::warn!(namespace, kind, message, "Dependents cannot be watched");
                    }
                } else {
                    let error: &dyn Error = &error;
                    tracing::debug!(namespace, kind, error, "The watch of dependents starts again");
                }
            }
        }
        self.changed(now);
    }

    /// Does what is due.
    async fn settle(&mut self) {
        let Parts { client, settings, clock, view, .. } = self.parts;
        let now = clock();
        if self.table.next().is_none_or(|next| next > now) {
            return;
        }
        let actions = self.table.decide(&view.roots(), now, settings);
        let mut writes = stream::iter(actions.into_iter().filter_map(|(id, workload, action)| {
            let (manner, known) = match action {
                Action::None | Action::Wait(_) => return None,
                Action::Record(known) => (Manner::Record, known),
                Action::Restart(known) => (Manner::Restart, known),
                Action::Annotate(known) => (Manner::Annotate, known),
            };
            Some(tell(client, id, workload, known, manner, now))
        }))
        .buffer_unordered(WRITES);
        while let Some((id, manner, written)) = writes.next().await {
            let now = clock();
            self.written(&id, manner, written, now);
        }
        self.changed(now);
    }

    fn written(
        &mut self,
        id: &Id,
        manner: Manner,
        written: Result<DynamicObject, ApplyError>,
        now: Timestamp,
    ) {
        let Id { kind, namespace, name } = id;
        let kind = kind.as_str();
        match written {
            Ok(object) => {
                self.table.succeeded(id);
                let source = Source { namespace: namespace.clone(), kind: id.kind };
                self.table.put(&source, &object, now);
                match manner {
                    Manner::Record => tracing::info!(kind, namespace, name, "Dependent found"),
                    Manner::Annotate => tracing::info!(kind, namespace, name, "Dependent annotated"),
                    Manner::Restart => {
                        self.parts.metrics.restarted(kind);
                        tracing::info!(kind, namespace, name, "Dependent restarted");
                    }
                }
            }
            Err(ApplyError::Outdated) => self.table.outdated(id, after(now, OUTDATED)),
            Err(ApplyError::Refused(message)) => {
                if self.table.failed(id, Some(message.clone()), now) {
                    tracing::warn!(kind, namespace, name, message, "Dependent cannot be told");
                }
            }
            Err(error @ (ApplyError::Failed(_) | ApplyError::Timeout)) => {
                let is_news = self.table.failed(id, None, now);
                let error: &dyn Error = &error;
                if is_news {
                    tracing::warn!(kind, namespace, name, error, "Dependent not told, will be retried");
                }
            }
        }
    }

    /// Has statuses show what has changed, a while after it has.
    fn show(&mut self) {
        let now = (self.parts.clock)();
        if self.show_at.is_none_or(|at| at > now) {
            return;
        }
        self.show_at = None;
        let Some(listed) = self.table.listed(&self.parts.view.roots()) else { return };
        for name in self.parts.view.show(listed) {
            // Nobody listens once we no longer lead.
            let _ = self.parts.changed.send(name);
        }
    }
}

async fn tell(
    client: &Client,
    id: Id,
    workload: Workload,
    known: Known,
    manner: Manner,
    now: Timestamp,
) -> (Id, Manner, Result<DynamicObject, ApplyError>) {
    let body = body(&id, &workload, &known, manner, now);
    let written = apply(client, &id, &body).await;
    (id, manner, written)
}

fn after(now: Timestamp, pause: Duration) -> Timestamp {
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}
