//! Driving the reconcilers: from watch to decision to write, while we lead.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{
        WatchStreamExt as _,
        controller::{Action, Config, Controller, Error as ControllerError},
        events::{Event, EventType, Recorder, Reporter},
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use serde_json::json;
use tokio::sync::{Notify, mpsc, watch};
use trustwright_policy::{BODY_PREFIX, CompiledOnce, Languages};
use trustwright_roots::DEFAULT_NAME;
use trustwright_runtime::{
    Pauses,
    objects::{Objects, Touched},
};

use crate::{
    Metrics, Settings,
    cluster_image_policy::Policies,
    companion::{self, Companion, CompanionSettings, schema, schema::Schema},
    dependents,
    enforcement::{self, Enforcement},
    packed::Packed,
    policy_bodies::{self, Bodies},
    status::{Decision, Transition},
    trust_root::{self, TrustRoots},
};

const VERSION: &str = "v1alpha1";
/// Longest wait until an object is looked at again whose state time will change.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// Most objects of a kind that are looked at at once: each may write, and each write under way has a connection.
const AT_ONCE: u16 = 32;
/// Longest wait for one write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything that the reconcilers run on.
#[derive(Clone)]
pub struct Operator {
    /// The API server.
    pub client: Client,
    /// What our namespace holds.
    pub objects: Objects,
    /// What the command line says.
    pub settings: Settings,
    /// Beside whom we run, if that is what we were started for.
    pub companion: Option<CompanionSettings>,
    /// What is counted.
    pub metrics: Metrics,
    /// What compiles the texts of policies.
    pub languages: Arc<dyn Languages>,
    /// The time.
    pub clock: fn() -> Timestamp,
}

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The API server refused the status.
    #[error("failed to write the status: {0}")]
    Write(#[source] kube::Error),
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} seconds", WRITE_TIMEOUT.as_secs())]
    Timeout,
    /// The floors could not be read or kept.
    #[error(transparent)]
    Floors(#[from] trust_root::FloorsError),
    /// Beside another system.
    #[error(transparent)]
    Companion(#[from] companion::Error),
}

/// One reconciled kind.
#[derive(Clone)]
enum Reconciler {
    ClusterImagePolicies(Arc<Policies>),
    TrustRoots(Arc<TrustRoots>),
    /// `TrustRoot`s whose definition is not ours.
    Companion(Arc<Companion>),
}

impl Reconciler {
    /// The kind's name and plural, the name in metrics and logs, and the field manager of what we write.
    const fn names(&self) -> [&'static str; 4] {
        match self {
            Self::ClusterImagePolicies(_) => [
                "ClusterImagePolicy",
                "clusterimagepolicies",
                "clusterimagepolicy",
                "policy.sigstore.dev/clusterimagepolicy-controller",
            ],
            Self::TrustRoots(_) | Self::Companion(_) => {
                ["TrustRoot", "trustroots", "trustroot", "policy.sigstore.dev/trustroot-controller"]
            }
        }
    }

    fn resource(&self) -> ApiResource {
        let [kind, plural, ..] = self.names();
        ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(trustwright_api::GROUP, VERSION, kind),
            plural,
        )
    }

    const fn controller(&self) -> &'static str {
        self.names()[2]
    }

    async fn decide(&self, object: &DynamicObject, now: Timestamp) -> Result<Decision, Error> {
        match self {
            Self::ClusterImagePolicies(policies) => Ok(policies.decide(object, now)),
            Self::TrustRoots(roots) => Ok(roots.decide(object, now).await?),
            // It writes by itself.
            Self::Companion(_) => Ok(Decision::default()),
        }
    }

    /// The status is what was decided.
    async fn applied(&self, object: &DynamicObject) -> Result<(), Error> {
        match self {
            Self::ClusterImagePolicies(_) | Self::Companion(_) => Ok(()),
            Self::TrustRoots(roots) => Ok(roots.applied(object).await?),
        }
    }

    fn forget(&self, name: &str) {
        match self {
            Self::ClusterImagePolicies(policies) => policies.forget(name),
            Self::TrustRoots(roots) => roots.forget(name),
            Self::Companion(companion) => companion.forget(name),
        }
    }

    /// Takes note of what is gone.
    fn note(&self, event: &watcher::Event<Packed>, store: &Store<Packed>) {
        match event {
            watcher::Event::Delete(object) => self.forget(&object.name_any()),
            watcher::Event::InitDone => {
                let names =
                    || -> BTreeSet<String> { store.state().iter().map(|object| object.name_any()).collect() };
                match self {
                    Self::ClusterImagePolicies(policies) => policies.retain(&names()),
                    Self::TrustRoots(roots) => roots.retain(&names()),
                    Self::Companion(companion) => companion.retain(&names()),
                }
            }
            watcher::Event::Init | watcher::Event::InitApply(_) | watcher::Event::Apply(_) => {}
        }
    }
}

