//! Policies as they are written: checked, completed, and told what became of them.

use anyhow::Result;
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    fixture::{cluster, message},
    objects::{Objects, POLICY, condition, why},
};

async fn objects() -> Result<Objects> {
    Ok(Objects::new(cluster().await?.control_plane.client().await?))
}

fn good() -> Value {
    json!({
        "images": [{"glob": "registry.example/policies/**"}],
        "authorities": [{"static": {"action": "pass"}}],
    })
}

/// What is wrong with a policy: the field, its bad value, the message, and a value that is good.
fn mistakes(key: &str) -> Vec<(&'static str, Value, String, Value)> {
    let every = "spec.authorities[0].key, spec.authorities[0].keyless, spec.authorities[0].static";
    let fixed = json!({"action": "pass"});
    vec![
        (
            "/images",
            json!([]),
            "missing field(s): spec.images".into(),
            json!([{"glob": "registry.example/a/**"}]),
        ),
        (
            "/images/0/glob",
            json!("$FOO*"),
            "invalid value: $FOO*: spec.images[0].glob\nglob is invalid: invalid glob \"$FOO*\"".into(),
            json!("FOO*"),
        ),
        (
            "/authorities/0",
            json!({"key": {"data": "no key"}}),
            "invalid value: no key: spec.authorities[0].key.data".into(),
            json!({"key": {"data": key}}),
        ),
        (
            "/authorities/0",
            json!({"name": "nobody"}),
            format!("expected exactly one, got neither: {every}"),
            json!({"name": "nobody", "static": fixed}),
        ),
        (
            "/authorities/0",
            json!({"static": fixed, "key": {"data": key}}),
            format!("expected exactly one, got both: {every}"),
            json!({"static": fixed}),
        ),
        ("/mode", json!("audit"), "invalid value: audit: spec.mode\nunsupported mode".into(), json!("warn")),
    ]
}

#[tokio::test]
async fn a_mistake_is_refused_in_both_versions_with_field_and_cause_and_its_correction_is_accepted()
-> Result<()> {
    let objects = objects().await?;
    for version in ["v1alpha1", "v1beta1"] {
        let mistakes = mistakes(cluster().await?.signer.public_key_pem());
        for (index, (field, wrong, expected, right)) in mistakes.into_iter().enumerate() {
            let name = format!("mistake-{version}-{index}");
            let create = async |value: Value| {
                let mut spec = good();
                spec["mode"] = json!("enforce");
                *spec.pointer_mut(field).unwrap() = value;
                objects.create_in(version, POLICY, &name, &spec).await
            };
            let said = create(wrong).await.unwrap_err();
            let expected = format!(
                "admission webhook \"validating.clusterimagepolicy.sigstore.dev\" denied the request: \
                 validation failed: {expected}"
            );
            assert!(said == expected || said.starts_with(&format!("{expected}\n")), "{said}");
            create(right).await.map_err(anyhow::Error::msg)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn defaults_are_written_and_seen() -> Result<()> {
    let objects = objects().await?;
    for version in ["v1alpha1", "v1beta1"] {
        let name = format!("defaulted-{version}");
        let created = objects.create_in(version, POLICY, &name, &good()).await.map_err(anyhow::Error::msg)?;
        let mut expected = good();
        expected["mode"] = json!("enforce");
        expected["authorities"][0]["name"] = json!("authority-0");
        assert_eq!(created.data["spec"], expected);
        assert_eq!(objects.api(POLICY).get(&name).await?.data["spec"], expected);
    }
    Ok(())
}

#[tokio::test]
async fn the_status_follows_the_spec_and_forged_words_in_it_do_not_last() -> Result<()> {
    let objects = objects().await?;
    let api = objects.api(POLICY);
    objects.create(POLICY, "status", &good()).await.map_err(anyhow::Error::msg)?;
    let object = objects.wait_for_ready(POLICY, "status", "True").await?;
    assert_eq!(object.data["status"]["observedGeneration"], 1);
    assert_eq!(condition(&object, "Ready").unwrap()["observedGeneration"], 1);
    assert_eq!(why(&object, "Ready"), ("Compiled", "the policy's authority can be used"));
    assert_eq!(condition(&object, "Stalled"), None);

    let keyless = json!({"spec": {"authorities": [{"keyless": {
        "url": "https://fulcio.sigstore.dev", "identities": [{"issuer": "i", "subject": "s"}]}}]}});
    api.patch("status", &PatchParams::default(), &Patch::Merge(&keyless)).await?;
    let object = objects.wait_for_ready(POLICY, "status", "False").await?;
    assert_eq!(object.data["status"]["observedGeneration"], 2);
    // Without a default root here; one may come.
    assert_eq!(why(&object, "Ready").0, "TrustRootNotReady");
    assert_eq!(why(&object, "Reconciling"), why(&object, "Ready"));

    let forged = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    api.patch_status("status", &PatchParams::default(), &Patch::Merge(&forged)).await?;
    objects.wait_for_ready(POLICY, "status", "False").await?;

    api.patch("status", &PatchParams::default(), &Patch::Merge(&json!({"spec": good()}))).await?;
    let object = objects.wait_for_ready(POLICY, "status", "True").await?;
    assert_eq!(condition(&object, "Stalled").map(|stalled| &stalled["status"]), None);
    Ok(())
}

#[tokio::test]
async fn a_policy_is_checked_again_when_it_changes() -> Result<()> {
    let objects = objects().await?;
    let api = objects.api(POLICY);
    objects.create(POLICY, "changed", &good()).await.map_err(anyhow::Error::msg)?;
    let patch = async |patch: Value| {
        api.patch("changed", &PatchParams::default(), &Patch::Merge(&patch)).await.map_err(message)
    };
    let said = patch(json!({"spec": {"images": [{"glob": "["}]}})).await.unwrap_err();
    assert!(said.contains("invalid value: [: spec.images[0].glob"), "{said}");
    let changed = patch(json!({"spec": {"images": [{"glob": "registry.example/a"}]}})).await;
    assert_eq!(changed.map(|object| object.name_any()).as_deref(), Ok("changed"));
    Ok(())
}
