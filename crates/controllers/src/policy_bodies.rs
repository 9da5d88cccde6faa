//! The texts of policies behind URLs (`remote`): fetched by the leader, off the way of any request, checked, and kept
//! as `ConfigMaps` of our own namespace, from which leader and replicas read them. A restart asks no source for what
//! is kept.
//!
//! ```text
//! ClusterImagePolicy ──wanted──▶ Table ──due──▶ fetch ──▶ store ──▶ ConfigMap ──watch──▶ compiled anew
//! ```
//!
//! A text that no policy names any more stays: another policy, or the same one tomorrow, may name it, and the right to
//! delete is one that nobody has to grant.

mod fetch;
mod source;
mod store;
mod table;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt as _;
use kube::Client;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use trustwright_mirror::{Mirror, MirrorConfig};
use trustwright_policy::{Check, NotReady, Part, Policy};
use trustwright_runtime::objects::Objects;

pub(crate) use self::source::{Source, wanted};
use self::{fetch::fetch, store::Store, table::Table};

/// For how long a text may be on its way before anybody is told that it is missing.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// Fetches under way at once.
const AT_ONCE: usize = 16;

/// Why a text could not be fetched and kept. The first words are the Policy Controller's.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The URL is none that is asked.
    #[error("failed to fetch content from policy url: {0}")]
    Url(&'static str),
    /// The digest is none.
    #[error(
        "failed to check sha256sum from policy remote: expected 64 hexadecimal digits, got {0} characters"
    )]
    Sum(usize),
    /// The source did not give it.
    #[error("failed to fetch content from policy url: {0}")]
    Fetch(#[from] trustwright_mirror::Error),
    /// The source has none: 404, or 403.
    #[error(
        "failed to fetch content from policy url: {0}: there is no such file, or it is not for everybody"
    )]
    Absent(String),
    /// It is another text.
    #[error("failed to check sha256sum from policy remote: {expected} got {actual}")]
    Digest {
        /// What the policy says.
        expected: String,
        /// What came.
        actual: String,
    },
    /// It is the right one, and cannot be kept as text.
    #[error("failed to fetch content from policy url: what it gave is not text in UTF-8")]
    NotText,
    /// The API server refused the `ConfigMap`.
    #[error("failed to keep the text of the policy: {0}")]
    Store(#[source] Box<kube::Error>),
    /// The API server did not answer.
    #[error("failed to keep the text of the policy: the API server did not answer in time")]
    StoreTimeout,
    /// A bug must not end the fetches of the others.
    #[error("failed to fetch content from policy url: ended by a bug of ours, which the log shows")]
    Bug,
}

/// Which policies want which texts, and how far these are.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    table: Mutex<Table>,
    changed: Notify,
}

impl Bodies {
    /// A policy wants these texts, and no others.
    pub(crate) fn want(&self, policy: &str, sources: BTreeSet<Source>) {
        if self.table().want(policy, sources, Instant::now()) {
            self.changed.notify_one();
        }
    }

    /// Forgets a policy that is gone.
    pub(crate) fn forget(&self, policy: &str) {
        self.want(policy, BTreeSet::new());
    }

    /// Forgets every policy but these.
    pub(crate) fn retain(&self, policies: &BTreeSet<String>) {
        self.table().retain(policies);
    }

