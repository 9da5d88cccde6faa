//! Leaders come and go, mirrors turn; each change restarts once.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use trustwright_testkit::{http::HttpServer, tuf_repository::Repository};

use super::*;

/// Puts other keys into the trusted root: fewer logs than there were.
fn change_material(repository: &mut Repository) -> Result<()> {
    let file = repository.files.get_mut("trusted_root.json").context("no trusted root")?;
    let mut document: Value = serde_json::from_slice(file)?;
    ensure!(document["tlogs"].as_array_mut().and_then(Vec::pop).is_some(), "no logs");
    *file = document.to_string().into_bytes();
    repository.advance();
    Ok(())
}

/// Has the mirror read at once, and waits until the root's timestamp has this version.
async fn refreshed(place: &Place, root: &str, version: u64) -> Result<String> {
    let wish = json!({"metadata": {"annotations": {"trustwright.dev/refresh": version.to_string()}}});
    let api = place.objects.api(ROOT);
    api.patch(root, &PatchParams::default(), &Patch::Merge(&wish)).await?;
    eventually(&format!("version {version}"), SOON, async || {
        let object = api.get(root).await?;
        let status = &object.data["status"];
        let found = status["metadata"]
            .as_array()
            .and_then(|roles| roles.iter().find(|role| role["role"] == "timestamp"));
        ensure!(found.is_some_and(|role| role["version"] == version), "{found:?}");
        Ok(status["fingerprint"].as_str().context("no fingerprint")?.to_owned())
    })
    .await
}

/// Kills a leader, which keeps its lease, and starts another one in its place.
async fn successor(
    control_plane: &ControlPlane,
    leader: Operator,
    identity: &str,
    args: &[&str],
) -> Result<Operator> {
    leader.process().signal("KILL")?;
    leader.process().wait(SOON).await?;
    let mut options = options_with(args);
    options.identity = identity.into();
    Operator::spawn(control_plane, options, leader.webhook_port()).await?.ready().await
}

#[tokio::test]
async fn a_turned_mirror_restarts_once_whatever_becomes_of_the_leader() -> Result<()> {
    let control_plane = control_plane(&["apps"]).await?;
    let args = ["--dependents-namespaces=apps", "--dependent-restart-interval=1h"];
    let first_leader = Operator::start(&control_plane, options_with(&args)).await?;
    let place = Place::new(&control_plane, "apps").await?;
    let mut repository = Repository::new().until("2199-01-01T00:00:00Z");
    let mirror = HttpServer::start(&repository.publish()).await?;
    let spec = json!({"remote": {"root": STANDARD.encode(repository.first_root()), "mirror": mirror.url()}});
    place.objects.create(ROOT, "mirrored", &spec).await.map_err(anyhow::Error::msg)?;
    let first = place.fingerprint("mirrored").await?;
    place.create(Kind::Deployment, "web", &depends("mirrored", "restart")).await?;
    place.create(Kind::Deployment, "all", &depends("*", "annotate")).await?;
    place.told(Kind::Deployment, "web", "mirrored", &first).await?;
    place.told(Kind::Deployment, "all", "mirrored", &first).await?;

    // New metadata of the same keys is no news.
    repository.advance();
    mirror.serve(&repository.publish());
    assert_eq!(refreshed(&place, "mirrored", 2).await?, first);
    place.trust("later").await?;
    let later = place.fingerprint("later").await?;
    place.told(Kind::Deployment, "all", "later", &later).await?;
    assert_eq!(place.templates(Kind::Deployment, "web").await?, 1);

    // The leader dies at once after the status is written: whether it has restarted anything or not, the next one
    // sees what there is to do, and nothing twice.
    change_material(&mut repository)?;
    mirror.serve(&repository.publish());
    let second = refreshed(&place, "mirrored", 3).await?;
    assert_ne!(first, second);
    let second_leader = successor(&control_plane, first_leader, "trustwright-1", &args).await?;
    let restarted = place.told(Kind::Deployment, "web", "mirrored", &second).await?;
    place.told(Kind::Deployment, "all", "mirrored", &second).await?;
    assert_eq!(place.templates(Kind::Deployment, "web").await?, 2);

    // It dies after the restart: the next one finds nothing to do.
    let third_leader = successor(&control_plane, second_leader, "trustwright-2", &args).await?;
    let newest = place.trust("newest").await?;
    place.told(Kind::Deployment, "all", "newest", &newest).await?;
    let now = place.api(Kind::Deployment).get("web").await?;
    assert_eq!(annotation(&now, RESTARTED_AT), annotation(&restarted, RESTARTED_AT));
    assert_eq!(place.templates(Kind::Deployment, "web").await?, 2);

    // The hour is not over, also for the third leader.
    change_material(&mut repository)?;
    mirror.serve(&repository.publish());
    let third = refreshed(&place, "mirrored", 4).await?;
    let entry = place.entry("mirrored", "Deployment apps/web", |entry| entry["reason"] == "Waiting").await?;
    assert!(entry["message"].as_str().unwrap().contains("restarts at "), "{entry}");
    assert_eq!(entry["fingerprint"], second);
    place.told(Kind::Deployment, "all", "mirrored", &third).await?;
    assert_eq!(place.templates(Kind::Deployment, "web").await?, 2);
    third_leader.process().check()
}
