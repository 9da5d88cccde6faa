//! What changes on the mirror or in the cluster is in force soon, and nothing is written while nothing changes.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use trustwright_testkit::{certs::Authority, operator::NAMESPACE, tuf_repository::Key};

use super::*;

#[tokio::test]
async fn a_root_behind_a_mirror_is_ready_with_a_status_that_verifies_from_its_spec() -> Result<()> {
    let (roots, mirror) = (shared().await?, Mirrored::start().await?);
    let object = roots.ready("remote-status", &mirror.spec()).await?;
    let status = &object.data["status"];
    is(&object, "Ready", "True", "Loaded")?;
    is(&object, "Refreshed", "True", "UpToDate")?;
    for absent in ["Stalled", "Reconciling", "Expired", "Expiring", "Unprotected"] {
        assert_eq!(condition(&object, absent), None);
    }
    assert_eq!(status["source"], "remote");
    assert_eq!(status["expires"], FOREVER);
    for role in ["root", "timestamp", "snapshot", "targets"] {
        has_version(&object, role, 1)?;
    }
    assert!(status["lastChangeTime"].is_string());
    assert!(status["keys"].as_array().unwrap().iter().all(|key| key["usable"] == true), "{status}");

    // What the spec and `status.repository` alone come to, without us and without the mirror.
    drop(mirror);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_trustwright"));
    let output = command
        .args(["trust", "inspect", "trustroot/remote-status", "-o", "json"])
        .env("KUBECONFIG", roots.control_plane.kubeconfig())
        .output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["fingerprint"], status["fingerprint"]);
    assert_eq!(report["anchor"]["givenBy"], "spec.remote.root");
    Ok(())
}

#[tokio::test]
async fn a_rotation_on_the_mirror_is_in_force_in_leader_and_replica_within_interval_and_a_second()
-> Result<()> {
    let (roots, mut mirror) = (shared().await?, Mirrored::start().await?);
    let before = roots.ready("rotated", &mirror.spec()).await?;
    mirror.repository.rotate(|repository| repository.timestamp.keys = vec![Key::new()]);
    let start = Instant::now();
    mirror.change_keys();
    let replica = eventually("another fingerprint in the replica", SOON, async || {
        let found = roots.in_force("rotated").await?;
        ensure!(found.as_deref() != Some(fingerprint(&before)), "still the old one");
        Ok(found)
    })
    .await?;
    let took = start.elapsed();
    let after = roots.get("rotated").await?;
    has_version(&after, "root", 2)?;
    has_version(&after, "timestamp", 2)?;
    assert_eq!(replica.as_deref(), Some(fingerprint(&after)));
    assert_ne!(after.data["status"]["lastChangeTime"], Value::Null);
    assert!(took < INTERVAL + WAY, "{took:?}");
    println!("in force after {took:?}");
    Ok(())
}

#[tokio::test]
async fn while_nothing_changes_two_requests_are_a_poll_and_nothing_is_written() -> Result<()> {
    let own = Own::start(&[]).await?;
    let (roots, mirror) = (roots(&own), Mirrored::start().await?);
    roots.ready("quiet", &mirror.spec()).await?;
    // That the replica has it is told as well.
    let before = roots.until_is("quiet", "SignatureChecksReady", "True", "InForce").await?;
    let writes = "trustwright_status_writes_total{controller=\"trustroot\"}";
    let written = metric(&own.operator, writes).await?;
    assert!(written.is_some_and(|written| written > 0.0), "{written:?}");
    mirror.forget();
    let mut asked = Vec::new();
    eventually("three quiet polls", SOON * 2, async || {
        asked.extend(mirror.server.asked());
        ensure!(asked.len() >= 6, "asked for {asked:?}");
        Ok(())
    })
    .await?;
    for poll in asked.chunks(2) {
        assert_eq!((poll[0].path.as_str(), poll[0].status), ("2.root.json", 404));
        assert_eq!(
            (poll[1].path.as_str(), poll[1].conditional, poll[1].status),
            ("timestamp.json", true, 304)
        );
    }
    assert_eq!(revision(&roots.get("quiet").await?), revision(&before));
    assert_eq!(metric(&own.operator, writes).await?, written);
    Ok(())
}

#[tokio::test]
async fn the_annotation_and_a_change_of_the_spec_ask_the_mirror_at_once() -> Result<()> {
    let (roots, mut mirror) = (shared().await?, Mirrored::start().await?);
    roots.ready("at-once", &mirror.seldom()).await?;
    mirror.forget();
    // Other annotations do not.
    roots.control_plane.kubectl(&["annotate", "trustroot", "at-once", "a=b"]).await?;
    for (wish, version) in [("1", 2), ("2", 3)] {
        mirror.repository.advance();
        mirror.publish();
        let start = Instant::now();
        roots.refresh("at-once", wish).await?;
        roots.until("at-once", "advanced", |object| has_version(object, "targets", version)).await?;
        assert!(start.elapsed() < INTERVAL, "{:?}", start.elapsed());
    }
    // The last two full refreshes, and no poll for the annotation that means nothing to us.
    let polls = mirror.server.asked().iter().filter(|asked| asked.path == "2.root.json").count();
    assert!((2..=4).contains(&polls), "{polls}");

    mirror.repository.advance();
    mirror.publish();
    roots.change("at-once", &json!({"remote": {"refreshInterval": "23h"}})).await?;
    roots.until("at-once", "advanced", |object| has_version(object, "targets", 4)).await?;

    // Another mirror of another repository: nothing of the old one stays.
    let mut other = Mirrored::start().await?;
    drop_a_key(&mut other.repository);
    other.publish();
    roots.change("at-once", &other.seldom()).await?;
    let object = roots.until("at-once", "the other", |object| has_version(object, "targets", 1)).await?;
    roots.in_force_is("at-once", Some(fingerprint(&object))).await
}

#[tokio::test]
async fn a_config_map_that_the_spec_names_counts_as_it_is_now() -> Result<()> {
    let (roots, mut mirror) = (shared().await?, Mirrored::start().await?);
    let maps = Api::<ConfigMap>::namespaced(roots.control_plane.client().await?, NAMESPACE);
    let map = |pem: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "at-once-ca",
        "namespace": NAMESPACE}, "data": {"ca.crt": pem}})
    };
    let pem = |name: &str| Authority::new(name).map(|authority| authority.pem());
    roots.control_plane.apply(&map(&pem("first")?).to_string()).await?;
    let mut spec = mirror.seldom();
    spec["remote"]["caBundle"] = json!({"configMapRef": {"name": "at-once-ca"}});
    roots.ready("at-once-by-map", &spec).await?;
    mirror.repository.advance();
    mirror.publish();
    roots.control_plane.apply(&map(&pem("second")?).to_string()).await?;
    roots.until("at-once-by-map", "advanced", |object| has_version(object, "targets", 2)).await?;

    maps.delete("at-once-ca", &kube::api::DeleteParams::default()).await?;
    let object = roots.until_is("at-once-by-map", "Refreshed", "False", "InvalidReference").await?;
    // The keys stay; only refreshing ends.
    is(&object, "Ready", "True", "Loaded")?;
    assert!(message(&object, "Refreshed").contains("\"at-once-ca\""), "{}", message(&object, "Refreshed"));
    roots.control_plane.apply(&map(&pem("third")?).to_string()).await?;
    roots.until_is("at-once-by-map", "Refreshed", "True", "UpToDate").await?;
    Ok(())
}
