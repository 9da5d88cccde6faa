//! More than one of us, and leaders that end at the worst moment.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use trustwright_testkit::{front::Front, operator::NAMESPACE};

use super::*;
use crate::{
    fixture::options,
    process::{leads, replica, stop::LEASE},
};

const WRITES: &str = "trustwright_status_writes_total{controller=\"trustroot\"}";

#[tokio::test]
async fn of_two_replicas_one_asks_and_writes_and_the_other_takes_over_where_it_was() -> Result<()> {
    let own = Own::start(&[]).await?;
    leads(&own.client, "trustwright-0", SOON).await?;
    let second = replica(&own.control_plane, "trustwright-1").await?;
    let (roots, mut mirror) = (roots(&own), Mirrored::start().await?);
    let first = roots.ready("led", &mirror.spec()).await?;
    in_force_is(&second, "led", Some(fingerprint(&first))).await?;
    mirror.change_keys();
    let changed = roots.until("led", "advanced", |object| has_version(object, "targets", 2)).await?;
    for operator in [&own.operator, &second] {
        in_force_is(operator, "led", Some(fingerprint(&changed))).await?;
    }
    assert!(metric(&own.operator, WRITES).await?.is_some_and(|writes| writes > 1.0));
    assert!(metric(&second, WRITES).await?.is_none_or(|writes| writes == 0.0));
    // Two would ask twice as much: within one interval there is one poll.
    mirror.forget();
    mirror.asked_for("timestamp.json").await?;
    mirror.asked_for("timestamp.json").await?;
    assert_eq!(metric(&second, "trustwright_trustroot_ready{trustroot=\"led\"}").await?, None);

    own.operator.process().signal("KILL")?;
    own.operator.process().wait(SOON).await?;
    let before = roots.get("led").await?;
    mirror.change_keys();
    leads(&own.client, "trustwright-1", LEASE).await?;
    let after = roots.until("led", "advanced again", |object| has_version(object, "targets", 3)).await?;
    assert_ne!(fingerprint(&after), fingerprint(&before));
    in_force_is(&second, "led", Some(fingerprint(&after))).await
}

#[tokio::test]
async fn a_leader_killed_between_download_and_status_write_loses_nothing() -> Result<()> {
    let mut own = Own::start(&[]).await?;
    let mut mirror = Mirrored::start().await?;
    let front = Front::plain(mirror.server.url()).await?;
    let mut spec = spec(&mirror.repository, front.url());
    spec["remote"]["refreshInterval"] = json!("24h");
    let before = roots(&own).ready("cut-off", &spec).await?;
    mirror.repository.rotate(|_| ());
    mirror.change_keys();
    front.close();
    roots(&own).refresh("cut-off", "1").await?;
    tokio::time::timeout(SOON, front.held()).await.context("the mirror was not asked")?;
    own.control_plane.stop_apiserver();
    mirror.forget();
    front.open();
    // The last file of an update.
    let file = &mirror.repository.files["trusted_root.json"];
    mirror.asked_for(&mirror.repository.target_path("trusted_root.json", file)).await?;
    own.operator.process().signal("KILL")?;
    own.operator.process().wait(SOON).await?;
    own.control_plane.start_apiserver().await?;

    let left = roots(&own).get("cut-off").await?;
    assert_eq!(left.data["status"]["repository"], before.data["status"]["repository"]);
    let port = own.operator.webhook_port();
    let mut options = options();
    options.identity = "trustwright-1".to_owned();
    own.operator = Operator::spawn(&own.control_plane, options, port).await?.ready().await?;
    let first = roots(&own).in_force("cut-off").await?;
    assert_eq!(first.as_deref(), Some(fingerprint(&before)));
    leads(&own.client, "trustwright-1", LEASE).await?;
    let after = roots(&own).until("cut-off", "advanced", |object| has_version(object, "targets", 2)).await?;
    has_version(&after, "root", 2)?;
    roots(&own).in_force_is("cut-off", Some(fingerprint(&after))).await
}

#[tokio::test]
async fn a_leader_killed_between_status_and_floor_leaves_what_the_next_one_makes_up_for() -> Result<()> {
    let mut own = Own::start(&[]).await?;
    let mut mirror = Mirrored::start().await?;
    let past = mirror.repository.publish();
    let secrets = Api::<Secret>::namespaced(own.client.clone(), NAMESPACE);
    let floor = async |version: u64| {
        eventually(&format!("floor at {version}"), SOON, async || {
            let data = secrets.get("trustwright-floors").await?.data.unwrap_or_default();
            ensure!(data.len() == 1, "{} entries", data.len());
            let entry: Value = serde_json::from_slice(&data.values().next().context("no entry")?.0)?;
            ensure!(entry["accepted"]["timestamp"] == version, "{entry}");
            Ok(data)
        })
        .await
    };
    roots(&own).ready("between", &mirror.seldom()).await?;
    let low = floor(1).await?;
    mirror.change_keys();
    roots(&own).refresh("between", "1").await?;
    let good = roots(&own).until("between", "advanced", |object| has_version(object, "targets", 2)).await?;
    floor(2).await?;
    own.operator.process().signal("KILL")?;
    own.operator.process().wait(SOON).await?;
    // As it would be had the end come a moment earlier.
    let patch = json!({"data": low});
    secrets.patch("trustwright-floors", &PatchParams::default(), &Patch::Merge(&patch)).await?;
    floor(1).await?;
    mirror.server.serve(&past);

    let mut options = options();
    options.identity = "trustwright-1".to_owned();
    let port = own.operator.webhook_port();
    own.operator = Operator::spawn(&own.control_plane, options, port).await?.ready().await?;
    leads(&own.client, "trustwright-1", LEASE).await?;
    floor(2).await?;
    let object = roots(&own).until_is("between", "Refreshed", "False", "RolledBack").await?;
    is(&object, "Ready", "True", "Loaded")?;
    assert_eq!(fingerprint(&object), fingerprint(&good));
    roots(&own).in_force_is("between", Some(fingerprint(&good))).await
}

#[tokio::test]
async fn a_floor_secret_that_somebody_removes_is_made_again_and_moves_nothing() -> Result<()> {
    let own = Own::start(&[]).await?;
    let (roots, mut mirror) = (roots(&own), Mirrored::start().await?);
    roots.ready("removed", &mirror.seldom()).await?;
    let secrets = Api::<Secret>::namespaced(own.client.clone(), NAMESPACE);
    eventually("floors", SOON, async || Ok(secrets.get("trustwright-floors").await.map(drop)?)).await?;
    secrets.delete("trustwright-floors", &kube::api::DeleteParams::default()).await?;
    mirror.change_keys();
    roots.refresh("removed", "1").await?;
    let object = roots.until("removed", "advanced", |object| has_version(object, "targets", 2)).await?;
    roots.in_force_is("removed", Some(fingerprint(&object))).await?;
    eventually("floors again", SOON, async || {
        let data = secrets.get("trustwright-floors").await?.data.unwrap_or_default();
        let entry: Value = serde_json::from_slice(&data.values().next().context("no entry")?.0)?;
        ensure!(entry["accepted"]["timestamp"] == 2, "{entry}");
        Ok(())
    })
    .await
}
