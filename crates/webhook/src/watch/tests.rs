//! The watches against an API server that answers when it is told to.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    body::{Body, Bytes},
    http::{Request, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::channel::mpsc::{self, UnboundedSender};
use serde_json::{Value, json};
use trustwright_roots::{Anchor, FLOORS_SECRET, FloorEntry, floor_key};
use trustwright_runtime::metrics::BuildInfo;
use trustwright_testkit::tuf_repository::Repository;
use trustwright_trust::tuf::{Floor, TRUSTED_ROOT_TARGET};

use super::*;

const POLICIES: &str = "clusterimagepolicies";
const ROOTS: &str = "trustroots";
const SECRETS: &str = "secrets";
const CONFIG_MAPS: &str = "configmaps";
/// Longest wait for what takes milliseconds.
const SOON: Duration = Duration::from_secs(20);

/// The time of the tests that need none to pass.
fn today() -> Timestamp {
    "2026-08-22T12:00:00Z".parse().unwrap()
}

/// One kind of object: what its list says, once that may be read, and the watches of it.
struct Resource {
    items: Vec<Value>,
    open: watch::Sender<bool>,
    watches: Vec<UnboundedSender<Result<Bytes, Infallible>>>,
}

/// An API server with four kinds of objects.
#[derive(Clone)]
struct Server {
    resources: Arc<Mutex<BTreeMap<&'static str, Resource>>>,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl Server {
    fn new<const N: usize>(items: [(&'static str, Value); N]) -> Self {
        let mut resources: BTreeMap<_, _> = [POLICIES, ROOTS, SECRETS, CONFIG_MAPS]
            .into_iter()
            .map(|name| {
                let open = watch::channel(false).0;
                (name, Resource { items: Vec::new(), open, watches: Vec::new() })
            })
            .collect();
        for (name, item) in items {
            resources.get_mut(name).unwrap().items.push(item);
        }
        Self { resources: Arc::new(Mutex::new(resources)), asked: Arc::default() }
    }

    fn open(&self, name: &str) {
        self.resources.lock().unwrap()[name].open.send_replace(true);
    }

    fn tell(&self, name: &str, kind: &str, object: &Value) {
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        for watch in &self.resources.lock().unwrap()[name].watches {
            watch.unbounded_send(Ok(line.clone().into())).unwrap();
        }
    }

    async fn answer(self, request: Request<kube::client::Body>) -> Response<Body> {
        let uri = request.uri().clone();
        self.asked.lock().unwrap().insert(format!("{} {}", request.method(), uri.path()));
        let name = uri.path().rsplit('/').next().unwrap().to_owned();
        if uri.query().unwrap_or_default().contains("watch=true") {
            let (events, body) = mpsc::unbounded();
            self.resources.lock().unwrap().get_mut(name.as_str()).unwrap().watches.push(events);
            return Response::new(Body::from_stream(body));
        }
        let mut open = self.resources.lock().unwrap()[name.as_str()].open.subscribe();
        open.wait_for(|open| *open).await.unwrap();
        let items = self.resources.lock().unwrap()[name.as_str()].items.clone();
        let list =
            json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items});
        Response::new(list.to_string().into())
    }

    /// A replica of the webhook, which ends with what is returned.
    fn replica(&self, clock: fn() -> Timestamp) -> Replica {
        let server = self.clone();
        let service = tower::service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let client = Client::new(service, "ns");
        let (objects, watching) = trustwright_runtime::objects::watch(client.clone(), "ns");
        let build = BuildInfo { version: "1", revision: "2" };
        let mut registry = trustwright_runtime::metrics::Metrics::new("trustwright", &build);
        let metrics = Metrics::register(registry.own());
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let (sender, loaded) = watch::channel(Loaded::No("nothing yet".into()));
        let languages = Arc::new(trustwright_policy::NoLanguages);
        let sources = Sources { client, objects, default_root: None, languages, clock };
        let mut tasks = JoinSet::new();
        tasks.spawn(watching);
        tasks.spawn(super::watch(sources, snapshot.clone(), metrics, sender, watch::channel(0).0));
        Replica { snapshot, loaded, registry, _tasks: tasks }
    }

    fn open_all(&self) {
        for name in [POLICIES, ROOTS, SECRETS, CONFIG_MAPS] {
            self.open(name);
        }
    }
}

struct Replica {
    snapshot: Arc<ArcSwap<Snapshot>>,
    loaded: watch::Receiver<Loaded>,
    registry: trustwright_runtime::metrics::Metrics,
    _tasks: JoinSet<()>,
}

impl Replica {
    async fn loaded(&mut self, expected: Loaded) {
        let wait = self.loaded.wait_for(|loaded| *loaded == expected);
        let came = tokio::time::timeout(SOON, wait).await.is_ok_and(|loaded| loaded.is_ok());
        assert!(came, "expected {expected:?}, got {:?}", *self.loaded.borrow());
    }

    async fn eventually(&self, what: &str, holds: impl Fn(&Snapshot) -> bool) {
        let wait = async {
            while !holds(&self.snapshot.load()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(SOON, wait).await.is_ok(), "{what}: {:?}", self.snapshot.load());
    }
}

fn policy() -> Value {
    json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
        "metadata": {"name": "p", "uid": "p", "generation": 1, "resourceVersion": "1"},
        "spec": {"images": [{"glob": "**"}], "authorities": [{"static": {"action": "pass"}}]},
    })
}