    /// Says of what is missing in `policy` why that could not be fetched. `wanted` are the sources by their field.
    ///
    /// Returns how much longer to keep silent, because something was wanted a moment ago only and may be on its way.
    pub(crate) fn explain(
        &self,
        policy: &mut Policy,
        wanted: &BTreeMap<String, Source>,
        now: Instant,
    ) -> Option<Duration> {
        let table = self.table();
        let left = table.age(&policy.name, now).and_then(|age| ON_ITS_WAY.checked_sub(age));
        let mut silent = None;
        let explain = |missing: &mut NotReady| {
            let source = wanted.get(&missing.field).filter(|_| missing.part == Part::Policies);
            match source.map(|source| table.problem(source)) {
                Some(Some(problem)) => problem.clone_into(&mut missing.problem),
                Some(None) => silent = left.filter(|left| !left.is_zero()),
                None => {}
            }
        };
        let of_authorities =
            policy.authorities.iter_mut().filter_map(|authority| match &mut authority.check {
                Check::NotReady(missing) => Some(missing),
                Check::Pass | Check::Fail(_) | Check::Signed(_) => None,
            });
        policy.problems.iter_mut().chain(of_authorities).for_each(explain);
        silent
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the fetches run on.
pub(crate) struct Parts<'a> {
    pub(crate) client: Client,
    pub(crate) objects: Objects,
    /// The namespace that we run in.
    pub(crate) namespace: &'a str,
    pub(crate) bodies: &'a Bodies,
    /// Where the names of policies go that have to be looked at again.
    pub(crate) policies_changed: &'a mpsc::UnboundedSender<String>,
}

/// Fetches what is wanted and not kept, until it is dropped.
pub(crate) async fn run(parts: Parts<'_>) {
    let Some(mirror) = mirror() else { return };
    // What is kept must be known before it is missed.
    parts.objects.listed().await;
    let store = Store::new(parts.client, parts.namespace);
    let tell = |policies: BTreeSet<String>| {
        for policy in policies {
            // Nobody listens once the reconcilers have ended, and so have we then.
            let _ = parts.policies_changed.send(policy);
        }
    };
    let mut kept_changed = parts.objects.changes();
    let mut fetches = JoinSet::new();
    loop {
        let is_kept = |source: &Source| parts.objects.config_map(&source.config_map()).is_some();
        let look = parts.bodies.table().look(Instant::now(), AT_ONCE, is_kept);
        tell(look.arrived);
        for source in look.start {
            let (mirror, store) = (mirror.clone(), store.clone());
            fetches.spawn(async move {
                let guarded = AssertUnwindSafe(obtain(&mirror, &store, &source)).catch_unwind();
                let outcome = guarded.await.unwrap_or(Err(Error::Bug));
                (source, outcome)
            });
        }
        tokio::select! {
            Some(done) = fetches.join_next() => {
                // Nothing in a task unwinds outside of the guard, and none is aborted before all are.
                let Ok((source, outcome)) = done else { continue };
                let problem = outcome.err().map(|error| error.to_string());
                let told = parts.bodies.table().done(&source, problem.clone(), Instant::now());
                log(&source, problem.as_deref(), told.is_news);
                tell(told.policies);
            }
            () = parts.bodies.changed.notified() => {}
            Ok(()) = kept_changed.changed() => {}
            () = sleep_until(look.next.unwrap_or_else(Instant::now)), if look.next.is_some() => {}
        }
    }
}

/// What reads the sources: the platform's certificates, the environment's proxies, no credential.
fn mirror() -> Option<Mirror> {
    // Any URL will do: none is read below it.
    let anywhere = trustwright_roots::DEFAULT_MIRROR.parse().ok()?;
    let built = Mirror::new(&MirrorConfig::new(anywhere));
    built.inspect_err(|error| tracing::error!(%error, "No remote policy can be read")).ok()
}

async fn obtain(mirror: &Mirror, store: &Store, source: &Source) -> Result<(), Error> {
    let text = fetch(mirror, source).await?;
    store.keep(source, text).await
}

fn log(source: &Source, problem: Option<&str>, is_news: bool) {
    let url = source.shown();
    match problem {
        None => tracing::info!(url, sha256 = source.sha256(), "Fetched the text of a policy"),
        Some(problem) if is_news => {
            tracing::warn!(url, problem, "Text of a policy not fetched, will be retried");
        }
        Some(problem) => tracing::debug!(url, problem, "Text of a policy not fetched"),
    }
}