struct Context {
    client: Client,
    reconciler: Reconciler,
    resource: ApiResource,
    store: Store<Packed>,
    metrics: Metrics,
    recorder: Recorder,
    clock: fn() -> Timestamp,
}

/// Runs the reconcilers whenever `leading` says so. Returns when the election has ended.
///
/// Losing the lease drops whatever is under way; a write that was sent carries the object's resourceVersion, so
/// that it cannot undo a newer leader's.
pub async fn run(operator: Operator, mut leading: watch::Receiver<bool>) {
    loop {
        if leading.wait_for(|leads| *leads).await.is_err() {
            return;
        }
        operator.metrics.leads(true);
        tracing::info!("Leading: the controllers start");
        tokio::select! {
            () = lead(&operator) => {}
            _ = leading.wait_for(|leads| !*leads) => {}
        }
        operator.metrics.leads(false);
        tracing::info!("Not leading: the controllers have stopped");
    }
}

async fn lead(operator: &Operator) {
    let served = schema::served(&operator.client).await;
    tokio::select! {
        () = lead_with(operator, served) => {}
        // What is written depends on it.
        () = schema::changed(&operator.client, served) => {}
    }
}

async fn lead_with(operator: &Operator, served: Schema) {
    if operator.companion.is_some() && served == Schema::Ours {
        // Policies here rest on fields that a companion does not write: they would be judged by what stands there.
        tracing::error!(
            "--mode=companion, but the definition of TrustRoot is Trustwright's own and not the Policy Controller's: \
             nothing is written"
        );
        return std::future::pending().await;
    }
    let (changed, polled) = mpsc::unbounded_channel();
    let view = Arc::new(dependents::View::new());
    let dependents = dependents::run(dependents::Parts {
        client: operator.client.clone(),
        settings: &operator.settings.dependents,
        metrics: &operator.metrics,
        clock: operator.clock,
        view: &view,
        changed: changed.clone(),
    });
    let enforcement = Arc::new(Enforcement::default());
    let (policies_changed, policies_polled) = mpsc::unbounded_channel();
    let roots = TrustRoots::new(trust_root::Parts {
        client: operator.client.clone(),
        objects: operator.objects.clone(),
        settings: operator.settings.clone(),
        metrics: operator.metrics.clone(),
        clock: operator.clock,
        changed: changed.clone(),
        dependents: view.clone(),
        enforcement: enforcement.clone(),
        policies_changed: policies_changed.clone(),
    });
    let roots = match roots {
        Ok(roots) => Arc::new(roots),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "No mirror can be read");
            return std::future::pending().await;
        }
    };
    let touched = Arc::new(Notify::new());
    let trust_roots = Reconciler::TrustRoots(roots.clone());
    let resource = trust_roots.resource();
    if let Some(reason) = beside(operator, served) {
        tracing::info!(reason, "Running beside another system: only TrustRoots are kept");
        let settings = operator.companion.as_ref();
        let (companion, follow) = Companion::new(
            operator.client.clone(),
            resource,
            roots,
            settings,
            operator.metrics.clone(),
            changed.clone(),
        );
        tokio::join!(
            drive(operator, Reconciler::Companion(Arc::new(companion)), polled, touched),
            async {
                match follow {
                    Some(follow) => follow.run().await,
                    None => std::future::pending().await,
                }
            },
            dependents,
        );
        return;
    }
    let default_root = operator.settings.default_root.as_ref();
    operator.metrics.enforces(Some(enforcement.clone()));
    let bodies = Arc::new(Bodies::default());
    let policies = Policies {
        objects: operator.objects.clone(),
        enforcement: enforcement.clone(),
        bodies: bodies.clone(),
        languages: CompiledOnce::new(operator.languages.clone()),
    };
    let misses = trust_root::Misses::default();
    tokio::join!(
        drive(
            operator,
            Reconciler::ClusterImagePolicies(Arc::new(policies)),
            policies_polled,
            touched.clone()
        ),
        enforcement::watch_replicas(
            operator.client.clone(),
            &operator.settings.namespace,
            &enforcement,
            &misses,
            operator.clock,
        ),
        misses.run(&roots),
        enforcement::run(&enforcement, &policies_changed, &changed),
        policy_bodies::run(policy_bodies::Parts {
            client: operator.client.clone(),
            objects: operator.objects.clone(),
            namespace: &operator.settings.namespace,
            bodies: &bodies,
            policies_changed: &policies_changed,
        }),
        drive(operator, trust_roots, polled, touched.clone()),
        trust_root::keep_default_object(operator.client.clone(), &resource, default_root, &touched),
        dependents,
    );
}