fn root(repository: &Repository) -> Value {
    let root = STANDARD.encode(repository.first_root());
    let packed = STANDARD.encode(repository.publish().pack(1 << 20).unwrap());
    json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot",
        "metadata": {"name": "r", "uid": "uid", "generation": 1, "resourceVersion": "1"},
        "spec": {"remote": {"mirror": "https://mirror.invalid", "root": root}, "onExpiry": "Reject"},
        "status": {"repository": packed},
    })
}

fn floors(repository: &Repository, timestamp: u64) -> Value {
    let anchor = Anchor { root: repository.first_root().to_vec(), target: TRUSTED_ROOT_TARGET.to_owned() };
    let accepted = Floor { root: 1, timestamp, snapshot: 1, ..Floor::default() };
    let entry = FloorEntry { accepted, seen: Floor::default() };
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": FLOORS_SECRET, "namespace": "ns", "uid": "s", "resourceVersion": "1"},
        "data": {floor_key("uid", &anchor): STANDARD.encode(entry.encode())},
    })
}

fn trusts(snapshot: &Snapshot) -> bool {
    snapshot.trust.get("r").is_some_and(|root| root.trusted.is_ok())
}

#[tokio::test]
async fn nothing_is_loaded_until_policies_trust_roots_and_our_namespace_are_listed() {
    let server = Server::new([(POLICIES, policy()), (ROOTS, root(&Repository::new()))]);
    let mut replica = server.replica(today);
    for (opened, missing) in [
        (CONFIG_MAPS, None),
        (POLICIES, Some("the trustroots are being read")),
        (ROOTS, Some("the Secrets and ConfigMaps of our namespace are being read")),
    ] {
        server.open(opened);
        if let Some(missing) = missing {
            replica.loaded(Loaded::No(missing.to_owned())).await;
        }
        let snapshot = replica.snapshot.load_full();
        assert_eq!((snapshot.policies.len(), snapshot.trust.len()), (0, 0));
    }
    server.open(SECRETS);
    replica.loaded(Loaded::Yes).await;
    let snapshot = replica.snapshot.load_full();
    assert!(snapshot.policies.contains_key("p") && trusts(&snapshot), "{snapshot:?}");
    let text = replica.registry.encode().unwrap();
    assert!(text.contains("\ntrustwright_snapshot_trustroots 1\n"), "{text}");
    // Nobody else was asked.
    let asked: Vec<_> = server.asked.lock().unwrap().iter().cloned().collect();
    assert_eq!(
        asked,
        [
            "GET /api/v1/namespaces/ns/configmaps",
            "GET /api/v1/namespaces/ns/secrets",
            "GET /apis/policy.sigstore.dev/v1alpha1/clusterimagepolicies",
            "GET /apis/policy.sigstore.dev/v1alpha1/trustroots",
        ]
    );
}

#[tokio::test]
async fn a_change_of_a_policy_a_trust_root_or_a_floor_is_in_force_at_once() {
    let repository = Repository::new();
    let server = Server::new([(POLICIES, policy()), (ROOTS, root(&repository))]);
    // This replica was not there when version 2 was.
    server.resources.lock().unwrap().get_mut(SECRETS).unwrap().items.push(floors(&repository, 2));
    server.open_all();
    let mut replica = server.replica(today);
    replica.loaded(Loaded::Yes).await;
    assert!(!trusts(&replica.snapshot.load()));
    server.tell(SECRETS, "MODIFIED", &floors(&repository, 1));
    replica.eventually("the floor", trusts).await;
    let mut next = repository.clone();
    next.advance();
    server.tell(ROOTS, "MODIFIED", &root(&next));
    let version = |snapshot: &Snapshot| snapshot.trust["r"].metadata.last().map(|role| role.version);
    replica.eventually("the status", |snapshot| version(snapshot) == Some(2)).await;
    server.tell(POLICIES, "DELETED", &policy());
    replica.eventually("the policy", |snapshot| snapshot.policies.is_empty()).await;
    assert!(trusts(&replica.snapshot.load()));
    server.tell(ROOTS, "DELETED", &root(&next));
    replica.eventually("the trust root", |snapshot| snapshot.trust.is_empty()).await;
    let text = replica.registry.encode().unwrap();
    assert!(!text.contains("_trustroot_info{"), "{text}");
}

/// How far the clock of the one test in which time passes has been set back, in seconds.
static SET_BACK: AtomicU64 = AtomicU64::new(0);

/// Its time: that of its runtime.
fn passing() -> Timestamp {
    static START: OnceLock<tokio::time::Instant> = OnceLock::new();
    let passed = START.get_or_init(tokio::time::Instant::now).elapsed();
    today() + passed - Duration::from_secs(SET_BACK.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn what_rejects_expired_metadata_is_out_of_force_when_it_ends_and_not_before() {
    passing();
    let end: Timestamp = "2026-08-22T12:01:30Z".parse().unwrap();
    let repository = Repository::new().until("2026-08-22T12:01:30Z");
    let server = Server::new([(POLICIES, policy()), (ROOTS, root(&repository))]);
    server.open_all();
    let mut replica = server.replica(passing);
    replica.loaded(Loaded::Yes).await;
    let step = || tokio::time::sleep(Duration::from_millis(500));
    while trusts(&replica.snapshot.load()) {
        assert!(passing() < end + Duration::from_secs(1));
        step().await;
    }
    assert!(passing() >= end, "{}", passing());
    // The clock was wrong, which shows when it is looked at next.
    SET_BACK.store(3600, Ordering::Relaxed);
    let set = passing();
    while !trusts(&replica.snapshot.load()) {
        assert!(passing() < set + CLOCK + Duration::from_secs(1));
        step().await;
    }
}
