//! What is written beside the Policy Controller, and that it minds none of it.

use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams, WatchEvent, WatchParams},
    core::DynamicObject,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use trustwright_testkit::{
    http::{Fault, HttpServer},
    process::{Command, eventually},
};

use super::stage::{PATIENT, Stage, annotation, loadable, material, ours, remote};
use crate::{
    fixture::SOON,
    objects::{ROOT, condition, why},
};

/// Every state of the `TrustRoot`s from now on.
async fn record(stage: &Stage) -> Result<(Arc<Mutex<Vec<DynamicObject>>>, JoinSet<()>)> {
    let states = Arc::new(Mutex::new(Vec::new()));
    let seen = states.clone();
    let mut events = stage.objects.api(ROOT).watch(&WatchParams::default(), "0").await?.boxed();
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Ok(Some(event)) = events.try_next().await {
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
                seen.lock().unwrap().push(object);
            }
        }
    });
    Ok((states, task))
}

#[tokio::test]
async fn its_ready_stays_true_and_nothing_of_either_is_lost() -> Result<()> {
    let stage = Stage::start().await?;
    let mut repository = loadable();
    let server = HttpServer::start(&repository.publish()).await?;
    stage.trust_root("r", &remote(&repository, server.url())).await?;
    // Theirs alone, at first.
    let alone = stage.wait_for("r", &[("Ready", "True"), ("ConfigMapUpdated", "True")]).await?;
    assert_eq!(ours(&alone), json!([[], []]));
    let (states, _recording) = record(&stage).await?;

    let mut companion = stage.companion().await?;
    let in_step = [("SignatureChecksReady", "True"), ("PeerInStep", "True"), ("Refreshed", "True")];
    let found = stage.wait_for("r", &in_step).await?;
    let fingerprint = annotation(&found, "fingerprint").unwrap().to_owned();
    stage.annotated("r", &fingerprint).await?;
    let roles: Value = serde_json::from_str(annotation(&found, "metadata").unwrap())?;
    assert_eq!(roles[0]["role"], "root");
    assert!(annotation(&found, "repository").unwrap().len() > 1_000);

    // While nothing changes, neither of the two writes, and none wakes the other.
    let quiet = stage.get("r").await?;
    server.asked();
    let mut polls = 0;
    eventually("two more polls", PATIENT, async || {
        polls += server.asked().iter().filter(|asked| asked.path == "timestamp.json").count();
        ensure!(polls >= 2, "{polls}");
        Ok(())
    })
    .await?;
    assert_eq!(stage.get("r").await?.metadata.resource_version, quiet.metadata.resource_version);

    // New metadata of the same keys: the artifact changes, what is told does not.
    let before = annotation(&found, "repository").unwrap().to_owned();
    repository.rotate(|_| ());
    repository.advance();
    server.serve(&repository.publish());
    eventually("the new artifact", PATIENT, async || {
        let found = stage.get("r").await?;
        ensure!(annotation(&found, "repository") != Some(before.as_str()), "not yet");
        assert_eq!(annotation(&found, "fingerprint"), Some(fingerprint.as_str()));
        assert_eq!(material(&found), Some(fingerprint.as_str()));
        Ok(())
    })
    .await?;

    // A condition of ours that is False: theirs stays True, since it remembers no version and notices nothing.
    let newer = repository.publish();
    let mut lagging = repository.clone();
    lagging.timestamp.version -= 1;
    server.serve(&lagging.publish());
    let found = stage.wait_for("r", &[("Refreshed", "False")]).await?;
    assert_eq!(why(&found, "Refreshed").0, "RolledBack");
    assert_eq!(condition(&found, "Refreshed").unwrap()["severity"], "Info");
    server.serve(&newer);
    stage.wait_for("r", &in_step).await?;

    // What somebody takes away of ours comes back; a late write of the Policy Controller can do that.
    let without =
        json!({"status": {"annotations": null, "conditions": condition_list(&stage.get("r").await?)}});
    stage.objects.api(ROOT).patch_status("r", &PatchParams::default(), &Patch::Merge(&without)).await?;
    let found = stage.wait_for("r", &in_step).await?;
    assert_eq!(annotation(&found, "fingerprint"), Some(fingerprint.as_str()));

    // With us away, it writes: nothing of ours is lost.
    companion.process().signal("TERM")?;
    companion.process_mut().wait(SOON).await?;
    let before = stage.get("r").await?;
    let after = stage.have_the_peer_write("r", &json!({"remote": {"targets": "other"}})).await?;
    assert_ne!(after.data["status"]["observedGeneration"], before.data["status"]["observedGeneration"]);
    assert_eq!(ours(&after), ours(&before));

    // Back again, with the mirror away: what was verified is in force at once, from the annotation.
    server.fail_everywhere(Fault::Closed);
    let companion = stage.companion().await?;
    let found = stage.wait_for("r", &[("SignatureChecksReady", "True"), ("Refreshed", "False")]).await?;
    assert_eq!(why(&found, "Refreshed").0, "MirrorUnavailable");
    assert_eq!(annotation(&found, "fingerprint"), Some(fingerprint.as_str()));
    drop(companion);

    // Nothing was refused for a lack of rights, and neither status nor definition was patched.
    let asked = stage.asked()?;
    let of = |verb: &str, resource: &str| asked.iter().any(|(v, r, _)| v == verb && r == resource);
    assert!(of("update", "trustroots/status") && of("patch", "trustroots/"), "{asked:?}");
    for (verb, resource, code) in &asked {
        assert_ne!(*code, 403, "{verb} {resource}");
        assert!(verb != "patch" || resource == "trustroots/" || resource == "events/", "{verb} {resource}");
        let reads = matches!(verb.as_str(), "list" | "watch");
        assert!(reads || !resource.starts_with("clusterimagepolicies"), "{verb} {resource}");
        assert!(!resource.contains("webhook"), "{verb} {resource}");
        assert!(!resource.starts_with("customresourcedefinitions"), "{verb} {resource}");
    }

    let states = states.lock().unwrap();
    let mut ours_written = 0;
    for state in states.iter().filter(|state| annotation(state, "fingerprint").is_some()) {
        ours_written += 1;
        for one in state.data["status"]["conditions"].as_array().unwrap() {
            assert!(one.get("observedGeneration").is_none(), "{one}");
        }
    }
    assert!(ours_written > 3);
    // Until the mirror was away, which it says by itself when it reads it.
    let calm = states
        .iter()
        .take_while(|state| condition(state, "KeysInlined").is_none_or(|one| one["status"] == "True"));
    let unready: Vec<_> =
        calm.filter(|state| condition(state, "Ready").unwrap()["status"] != "True").collect();
    assert!(unready.is_empty(), "{unready:#?}");
    let log = std::fs::read_to_string(stage.peer.process().log())?;
    assert!(!log.contains("unknown field"), "its strict decoding has failed");
    Ok(())
}