/// Why we leave all but the status of `TrustRoot`s alone, if we do.
fn beside(operator: &Operator, served: Schema) -> Option<&'static str> {
    match (&operator.companion, served) {
        (Some(_), Schema::Ours | Schema::Foreign | Schema::Hidden) => Some("--mode=companion"),
        (None, Schema::Foreign) => {
            tracing::warn!(
                "The definition of TrustRoot is not ours: install deploy/manifests, or run with --mode=companion"
            );
            Some("the definition of TrustRoot is not ours")
        }
        (None, Schema::Ours | Schema::Hidden) => None,
    }
}

/// Reconciles a kind: each object when it changes, when `changes` names it, and when it names what was touched in our
/// namespace. Begins when that has been read, as what an object names must be known before it is missed. Does not
/// return.
async fn drive(
    operator: &Operator,
    reconciler: Reconciler,
    changes: mpsc::UnboundedReceiver<String>,
    touched: Arc<Notify>,
) {
    operator.objects.listed().await;
    let resource = reconciler.resource();
    let reporter = Reporter { controller: "trustwright".to_owned(), instance: None };
    // Untyped, so that one object that does not decode cannot end the watch of all.
    let api: Api<Packed> = Api::all_with(operator.client.clone(), &resource);
    let writer = reflector::store::Writer::new(resource.clone());
    let store = writer.as_reader();
    let context = Arc::new(Context {
        client: operator.client.clone(),
        reconciler: reconciler.clone(),
        resource: resource.clone(),
        store: store.clone(),
        metrics: operator.metrics.clone(),
        recorder: Recorder::new(operator.client.clone(), reporter),
        clock: operator.clock,
    });
    let (noted, known) = (reconciler.clone(), store.clone());
    let objects = watcher(api, watcher::Config::default())
        .backoff(Pauses::default())
        .reflect(writer)
        .inspect_ok(move |event| {
            noted.note(event, &known);
            if changed_object(event).is_some_and(|name| name == DEFAULT_NAME) {
                touched.notify_one();
            }
        })
        .applied_objects();
    let kind = resource.clone();
    let named = stream::unfold(changes, |mut changes| async move { Some((changes.recv().await?, changes)) })
        .map(move |name| ObjectRef::new_with(&name, kind.clone()));
    // Those that name what has changed, and no others: floors change with every refresh.
    let (known, kind) = (store.clone(), resource.clone());
    let of_namespace = operator.objects.touched().flat_map(move |touched| {
        let objects = known.state().into_iter().filter(|object| concerns(&touched, object));
        let refs = objects.map(|object| ObjectRef::new_with(&object.name_any(), kind.clone()));
        stream::iter(refs.collect::<Vec<_>>())
    });
    // What is slow about a trust root is not waited for here.
    Controller::for_stream_with(objects, store, resource)
        .with_config(Config::default().concurrency(AT_ONCE))
        .reconcile_on(named)
        .reconcile_on(of_namespace)
        .run(reconcile, retry, context)
        .for_each(|result| {
            log(reconciler.controller(), &result);
            std::future::ready(())
        })
        .await;
}

/// Whether an object may name what was touched.
fn concerns(touched: &Touched, object: &Packed) -> bool {
    match touched {
        Touched::All => true,
        // The text of a remote policy is named by its digest.
        Touched::One(name) => object.mentions(name.strip_prefix(BODY_PREFIX).unwrap_or(name)),
    }
}

