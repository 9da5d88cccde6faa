//! Who is restarted, and when.

use super::*;

#[tokio::test]
async fn each_kind_is_recorded_first_and_restarted_once_per_change() -> Result<()> {
    let place = Place::new(&world().await?.control_plane, "kinds").await?;
    let first = place.trust("kinds").await?;
    for kind in Kind::ALL {
        place.create(kind, "web", &depends("kinds", "restart")).await?;
        place.create(kind, "stranger", &json!({})).await?;
    }
    for kind in Kind::ALL {
        // That we are there is no reason to restart anything.
        let object = place.told(kind, "web", "kinds", &first).await?;
        assert_eq!(template_annotation(&object, MATERIAL), None);
        assert_eq!(annotation(&object, RESTARTED_AT), None);
        assert_eq!(place.templates(kind, "web").await?, 1, "{}", kind.name());
    }
    let second = place.change("kinds", 1).await?;
    assert_ne!(first, second);
    for kind in Kind::ALL {
        let object = place.told(kind, "web", "kinds", &second).await?;
        assert_eq!(template_annotation(&object, MATERIAL), annotation(&object, MATERIAL));
        assert_eq!(template_annotation(&object, "example.com/own"), Some("kept"));
        assert!(annotation(&object, RESTARTED_AT).is_some());
        assert_eq!(place.templates(kind, "web").await?, 2, "{}", kind.name());
        let workload = format!("{} kinds/web", kind.name());
        let entry = place.entry("kinds", &workload, |entry| entry["fingerprint"] == second).await?;
        assert_eq!((&entry["action"], entry.get("message")), (&json!("restart"), None), "{entry}");
        assert!(entry["since"].is_string());
    }
    let metrics = world().await?.operator.metrics().await?;
    for kind in Kind::ALL {
        let series = format!("trustwright_dependent_restarts_total{{kind=\"{}\"}} ", kind.name());
        assert!(metrics.contains(&series), "{metrics}");
    }
    // Whoever applies the manifest as it was takes nothing away.
    let manifest = manifest_of(Kind::Deployment, "web", &depends("kinds", "restart"));
    let params = PatchParams::apply("gitops").force();
    let object = place.api(Kind::Deployment).patch("web", &params, &Patch::Apply(&manifest)).await?;
    assert_eq!(template_annotation(&object, MATERIAL), annotation(&object, MATERIAL));
    assert_eq!(place.templates(Kind::Deployment, "web").await?, 2);
    for kind in Kind::ALL {
        let stranger = place.api(kind).get("stranger").await?;
        assert_eq!(annotation(&stranger, KNOWN), None);
        assert_eq!(place.templates(kind, "stranger").await?, 1);
    }
    Ok(())
}

#[tokio::test]
async fn what_wants_a_note_gets_a_note_and_no_restart() -> Result<()> {
    let place = Place::new(&world().await?.control_plane, "annotates").await?;
    let first = place.trust("annotates").await?;
    place.create(Kind::Deployment, "web", &depends("annotates,not-there", "annotate")).await?;
    let object = place.told(Kind::Deployment, "web", "annotates", &first).await?;
    let combined = annotation(&object, MATERIAL).map(str::to_owned);
    let entry =
        place.entry("annotates", "Deployment annotates/web", |entry| entry["reason"] == "Invalid").await?;
    assert!(entry["message"].as_str().unwrap().contains("not-there"), "{entry}");
    let second = place.change("annotates", 1).await?;
    let object = place.told(Kind::Deployment, "web", "annotates", &second).await?;
    assert_ne!(annotation(&object, MATERIAL).map(str::to_owned), combined);
    assert_eq!(template_annotation(&object, MATERIAL), None);
    assert_eq!(place.templates(Kind::Deployment, "web").await?, 1);

    // Once restarted, a change of mind must not take the note off the pods: that would be a restart.
    let wish = |on_change| json!({"metadata": {"annotations": depends("annotates", on_change)}});
    let api = place.api(Kind::Deployment);
    api.patch("web", &PatchParams::default(), &Patch::Merge(&wish("restart"))).await?;
    let third = place.change("annotates", 0).await?;
    place.told(Kind::Deployment, "web", "annotates", &third).await?;
    assert_eq!(place.templates(Kind::Deployment, "web").await?, 2);
    api.patch("web", &PatchParams::default(), &Patch::Merge(&wish("annotate"))).await?;
    let fourth = place.change("annotates", 1).await?;
    let object = place.told(Kind::Deployment, "web", "annotates", &fourth).await?;
    assert!(template_annotation(&object, MATERIAL).is_some());
    assert_eq!(place.templates(Kind::Deployment, "web").await?, 2);
    Ok(())
}

#[tokio::test]
async fn a_paused_deployment_is_restarted_when_it_goes_on() -> Result<()> {
    let place = Place::new(&world().await?.control_plane, "paused").await?;
    let first = place.trust("paused").await?;
    place.create(Kind::Deployment, "web", &depends("paused", "restart")).await?;
    place.told(Kind::Deployment, "web", "paused", &first).await?;
    let pause = |paused: bool| json!({"spec": {"paused": paused}});
    let api = place.api(Kind::Deployment);
    api.patch("web", &PatchParams::default(), &Patch::Merge(&pause(true))).await?;
    let second = place.change("paused", 1).await?;
    let entry = place.entry("paused", "Deployment paused/web", |entry| entry["reason"] == "Waiting").await?;
    assert!(entry["message"].as_str().unwrap().contains("paused"), "{entry}");
    assert_eq!(entry["fingerprint"], first);
    assert_eq!(template_annotation(&api.get("web").await?, MATERIAL), None);
    api.patch("web", &PatchParams::default(), &Patch::Merge(&pause(false))).await?;
    place.told(Kind::Deployment, "web", "paused", &second).await?;
    place.entry("paused", "Deployment paused/web", |entry| entry.get("message").is_none()).await?;
    assert_eq!(place.templates(Kind::Deployment, "web").await?, 2);
    Ok(())
}

