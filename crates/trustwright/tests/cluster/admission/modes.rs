//! What a policy's verdict does.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    fixture::{Space, pod, refusal},
    objects::{POLICY, condition, why},
};

fn fixed(mode: &str, action: &str) -> Value {
    json!({"mode": mode, "authorities": [{"static": {"action": action, "message": "not here"}}]})
}

#[tokio::test]
async fn a_policy_that_warns_admits_and_says_so_on_the_terminal() -> Result<()> {
    let space = Space::new("warned").await?;
    let policy = space.policy("warn", fixed("warn", "fail")).await?;
    let image = space.nowhere("app");
    let terminal = space.kubectl_apply(&pod("app", &image)).await?.stderr;
    for line in [
        format!("Warning: failed policy: {policy}: spec.containers[0].image\n"),
        format!("Warning: {image} disallowed by static policy: not here\n"),
    ] {
        assert!(terminal.contains(&line), "{terminal}");
    }
    assert!(space.pods().get_opt("app").await?.is_some());
    Ok(())
}

#[tokio::test]
async fn a_policy_that_warns_takes_nothing_from_one_that_enforces() -> Result<()> {
    let space = Space::new("both-modes").await?;
    let image = space.nowhere("app");
    let warns = space.policy("a-warns", fixed("warn", "fail")).await?;
    let enforces = space.policy("b-enforces", fixed("enforce", "fail")).await?;
    let terminal = format!("{:#}", space.kubectl_apply(&pod("app", &image)).await.unwrap_err());
    assert!(terminal.contains(&refusal(&enforces, "spec.containers[0].image", &image)), "{terminal}");
    assert!(terminal.contains(&format!("Warning: failed policy: {warns}: ")), "{terminal}");
    assert!(!terminal.contains(&format!("validation failed: failed policy: {warns}")), "{terminal}");
    assert!(space.pods().get_opt("app").await?.is_none());

    space.change(&enforces, &json!({"authorities": [{"static": {"action": "pass"}}]})).await?;
    crate::fixture::admitted_soon(&space.pods(), &image).await
}

#[tokio::test]
async fn a_static_authority_passes_or_fails_what_its_pattern_matches_and_the_rest_has_no_policy() -> Result<()>
{
    let space = Space::new("static").await?;
    let mut policies = Vec::new();
    for action in ["pass", "fail"] {
        let mut spec = fixed("enforce", action);
        spec["images"] = json!([{"glob": format!("registry.example/{}/{action}*", space.name)}]);
        policies.push(space.policy(action, spec).await?);
    }
    space.run("pass", &space.nowhere("pass")).await.map_err(anyhow::Error::msg)?;

    let image = space.nowhere("fail");
    let said = space.run("fail", &image).await.unwrap_err();
    let expected = refusal(&policies[1], "spec.containers[0].image", &image);
    assert_eq!(said, expected + "disallowed by static policy: not here");

    let image = space.nowhere("neither");
    let said = space.run("neither", &image).await.unwrap_err();
    let expected = format!("validation failed: no matching policies: spec.containers[0].image\n{image}\n");
    assert!(said.contains(&expected), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_policy_that_cannot_be_used_yet_denies_what_it_matches_and_says_why() -> Result<()> {
    let space = Space::new("not-ready").await?;
    let key = json!({"key": {"secretRef": {"name": "cosign"}}});
    let policy = space.policy_that_is("False", "secret", json!({"authorities": [key]})).await?;
    let object = space.objects.api(POLICY).get(&policy).await?;
    let (reason, text) = why(&object, "Ready");
    assert_eq!(reason, "NotResolved");
    assert_eq!(text, "spec.authorities[0].key.secretRef: secret \"cosign\" not found");
    // The Secret may come.
    assert_eq!(condition(&object, "Reconciling").unwrap()["status"], "True");
    assert_eq!(condition(&object, "Stalled"), None);

    let image = space.nowhere("app");
    let said = space.run("app", &image).await.unwrap_err();
    let expected = refusal(&policy, "spec.containers[0].image", &image);
    assert!(said.starts_with(&(expected + "failed to process authority: authority-0\n")), "{said}");
    assert!(said.contains("spec.authorities[0].key.secretRef: "), "{said}");

    // An authority beside it that vouches is enough.
    let patch = json!({"spec": {"authorities": [key, {"static": {"action": "pass"}}]}});
    let patch = kube::api::Patch::Merge(&patch);
    space.objects.api(POLICY).patch(&policy, &kube::api::PatchParams::default(), &patch).await?;
    crate::fixture::admitted_soon(&space.pods(), &image).await
}
