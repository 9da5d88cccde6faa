//! The root of policies that name none, and the object that shows it.

use trustwright_testkit::{public_good, run_dir};

use super::*;
use crate::fixture::options_with;

const NAME: &str = "trustwright-default";

/// The arguments that make `mirror` the default root.
fn flags(mirror: &Mirrored) -> Result<[String; 3]> {
    let file = run_dir::data("default-root")?.join("root.json");
    std::fs::write(&file, mirror.repository.first_root())?;
    let mirror = format!("--tuf-mirror={}", mirror.server.url());
    Ok([mirror, format!("--tuf-root={}", file.display()), "--shutdown-grace=0".to_owned()])
}

/// Ends the process, and starts it with other flags; with `--disable-tuf` where these name no mirror.
async fn restart(own: &mut Own, args: &[&str]) -> Result<()> {
    own.operator.process().signal("TERM")?;
    own.operator.process().wait(SOON).await?;
    let port = own.operator.webhook_port();
    own.operator = Operator::spawn(&own.control_plane, options_with(args), port).await?.ready().await?;
    Ok(())
}

async fn exists(own: &Own) -> Result<bool> {
    Ok(own.objects.api(ROOT).get_opt(NAME).await?.is_some())
}

#[tokio::test]
async fn the_default_root_is_shown_refreshed_and_anchored_in_the_flags_alone() -> Result<()> {
    let (mut mirror, mut stranger) = (Mirrored::start().await?, Mirrored::start().await?);
    drop_a_key(&mut stranger.repository);
    stranger.publish();
    let flags = flags(&mirror)?;
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut own = Own::start(&flags).await?;
    let object = eventually("shown", SOON, async || roots(&own).get(NAME).await).await?;
    assert_eq!(object.metadata.labels.unwrap_or_default()["app.kubernetes.io/managed-by"], "trustwright");
    let first = own.objects.wait_for_ready(ROOT, NAME, "True").await?;
    roots(&own).in_force_is(NAME, Some(fingerprint(&first))).await?;
    let spec = first.data["spec"].clone();
    mirror.change_keys();
    roots(&own).refresh(NAME, "1").await?;
    let good = roots(&own).until(NAME, "advanced", |object| has_version(object, "targets", 2)).await?;
    let good = fingerprint(&good).to_owned();
    roots(&own).in_force_is(NAME, Some(&good)).await?;

    // Whoever may write trust roots redirects nobody.
    let keys = public_good::trust_root_manifest()?["spec"]["sigstoreKeys"].clone();
    let before = first.metadata.generation;
    let theirs = stranger.spec()["remote"].clone();
    for change in [
        json!({"remote": {"mirror": theirs["mirror"]}}),
        json!({"remote": {"root": theirs["root"]}}),
        json!({"remote": {"root": theirs["root"], "mirror": theirs["mirror"]}}),
        json!({"remote": null, "sigstoreKeys": keys}),
    ] {
        roots(&own).change(NAME, &change).await?;
        let object = roots(&own)
            .until(NAME, "put right", |object| {
                ensure!(
                    object.data["spec"]["remote"]["mirror"] == spec["remote"]["mirror"],
                    "not the mirror"
                );
                ensure!(object.data["spec"]["remote"]["root"] == spec["remote"]["root"], "not the root");
                ensure!(object.data["spec"]["sigstoreKeys"].is_null(), "keys of others");
                ensure!(fingerprint(object) == good, "in the status: {}", fingerprint(object));
                ensure!(
                    object.data["status"]["observedGeneration"] == json!(object.metadata.generation),
                    "old"
                );
                is(object, "Ready", "True", "Loaded")
            })
            .await?;
        assert!(object.metadata.generation > before);
        assert_eq!(roots(&own).in_force(NAME).await?, Some(good.clone()));
    }
    assert_eq!(stranger.server.asked(), []);
    // How it is asked may be said there.
    roots(&own).change(NAME, &json!({"remote": {"refreshInterval": "10s"}, "onExpiry": "Reject"})).await?;
    mirror.forget();
    mirror.asked_for("timestamp.json").await?;
    mirror.asked_for("timestamp.json").await?;
    let object = roots(&own).get(NAME).await?;
    assert_eq!(object.data["spec"]["remote"]["refreshInterval"], "10s");
    assert_eq!(object.data["spec"]["onExpiry"], "Reject");

    // Deleting it takes nothing away.
    let uid = object.metadata.uid;
    roots(&own).delete(NAME).await?;
    let anew = own.objects.wait_for_ready(ROOT, NAME, "True").await?;
    assert_ne!(anew.metadata.uid, uid);
    assert_eq!(fingerprint(&anew), good);
    roots(&own).in_force_is(NAME, Some(&good)).await?;
    // Nor does a floor end with its object: the default root goes no further back.
    for role in
        [&mut mirror.repository.timestamp, &mut mirror.repository.snapshot, &mut mirror.repository.targets]
    {
        role.version = 1;
    }
    mirror.publish();
    roots(&own).delete(NAME).await?;
    let object = eventually("made anew", SOON, async || roots(&own).get(NAME).await).await?;
    assert_ne!(object.metadata.uid, anew.metadata.uid);
    roots(&own).until_is(NAME, "Refreshed", "False", "RolledBack").await?;
    assert_eq!(roots(&own).in_force(NAME).await?, Some(good));

    restart(&mut own, &["--shutdown-grace=0"]).await?;
    eventually("removed", SOON, async || {
        ensure!(!exists(&own).await?, "still there");
        Ok(())
    })
    .await?;
    roots(&own).in_force_is(NAME, None).await
}

