//! The API server away.

use anyhow::{Result, ensure};
use trustwright_testkit::{
    Operator,
    operator::{ca_pem, credentials},
    process::eventually,
};

use super::{fixed, installed, not_ready_for, nowhere, review};
use crate::{
    fixture::{Own, SOON, options, refused_soon},
    objects::POLICY,
};

#[tokio::test]
async fn without_an_api_server_it_waits_says_for_what_is_ready_when_that_comes_and_ends_when_that_is_gone()
-> Result<()> {
    let (control_plane, port) = installed().await?;
    let kubeconfig = credentials(&control_plane).await?;
    control_plane.stop_apiserver();
    let operator = Operator::spawn_with(kubeconfig, options(), port)?;
    not_ready_for(
        &operator,
        &["certificate not ready", "policies not ready: cannot watch clusterimagepolicies: "],
    )
    .await?;
    control_plane.start_apiserver().await?;
    let operator = operator.ready().await?;

    control_plane.stop_apiserver();
    operator.process().signal("TERM")?;
    let status = operator.process().wait(SOON).await?;
    assert_eq!(status.code(), Some(0), "{}", operator.process().log_tail());
    Ok(())
}

#[tokio::test]
async fn with_the_api_server_away_it_judges_by_what_it_last_saw_turns_unready_and_comes_back_by_itself()
-> Result<()> {
    let own = Own::start(&[]).await?;
    let pods = own.namespace("apps").await?;
    for action in ["pass", "fail"] {
        let spec = fixed(&format!("registry.example/{action}@*"), action);
        own.objects.create(POLICY, action, &spec).await.map_err(anyhow::Error::msg)?;
        own.objects.wait_for_ready(POLICY, action, "True").await?;
    }
    refused_soon(&pods, &nowhere("fail"), "disallowed by static policy").await?;
    let pem = ca_pem(&own.control_plane).await?;

    own.control_plane.stop_apiserver();
    let (ready, text) = own.operator.probe("/readyz?verbose").await?;
    assert_eq!(ready, 200, "{text}");
    not_ready_for(&own.operator, &["api-server not ready: cut off from the API server: "]).await?;
    for (repository, allowed) in [("pass", true), ("fail", false), ("neither", false)] {
        let answer = own.operator.post(&pem, "/validations", &review(&nowhere(repository))).await?;
        assert_eq!(answer["response"]["allowed"], allowed, "{answer}");
    }
    own.control_plane.start_apiserver().await?;
    eventually("ready again", SOON, async || {
        let (ready, text) = own.operator.probe("/readyz?verbose").await?;
        ensure!(ready == 200, "{text}");
        Ok(())
    })
    .await?;

    // The watch comes back with a pause that grew while nobody answered.
    own.objects
        .create(POLICY, "new", &fixed("registry.example/new@*", "fail"))
        .await
        .map_err(anyhow::Error::msg)?;
    own.objects.wait_for_ready(POLICY, "new", "True").await?;
    let said = refused_soon(&pods, &nowhere("new"), "failed policy: new: ").await?;
    assert!(said.contains("disallowed by static policy: m"), "{said}");
    own.operator.process().check()?;
    Ok(())
}
