//! Statuses that others write.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::Api;
use trustwright_testkit::{http::Fault, operator::NAMESPACE};

use super::*;
use crate::fixture::options;

/// The floors of all roots of a cluster.
async fn floors(roots: &Roots<'_>) -> Result<BTreeMap<String, ByteString>> {
    let secrets = Api::<Secret>::namespaced(roots.control_plane.client().await?, NAMESPACE);
    Ok(secrets.get_opt("trustwright-floors").await?.and_then(|secret| secret.data).unwrap_or_default())
}

/// The one entry of an object.
async fn floor(roots: &Roots<'_>, object: &DynamicObject) -> Result<(String, Value)> {
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    eventually("a floor", SOON, async || {
        let floors = floors(roots).await?;
        let mut found = floors.iter().filter(|(key, _)| key.starts_with(uid));
        let (key, bytes) = found.next().context("no entry")?;
        ensure!(found.next().is_none(), "more than one entry");
        Ok((key.clone(), serde_json::from_slice(&bytes.0)?))
    })
    .await
}

#[tokio::test]
async fn a_status_that_is_wiped_damaged_or_forged_is_written_again_and_moves_nothing() -> Result<()> {
    let (roots, mut mirror) = (shared().await?, Mirrored::start().await?);
    let old = roots.ready("attacked", &mirror.seldom()).await?;
    mirror.change_keys();
    roots.refresh("attacked", "1").await?;
    let good = roots.until("attacked", "advanced", |object| has_version(object, "targets", 2)).await?;
    roots.in_force_is("attacked", Some(fingerprint(&good))).await?;
    assert_ne!(fingerprint(&old), fingerprint(&good));
    let stranger = Repository::new().until(FOREVER).publish().pack(512 << 10)?;
    // The mirror cannot help.
    mirror.server.fail_everywhere(Fault::Closed);

    let kept = "trustwright_snapshot_kept_trustroots";
    for (what, repository) in [
        ("wiped", Value::Null),
        ("empty", json!("")),
        ("no base64", json!("!")),
        ("no archive", json!(STANDARD.encode("no archive"))),
        ("of another root", json!(STANDARD.encode(&stranger))),
        ("rolled back", old.data["status"]["repository"].clone()),
    ] {
        roots.write_status("attacked", &json!({"repository": repository})).await?;
        let object = roots
            .until("attacked", what, |object| {
                let repository = &object.data["status"]["repository"];
                ensure!(repository == &good.data["status"]["repository"], "not written again");
                Ok(())
            })
            .await?;
        is(&object, "Ready", "True", "Loaded")?;
        assert_eq!(fingerprint(&object), fingerprint(&good), "{what}");
        assert_eq!(roots.in_force("attacked").await?.as_deref(), Some(fingerprint(&good)), "{what}");
    }
    eventually("nothing is kept any more", SOON, async || {
        let kept = metric(roots.operator, kept).await?;
        ensure!(kept == Some(0.0), "{kept:?}");
        Ok(())
    })
    .await?;

    let forged = json!({"fingerprint": "sha256:0", "keys": [], "expires": "2030-01-01T00:00:00Z",
        "observedGeneration": 0, "conditions": []});
    roots.write_status("attacked", &forged).await?;
    let words = |object: &DynamicObject| {
        let status = &object.data["status"];
        ["fingerprint", "keys", "expires", "observedGeneration"].map(|field| status[field].clone())
    };
    roots
        .until("attacked", "put right", |object| {
            ensure!(words(object) == words(&good), "not yet");
            is(object, "Ready", "True", "Loaded")
        })
        .await?;
    let api = roots.objects.api(ROOT);
    let nothing = Patch::<Value>::Json(serde_json::from_value(json!([{"op": "remove", "path": "/status"}]))?);
    api.patch_status("attacked", &PatchParams::default(), &nothing).await?;
    let object = roots.objects.wait_for_ready(ROOT, "attacked", "True").await?;
    assert_eq!(object.data["status"]["repository"], good.data["status"]["repository"]);
    Ok(())
}