/// The name of the one object that an event is about.
fn changed_object(event: &watcher::Event<Packed>) -> Option<&str> {
    match event {
        watcher::Event::Apply(object) | watcher::Event::Delete(object) => object.meta().name.as_deref(),
        watcher::Event::Init | watcher::Event::InitApply(_) | watcher::Event::InitDone => None,
    }
}

async fn reconcile(object: Arc<Packed>, context: Arc<Context>) -> Result<Action, Error> {
    let start = std::time::Instant::now();
    let result = settle(&object.unpack(), &context).await;
    // It may have gone meanwhile, and been forgotten before it was looked at: what is noted of it now would stay. What
    // goes after this is forgotten by its own event.
    let reference = ObjectRef::from_obj_with(&*object, context.resource.clone());
    if context.store.get(&reference).is_none() {
        context.reconciler.forget(&object.name_any());
    }
    let controller = context.reconciler.controller();
    context.metrics.reconciled(controller, result.is_ok(), start.elapsed().as_secs_f64());
    result
}

async fn settle(object: &DynamicObject, context: &Context) -> Result<Action, Error> {
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let now = (context.clock)();
    if let Reconciler::Companion(companion) = &context.reconciler {
        let settled = companion.settle(object, now).await?;
        if settled.written {
            context.metrics.wrote(context.reconciler.controller());
        }
        publish(object, context, settled.events).await;
        return Ok(when(settled.again, now));
    }
    let Decision { status, events, again } = context.reconciler.decide(object, now).await?;
    let done = when(again, now);
    let Some(status) = status else {
        context.reconciler.applied(object).await?;
        return Ok(done);
    };
    let [kind, _, controller, manager] = context.reconciler.names();
    let name = object.name_any();
    let body = json!({
        "apiVersion": format!("{}/{VERSION}", trustwright_api::GROUP),
        "kind": kind,
        "metadata": {"name": name, "uid": object.uid(), "resourceVersion": object.resource_version()},
        "status": status,
    });
    let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &context.resource);
    let params = PatchParams::apply(manager).force();
    let patch = Patch::Apply(&body);
    let write = api.patch_status(&name, &params, &patch);
    match tokio::time::timeout(WRITE_TIMEOUT, write).await {
        Err(_) => return Err(Error::Timeout),
        // A newer object, or none: the watch brings what there is to know.
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
            return Ok(Action::requeue(Duration::from_secs(1)));
        }
        Ok(Err(error)) => return Err(Error::Write(error)),
        Ok(Ok(_)) => context.metrics.wrote(controller),
    }
    tracing::debug!(controller, object = name, "Status written");
    context.reconciler.applied(object).await?;
    publish(object, context, events).await;
    Ok(done)
}

fn when(again: Option<Timestamp>, now: Timestamp) -> Action {
    again.map_or_else(Action::await_change, |again| {
        let wait = Duration::try_from(again.duration_since(now)).unwrap_or_default();
        Action::requeue(wait.clamp(Duration::from_secs(1), LONGEST_WAIT))
    })
}

/// Tells of what has changed. An event that is lost is lost: the conditions say the same.
async fn publish(object: &DynamicObject, context: &Context, events: Vec<Transition>) {
    let reference = object.object_ref(&context.resource);
    for Transition { warning, reason, message } in events {
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason,
            // The API server takes no more.
            note: Some(message.chars().take(1_000).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let published = context.recorder.publish(&event, &reference);
        match tokio::time::timeout(WRITE_TIMEOUT, published).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, reason = event.reason, "Event not published");
            }
            Err(_) => tracing::warn!(reason = event.reason, "Event not published in time"),
        }
    }
}

fn retry(_: Arc<Packed>, _: &Error, _: Arc<Context>) -> Action {
    Action::requeue(Duration::from_secs(5))
}

type Outcome = Result<(ObjectRef<Packed>, Action), ControllerError<Error, watcher::Error>>;

fn log(controller: &'static str, outcome: &Outcome) {
    let Err(error) = outcome else { return };
    if matches!(error, ControllerError::ObjectNotFound(_)) {
        // Gone before its turn came.
        return;
    }
    let error: &dyn std::error::Error = error;
    tracing::warn!(controller, error, "Reconcile failed and is tried again");
}

#[cfg(test)]
mod tests;
