//! `trustwright status`, and the denials that it shows.

use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use serde_json::{Value, json};
use trustwright_testkit::process::eventually;

use crate::{
    fixture::{Own, SOON, message},
    objects::POLICY,
};

fn status(own: &Own, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustwright"));
    command.arg("status").args(arguments).env("KUBECONFIG", own.control_plane.kubeconfig());
    Ok(command.output()?)
}

fn shown(own: &Own) -> Result<(Option<i32>, Value)> {
    let output = status(own, &["-o", "json"])?;
    let overview = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((output.status.code(), overview))
}

fn policy(action: &str, group: &str, resource: &str) -> Value {
    json!({
        "images": [{"glob": "**"}], "match": [{"group": group, "version": "v1", "resource": resource}],
        "authorities": [{"name": "a", "static": {"action": action, "message": "not in this cluster"}}],
    })
}

/// A `ReplicaSet` that may come to be, and whose pods may not.
fn replica_set() -> Result<k8s_openapi::api::apps::v1::ReplicaSet> {
    let labels = json!({"app": "web"});
    Ok(serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"},
        "spec": {"replicas": 3, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{
                "name": "main", "image": format!("registry.example/app@sha256:{}", "0".repeat(64)),
            }]},
        }},
    }))?)
}

#[tokio::test]
async fn one_screen_says_what_works_and_why_not_and_what_was_denied_last_by_the_object_that_it_was_for()
-> Result<()> {
    let own = Own::start(&[]).await?;
    own.namespace("apps").await?;
    for (name, spec) in
        [("pods", policy("fail", "", "pods")), ("sets", policy("pass", "apps", "replicasets"))]
    {
        own.objects.create(POLICY, name, &spec).await.map_err(anyhow::Error::msg)?;
        own.objects.wait_for_ready(POLICY, name, "True").await?;
    }
    let (code, overview) = shown(&own)?;
    assert_eq!((code, &overview["ready"]), (Some(0), &json!(true)), "{overview}");
    assert_eq!(overview["denials"], json!([]));
    assert_eq!(overview["replicas"].as_array().map(Vec::len), Some(1));

    let sets: Api<k8s_openapi::api::apps::v1::ReplicaSet> = Api::namespaced(own.client.clone(), "apps");
    sets.create(&PostParams::default(), &replica_set()?)
        .await
        .map_err(|error| anyhow::Error::msg(message(error)))?;
    let denied = eventually("the denial in the overview", SOON, async || {
        let (_, overview) = shown(&own)?;
        overview["denials"].get(0).cloned().context("none")
    })
    .await?;
    assert_eq!(denied["about"], "ReplicaSet apps/web");
    assert_eq!((&denied["action"], &denied["reason"]), (&json!("Denied"), &json!("StaticFail")));
    let note = denied["note"].as_str().unwrap_or_default();
    assert!(
        note.starts_with("policy pods: spec.containers[0].image: registry.example/app@sha256:0"),
        "{note}"
    );
    assert!(note.ends_with("disallowed by static policy: not in this cluster"), "{note}");
    // Three pods were tried, and are again and again; that is one event.
    let events: Api<Event> = Api::namespaced(own.client.clone(), "apps");
    let ours = ListParams::default().fields("reportingController=trustwright-webhook");
    let told = events.list(&ours).await?.items;
    assert_eq!(told.len(), 1, "{told:?}");
    let set = sets.get("web").await?;
    assert_eq!(told[0].regarding.as_ref().and_then(|regarding| regarding.uid.clone()), set.metadata.uid);

    let broken =
        json!({"images": [{"glob": "**"}], "authorities": [{"key": {"secretRef": {"name": "none"}}}]});
    own.objects.create(POLICY, "broken", &broken).await.map_err(anyhow::Error::msg)?;
    own.objects.wait_for_ready(POLICY, "broken", "False").await?;
    let output = status(&own, &[])?;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout)?;
    for words in [
        "Signature checks do not all work.\n",
        "  broken: spec.authorities[0].key.secretRef: secret \"none\" not found",
        "ReplicaSet apps/web",
        "LAST DENIALS",
    ] {
        ensure!(text.contains(words), "{words:?} is missing in\n{text}");
    }
    Ok(())
}

#[tokio::test]
async fn without_an_answer_from_the_cluster_the_exit_status_says_that_nobody_can_tell() -> Result<()> {
    let own = Own::start(&[]).await?;
    own.control_plane.stop_apiserver();
    let output = status(&own, &[])?;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let error = String::from_utf8(output.stderr)?;
    assert!(error.starts_with("trustwright: cannot list clusterimagepolicies: "), "{error}");
    Ok(())
}