#[tokio::test]
async fn an_older_repository_written_while_we_are_down_is_not_in_force_and_is_replaced() -> Result<()> {
    let mut own = Own::start(&["--shutdown-grace=0"]).await?;
    let mut mirror = Mirrored::start().await?;
    let old = roots(&own).ready("back", &mirror.spec()).await?;
    let (key, entry) = floor(&roots(&own), &old).await?;
    assert_eq!(entry["accepted"]["timestamp"], 1, "{entry}");
    mirror.change_keys();
    roots(&own).refresh("back", "1").await?;
    let good = roots(&own).until("back", "advanced", |object| has_version(object, "targets", 2)).await?;
    eventually("a higher floor", SOON, async || {
        let (same, entry) = floor(&roots(&own), &old).await?;
        ensure!(same == key && entry["accepted"]["timestamp"] == 2, "{entry}");
        Ok(())
    })
    .await?;
    mirror.server.fail_everywhere(Fault::Closed);
    own.operator.process().signal("TERM")?;
    own.operator.process().wait(SOON).await?;

    roots(&own).write_status("back", &json!({"repository": old.data["status"]["repository"]})).await?;
    let port = own.operator.webhook_port();
    own.operator = Operator::spawn(&own.control_plane, options(), port).await?.ready().await?;
    assert_eq!(roots(&own).in_force("back").await?, None);
    let refused = roots(&own).until_is("back", "Ready", "False", "MirrorUnavailable").await?;
    assert_eq!(condition(&refused, "Stalled"), None);
    // A mirror that has gone back in time as well is of no help.
    let mut past = mirror.repository.clone();
    for role in [&mut past.timestamp, &mut past.snapshot, &mut past.targets] {
        role.version = 1;
    }
    mirror.server.serve(&past.publish());
    mirror.server.heal();
    roots(&own).until_is("back", "Ready", "False", "RolledBack").await?;
    assert_eq!(roots(&own).in_force("back").await?, None);
    mirror.publish();
    let back = roots(&own).objects.wait_for_ready(ROOT, "back", "True").await?;
    assert_eq!(fingerprint(&back), fingerprint(&good));
    roots(&own).in_force_is("back", Some(fingerprint(&good))).await?;
    let (_, entry) = floor(&roots(&own), &back).await?;
    assert_eq!(entry["accepted"]["timestamp"], 2, "{entry}");
    Ok(())
}

#[tokio::test]
async fn an_object_made_anew_starts_anew_while_the_same_object_goes_no_further_back() -> Result<()> {
    let (roots, mut mirror) = (shared().await?, Mirrored::start().await?);
    let past = mirror.repository.clone();
    roots.ready("made-anew", &mirror.seldom()).await?;
    mirror.change_keys();
    roots.refresh("made-anew", "1").await?;
    let first = roots.until("made-anew", "advanced", |object| has_version(object, "targets", 2)).await?;
    let (key, _) = floor(&roots, &first).await?;
    mirror.server.serve(&past.publish());
    roots.refresh("made-anew", "2").await?;
    let refused = roots.until_is("made-anew", "Refreshed", "False", "RolledBack").await?;
    is(&refused, "Ready", "True", "Loaded")?;

    roots.delete("made-anew").await?;
    roots.in_force_is("made-anew", None).await?;
    let second = roots.ready("made-anew", &mirror.seldom()).await?;
    has_version(&second, "targets", 1)?;
    assert_ne!(fingerprint(&second), fingerprint(&first));
    let (other, entry) = floor(&roots, &second).await?;
    assert_ne!(key, other);
    assert_eq!(entry["accepted"]["timestamp"], 1, "{entry}");
    Ok(())
}

#[tokio::test]
async fn a_damaged_floor_is_not_taken_for_none() -> Result<()> {
    let mut own = Own::start(&["--shutdown-grace=0"]).await?;
    let mirror = Mirrored::start().await?;
    let object = roots(&own).ready("damaged", &mirror.spec()).await?;
    roots(&own).ready("beside", &mirror.spec()).await?;
    let (key, _) = floor(&roots(&own), &object).await?;
    own.operator.process().signal("TERM")?;
    own.operator.process().wait(SOON).await?;
    let secrets = Api::<Secret>::namespaced(own.client.clone(), NAMESPACE);
    let write = async |value: Value| {
        let patch = json!({"data": {&key: value}});
        secrets.patch("trustwright-floors", &PatchParams::default(), &Patch::Merge(&patch)).await
    };
    write(json!(STANDARD.encode("{}"))).await?;
    let port = own.operator.webhook_port();
    own.operator = Operator::spawn(&own.control_plane, options(), port).await?.ready().await?;
    let shown = "trustwright_trustroot_ready{trustroot=";
    eventually("the leader shows the other", SOON, async || {
        let metrics = own.operator.metrics().await?;
        ensure!(metrics.contains(&format!("{shown}\"beside\"}} 1")), "not yet");
        ensure!(!metrics.contains(&format!("{shown}\"damaged\"}}")), "the damaged one is shown");
        Ok(())
    })
    .await?;
    assert_eq!(roots(&own).in_force("damaged").await?, None);
    assert!(roots(&own).in_force("beside").await?.is_some());
    // Whoever removes the entry gives up its protection, and has the root back.
    write(Value::Null).await?;
    roots(&own).in_force_is("damaged", Some(fingerprint(&object))).await?;
    eventually("the leader shows both", SOON, async || {
        let ready = metric(&own.operator, &format!("{shown}\"damaged\"}}")).await?;
        ensure!(ready == Some(1.0), "{ready:?}");
        Ok(())
    })
    .await
}