#[tokio::test]
async fn with_its_mirror_dead_the_process_is_ready_and_the_object_says_what_it_starts_from() -> Result<()> {
    let mut own = Own::start(&["--tuf-mirror=http://127.0.0.1:9/", "--shutdown-grace=0"]).await?;
    let object = eventually("shown", SOON, async || {
        let object = roots(&own).get(NAME).await?;
        is(&object, "Ready", "False", "MirrorUnavailable")?;
        Ok(object)
    })
    .await?;
    assert!(message(&object, "Ready").contains("embedded root.json"), "{}", message(&object, "Ready"));
    is(&object, "Reconciling", "True", "MirrorUnavailable")?;
    assert_eq!(own.operator.probe("/readyz").await?.0, 200);

    // With a root of its own it does not say so.
    let mirror = Mirrored::start().await?;
    mirror.server.fail_everywhere(trustwright_testkit::http::Fault::Closed);
    let flags = flags(&mirror)?;
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    restart(&mut own, &flags).await?;
    let object = roots(&own)
        .until(NAME, "of the other mirror", |object| {
            ensure!(object.data["spec"]["remote"]["mirror"] != "http://127.0.0.1:9/", "not yet");
            ensure!(object.data["status"]["observedGeneration"] == json!(object.metadata.generation), "old");
            is(object, "Ready", "False", "MirrorUnavailable")?;
            ensure!(!message(object, "Ready").contains("embedded"), "{}", message(object, "Ready"));
            Ok(())
        })
        .await?;
    mirror.server.heal();
    roots(&own).refresh(NAME, "1").await?;
    let ready = own.objects.wait_for_ready(ROOT, NAME, "True").await?;
    assert_eq!(ready.metadata.uid, object.metadata.uid);
    Ok(())
}

#[tokio::test]
async fn an_object_of_that_name_that_is_not_ours_is_left_alone_and_never_trusted() -> Result<()> {
    let (mirror, mut stranger) = (Mirrored::start().await?, Mirrored::start().await?);
    drop_a_key(&mut stranger.repository);
    stranger.publish();
    let mut own = Own::start(&["--shutdown-grace=0"]).await?;
    let theirs = roots(&own).create(NAME, &stranger.seldom(), "False").await?;
    is(&theirs, "Stalled", "True", "InvalidSpec")?;
    assert!(message(&theirs, "Ready").contains("is disabled"), "{}", message(&theirs, "Ready"));
    let flags = flags(&mirror)?;
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    stranger.forget();
    restart(&mut own, &flags).await?;
    // What is in force is ours, and its status is read as that of our mirror.
    let good = own.objects.wait_for_ready(ROOT, NAME, "True").await?;
    let beside = roots(&own).ready("ours-by-another-name", &mirror.seldom()).await?;
    assert_eq!(fingerprint(&good), fingerprint(&beside));
    roots(&own).in_force_is(NAME, Some(fingerprint(&good))).await?;
    assert_eq!(good.data["spec"], theirs.data["spec"]);
    assert_eq!(good.metadata.uid, theirs.metadata.uid);
    assert_eq!(stranger.server.asked(), []);
    eventually("it is in the log", SOON, async || {
        let log = std::fs::read_to_string(own.operator.process().log())?;
        ensure!(log.contains("is not ours"), "not yet");
        Ok(())
    })
    .await?;
    restart(&mut own, &["--shutdown-grace=0"]).await?;
    roots(&own).until_is(NAME, "Ready", "False", "InvalidSpec").await?;
    assert!(exists(&own).await?);
    Ok(())
}
