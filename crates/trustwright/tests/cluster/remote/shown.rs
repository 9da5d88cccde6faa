//! What people see.

use trustwright_testkit::http::Fault;

use super::*;

#[tokio::test]
async fn kubectl_shows_readiness_source_root_end_and_change() -> Result<()> {
    let (roots, mut mirror) = (shared().await?, Mirrored::start().await?);
    mirror.repository.rotate(|_| ());
    mirror.publish();
    roots.ready("columns", &mirror.seldom()).await?;
    let shown = roots.control_plane.kubectl(&["get", "trustroots", "columns"]).await?.stdout;
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "READY", "SOURCE", "ROOT", "EXPIRES", "CHANGED", "AGE"]);
    assert_eq!(lines[1][..5], ["columns", "True", "remote", "2", FOREVER]);
    assert!(lines[1].len() == 7 && lines[1][5].ends_with('s'), "{shown}");

    let keys = json!({"trustedRoot": {"data": String::from_utf8(Repository::new().files["trusted_root.json"].clone())?}});
    roots.create("columns-of-text", &keys, "True").await?;
    let shown = roots.control_plane.kubectl(&["get", "trustroots", "columns-of-text"]).await?.stdout;
    let line = shown.lines().nth(1).unwrap_or_default();
    assert!(line.contains("True") && line.contains("trustedRoot"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn each_transition_is_one_event() -> Result<()> {
    let (roots, mut mirror) = (shared().await?, Mirrored::start().await?);
    roots.ready("told", &mirror.seldom()).await?;
    mirror.change_keys();
    roots.refresh("told", "1").await?;
    roots.until("told", "advanced", |object| has_version(object, "targets", 2)).await?;
    mirror.server.fail_everywhere(Fault::Status(500, Vec::new()));
    for wish in ["2", "3", "4"] {
        mirror.forget();
        roots.refresh("told", wish).await?;
        mirror.asked_for("2.root.json").await?;
    }
    roots.until_is("told", "Refreshed", "False", "MirrorUnavailable").await?;
    mirror.server.heal();
    roots.refresh("told", "5").await?;
    roots.until_is("told", "Refreshed", "True", "UpToDate").await?;
    roots.told("told", "UpToDate", 1).await?;
    for (reason, count) in [("Loaded", 1), ("MaterialChanged", 1), ("MirrorUnavailable", 1), ("UpToDate", 1)]
    {
        assert_eq!(roots.events("told", reason).await?, count, "{reason}");
    }
    let shown = roots
        .control_plane
        .kubectl(&[
            "get",
            "events",
            "-A",
            "--field-selector",
            "involvedObject.kind=TrustRoot,involvedObject.name=told",
        ])
        .await?
        .stdout;
    assert!(shown.contains("Warning") && shown.contains("trustroot/told"), "{shown}");
    Ok(())
}