/// The conditions that are theirs.
fn condition_list(object: &DynamicObject) -> Vec<Value> {
    let all = object.data["status"]["conditions"].as_array().unwrap();
    all.iter().filter(|one| one.get("severity").is_none()).cloned().collect()
}

#[tokio::test]
async fn webhooks_are_not_for_a_companion() -> Result<()> {
    for command in ["run", "webhook"] {
        let said = Command::new(env!("CARGO_BIN_EXE_trustwright"))
            .args([command, "--mode=companion"])
            .output(SOON)
            .await
            .unwrap_err();
        let said = format!("{said:#}");
        assert!(said.contains("--mode=companion is for trustwright controller"), "{command}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn without_the_flag_nothing_is_written_that_the_definition_does_not_know() -> Result<()> {
    let stage = Stage::start().await?;
    let repository = loadable();
    let server = HttpServer::start(&repository.publish()).await?;
    stage.trust_root("r", &remote(&repository, server.url())).await?;
    stage.wait_for("r", &[("Ready", "True")]).await?;
    let definition =
        ["get", "crd", "trustroots.policy.sigstore.dev", "-o", "jsonpath={.metadata.generation}"];
    let before = stage.control_plane.kubectl(&definition).await?.stdout;
    let operator = stage.spawn(&[]).await?;
    let found = stage.wait_for("r", &[("SignatureChecksReady", "True"), ("Ready", "True")]).await?;
    assert!(annotation(&found, "repository").is_some());
    assert!(found.data["status"].get("repository").is_none());
    // It was not asked to tell anybody.
    assert_eq!((material(&found), condition(&found, "PeerInStep")), (None, None));
    assert_eq!(stage.control_plane.kubectl(&definition).await?.stdout, before);
    let log = std::fs::read_to_string(operator.process().log())?;
    assert!(log.contains("The definition of TrustRoot is not ours"), "{log}");
    Ok(())
}

#[tokio::test]
async fn what_it_has_loaded_and_the_trust_root_does_not_say_is_reported() -> Result<()> {
    let stage = Stage::start().await?;
    let repository = loadable();
    let server = HttpServer::start(&repository.publish()).await?;
    stage.trust_root("r", &remote(&repository, server.url())).await?;
    let _companion = stage.companion().await?;
    stage.wait_for("r", &[("PeerInStep", "True"), ("SignatureChecksReady", "True")]).await?;
    // Its configuration is edited while it cannot read the mirror: it would put that right at once.
    server.fail_everywhere(Fault::Closed);
    let maps = Api::<ConfigMap>::namespaced(stage.client.clone(), "cosign-system");
    let entry = maps.get("config-sigstore-keys").await?.data.unwrap()["r"].clone();
    let mut edited: Value = serde_json::from_str(&entry)?;
    let url = edited["tlogs"][0]["baseUrl"].as_str().unwrap().to_owned();
    edited["tlogs"] = json!([]);
    let edit = json!({"data": {"r": edited.to_string()}});
    maps.patch("config-sigstore-keys", &PatchParams::default(), &Patch::Merge(&edit)).await?;
    let found = stage.wait_for("r", &[("PeerInStep", "False"), ("SignatureChecksReady", "False")]).await?;
    assert_eq!(why(&found, "PeerInStep").0, "Differs");
    let expected = format!("it does not trust TransparencyLog {url:?}");
    assert!(why(&found, "PeerInStep").1.ends_with(&expected), "{found:?}");
    assert_eq!(why(&found, "SignatureChecksReady").0, "Differs");

    let gone = json!({"data": {"r": null}});
    maps.patch("config-sigstore-keys", &PatchParams::default(), &Patch::Merge(&gone)).await?;
    eventually("nothing loaded", PATIENT, async || {
        let found = stage.get("r").await?;
        ensure!(why(&found, "PeerInStep").0 == "NotLoaded", "{:?}", why(&found, "PeerInStep"));
        Ok(())
    })
    .await?;

    server.heal();
    stage
        .wait_for("r", &[("PeerInStep", "True"), ("SignatureChecksReady", "True"), ("Ready", "True")])
        .await?;
    let mended = maps.get("config-sigstore-keys").await?.data.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&mended["r"])?, serde_json::from_str::<Value>(&entry)?);
    Ok(())
}
