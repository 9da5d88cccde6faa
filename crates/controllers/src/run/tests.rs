use kube::Config;
use prometheus_client::registry::Registry;
use serde_json::json;
use trustwright_policy::NoLanguages;
use trustwright_runtime::objects;

use super::*;

/// Policies beside one live replica, which has nothing in force, and a store of objects to be filled.
fn watched() -> (Arc<Policies>, reflector::store::Writer<Packed>, Arc<Context>) {
    // Nobody answers there, and nothing is to be written.
    let client = Client::try_from(Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
    let enforcement = Arc::new(Enforcement::default());
    enforcement.heard("replica", String::new());
    let policies = Arc::new(Policies {
        objects: objects::watch(client.clone(), "trustwright-system").0,
        enforcement,
        bodies: Arc::new(Bodies::default()),
        languages: CompiledOnce::new(Arc::new(NoLanguages)),
    });
    let reconciler = Reconciler::ClusterImagePolicies(policies.clone());
    let (resource, writer) = (reconciler.resource(), reflector::store::Writer::new(reconciler.resource()));
    let reporter = Reporter { controller: "trustwright".to_owned(), instance: None };
    let context = Context {
        client: client.clone(),
        reconciler,
        resource,
        store: writer.as_reader(),
        metrics: Metrics::register(&mut Registry::default()),
        recorder: Recorder::new(client, reporter),
        clock: || Timestamp::UNIX_EPOCH,
    };
    (policies, writer, Arc::new(context))
}

#[tokio::test]
async fn what_goes_while_it_is_looked_at_is_waited_for_no_longer_than_what_stays() {
    let (policies, mut writer, context) = watched();
    let object: Packed = serde_json::from_value(json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
        "metadata": {"name": "brief", "uid": "1", "generation": 1},
        "spec": {"images": [{"glob": "**"}], "authorities": [{"static": {"action": "pass"}}]},
    }))
    .unwrap();
    writer.apply_watcher_event(&watcher::Event::Apply(object.clone()));
    reconcile(Arc::new(object.clone()), context.clone()).await.unwrap();
    assert_eq!(policies.enforcement.on_their_way(), 1, "it is there");
    let gone = watcher::Event::Delete(object.clone());
    writer.apply_watcher_event(&gone);
    context.reconciler.note(&gone, &context.store);
    assert_eq!(policies.enforcement.on_their_way(), 0, "it is gone");
    // This reconcile had begun before.
    reconcile(Arc::new(object), context).await.unwrap();
    assert_eq!(policies.enforcement.on_their_way(), 0, "it is still gone");
}
