//! One leader after the other, with a real API server for what outlives them and a real mirror.

mod floors;
mod references;
mod restores;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use trustwright_api::v1alpha1::TrustRootReason as Reason;
use trustwright_roots::{DefaultRoot, FLOORS_SECRET, FloorEntry, floor_key};
use trustwright_runtime::objects::Objects;
use trustwright_testkit::http::{Fault, HttpServer};
use trustwright_testkit::tuf_repository::Repository;

use super::support::{self, AFTER, BEFORE, anchor, at, with_status};
use super::*;
use crate::{Metrics, Settings};

/// Longest wait for something that is sure to come.
const SOON_ENOUGH: Duration = Duration::from_secs(20);

/// A namespace, the repository that is served, and its mirror.
struct World {
    namespace: String,
    client: Client,
    repository: Repository,
    server: HttpServer,
}

/// One term of a leader.
struct Leader {
    roots: TrustRoots,
    changes: mpsc::UnboundedReceiver<String>,
    objects: Objects,
    clock: fn() -> Timestamp,
    _tasks: JoinSet<()>,
}

impl World {
    async fn new(namespace: &str) -> Self {
        let control_plane = trustwright_testkit::shared().await.unwrap();
        control_plane.create_namespace(namespace).await.unwrap();
        let client = control_plane.client().await.unwrap();
        let repository = Repository::new();
        let server = HttpServer::start(&repository.publish()).await.unwrap();
        Self { namespace: namespace.to_owned(), client, repository, server }
    }

    async fn lead(&self, clock: fn() -> Timestamp) -> Leader {
        self.lead_with(clock, None).await
    }

    async fn lead_with(&self, clock: fn() -> Timestamp, default_root: Option<DefaultRoot>) -> Leader {
        let (objects, work) = trustwright_runtime::objects::watch(self.client.clone(), &self.namespace);
        let mut tasks = JoinSet::new();
        tasks.spawn(work);
        objects.listed().await;
        let (teller, changes) = mpsc::unbounded_channel();
        let settings = Settings {
            namespace: self.namespace.clone(),
            default_root,
            expiry_warning: WARNING,
            dependents: crate::DependentSettings::default(),
        };
        let roots = TrustRoots::new(Parts {
            client: self.client.clone(),
            objects: objects.clone(),
            settings,
            metrics: Metrics::register(&mut Registry::default()),
            clock,
            changed: teller,
            dependents: Arc::new(crate::dependents::View::new()),
            enforcement: Arc::default(),
            policies_changed: mpsc::unbounded_channel().0,
        });
        Leader { roots: roots.unwrap(), changes, objects, clock, _tasks: tasks }
    }

    /// A trust root with the mirror.
    fn object(&self) -> DynamicObject {
        let mut object = root(
            &json!({"remote": {
                "mirror": self.server.url(),
                "root": Base64Data::encode(self.repository.first_root()),
            }}),
            &json!({}),
        );
        object.metadata.uid = Some("3c1e7f6a-0000-4000-8000-000000000001".to_owned());
        object
    }

    fn publish(&self) {
        self.server.serve(&self.repository.publish());
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// What our Secret keeps for `object`.
    async fn floor(&self, object: &DynamicObject) -> Option<FloorEntry> {
        let secret = self.secrets().get_opt(FLOORS_SECRET).await.unwrap()?;
        let key = floor_key(&object.uid().unwrap(), &anchor(&self.repository));
        secret.data?.get(&key).map(|bytes| FloorEntry::decode(&bytes.0).unwrap())
    }
}

impl Leader {
    /// Decides, as a reconcile does; returns the object as it is once the status is written.
    async fn decide(&self, object: &DynamicObject) -> DynamicObject {
        let decision = self.roots.decide(object, (self.clock)()).await.unwrap();
        match decision.status {
            Some(status) => with_status(object, status),
            None => object.clone(),
        }
    }

    /// Decides, and keeps what is to be kept once the status is written.
    async fn settle(&self, object: &DynamicObject) -> DynamicObject {
        let settled = self.decide(object).await;
        self.roots.applied(object).await.unwrap();
        settled
    }

    /// Waits until a poll has news.
    async fn news(&mut self) {
        tokio::time::timeout(SOON_ENOUGH, self.changes.recv()).await.unwrap().unwrap();
    }

    /// Settles until the first answer of the mirror is in the status.
    async fn first_answer(&mut self, object: &DynamicObject) -> DynamicObject {
        let pending = self.settle(object).await;
        self.news().await;
        self.settle(&pending).await
    }

    /// Has the mirror asked now, and waits for its news.
    async fn refresh(&mut self, object: &DynamicObject, wish: &str) -> DynamicObject {
        let mut wishing = object.clone();
        wishing.annotations_mut().insert("trustwright.dev/refresh".to_owned(), wish.to_owned());
        let wishing = self.settle(&wishing).await;
        self.news().await;
        wishing
    }

    /// Waits until the mirror has been asked once more, which need not be news.
    async fn refresh_quietly(&self, object: &DynamicObject) {
        let shared = self.roots.times(&object.name_any()).unwrap();
        shared.state().refreshed_at = None;
        shared.ask(Cause::Wish);
        let asked = async {
            while shared.state().refreshed_at.is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON_ENOUGH, asked).await.unwrap();
    }

    /// Waits until the view of our namespace is another one.
    async fn sees(&self, condition: impl Fn(&Objects) -> bool) {
        let mut changes = self.objects.changes();
        let seen = async {
            while !condition(&self.objects) {
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(SOON_ENOUGH, seen).await.unwrap();
    }
}

fn status(object: &DynamicObject) -> &Value {
    &object.data["status"]
}

/// The conditions but the one about those who use the trust root, of whom there are none here.
fn lines(status: &Value) -> Vec<String> {
    let lines = support::lines(status).into_iter();
    lines.filter(|line| !line.starts_with("SignatureChecksReady=")).collect()
}

/// The version of a role in the status.
fn version(object: &DynamicObject, role: &str) -> Option<i64> {
    let roles = status(object)["metadata"].as_array()?;
    roles.iter().find(|one| one["role"] == role)?["version"].as_i64()
}