#[tokio::test]
async fn a_rollout_under_way_is_waited_for() -> Result<()> {
    let place = Place::new(&world().await?.control_plane, "rolling").await?;
    let first = place.trust("rolling").await?;
    place.create(Kind::Deployment, "web", &depends("rolling", "restart")).await?;
    place.told(Kind::Deployment, "web", "rolling", &first).await?;
    // There is no node for its pod, so it never comes up.
    let scale = |replicas: u8| json!({"spec": {"replicas": replicas}});
    let api = place.api(Kind::Deployment);
    api.patch("web", &PatchParams::default(), &Patch::Merge(&scale(1))).await?;
    let second = place.change("rolling", 1).await?;
    let entry =
        place.entry("rolling", "Deployment rolling/web", |entry| entry["reason"] == "Waiting").await?;
    assert!(entry["message"].as_str().unwrap().contains("rollout"), "{entry}");
    assert_eq!(place.templates(Kind::Deployment, "web").await?, 1);
    api.patch("web", &PatchParams::default(), &Patch::Merge(&scale(0))).await?;
    place.told(Kind::Deployment, "web", "rolling", &second).await?;
    assert_eq!(place.templates(Kind::Deployment, "web").await?, 2);
    Ok(())
}

#[tokio::test]
async fn a_flag_makes_a_dependent_of_an_object_that_says_nothing() -> Result<()> {
    let place = Place::new(&world().await?.control_plane, "by-flag").await?;
    let first = place.trust("by-flag").await?;
    let entry = place.entry("by-flag", "DaemonSet by-flag/absent", |_| true).await?;
    assert_eq!((&entry["reason"], &entry["action"]), (&json!("NotFound"), &json!("annotate")), "{entry}");
    place.entry("by-flag", "Deployment by-flag/web", |entry| entry["reason"] == "NotFound").await?;
    place.create(Kind::Deployment, "web", &json!({})).await?;
    place.create(Kind::Deployment, "other", &json!({})).await?;
    place.told(Kind::Deployment, "web", "by-flag", &first).await?;
    let second = place.change("by-flag", 1).await?;
    place.told(Kind::Deployment, "web", "by-flag", &second).await?;
    place.entry("by-flag", "Deployment by-flag/web", |entry| entry["fingerprint"] == second).await?;
    assert_eq!(place.templates(Kind::Deployment, "web").await?, 2);
    assert_eq!(place.templates(Kind::Deployment, "other").await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_deleted_object_is_not_made_again_and_its_namesake_not_taken_for_it() -> Result<()> {
    let place = Place::new(&world().await?.control_plane, "deleted").await?;
    let first = place.trust("deleted").await?;
    for name in ["gone", "reborn", "sentinel"] {
        place.create(Kind::Deployment, name, &depends("deleted", "restart")).await?;
    }
    for name in ["gone", "reborn", "sentinel"] {
        place.told(Kind::Deployment, name, "deleted", &first).await?;
    }
    let api = place.api(Kind::Deployment);
    let known = api.get("gone").await?;
    let second = place.change("deleted", 1).await?;
    for name in ["gone", "reborn"] {
        api.delete(name, &DeleteParams::background()).await?;
    }
    eventually("reborn is gone", SOON, async || {
        ensure!(api.get_opt("reborn").await?.is_none(), "there");
        Ok(())
    })
    .await?;
    place.create(Kind::Deployment, "reborn", &json!({})).await?;
    place.told(Kind::Deployment, "sentinel", "deleted", &second).await?;
    assert!(api.get_opt("gone").await?.is_none());
    let reborn = api.get("reborn").await?;
    assert_eq!((annotation(&reborn, KNOWN), template_annotation(&reborn, MATERIAL)), (None, None));

    // A decision that was made upon an older object is none.
    let decided_upon = async |version: Option<String>| {
        let sentinel = api.get("sentinel").await?;
        let version = version.or(sentinel.metadata.resource_version);
        let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "sentinel",
            "uid": sentinel.metadata.uid, "resourceVersion": version, "annotations": {"example.com/late": "1"}}});
        let dry = PatchParams { dry_run: true, ..PatchParams::apply("late") };
        api.patch("sentinel", &dry, &Patch::Apply(&body)).await
    };
    let refused = decided_upon(known.metadata.resource_version.clone()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 409), "{refused}");
    // Its controller may be writing as well.
    eventually("the newest version", SOON, async || {
        decided_upon(None).await?;
        Ok(())
    })
    .await?;

    // What we send is of no use for another object, whoever sends it.
    let mut late = manifest_of(Kind::Deployment, "gone", &json!({MATERIAL: "late"}));
    late["metadata"]["uid"] = json!(known.metadata.uid);
    let params = PatchParams::apply("late").force();
    let refused = api.patch("gone", &params, &Patch::Apply(&late)).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if matches!(status.code, 404 | 409)), "{refused}");
    late["metadata"].as_object_mut().unwrap().remove("uid");
    api.patch("gone", &params, &Patch::Apply(&late)).await?;
    Ok(())
}
