//! Mirrors that are away: what was verified stays in force.

use trustwright_testkit::http::Fault;

use super::*;
use crate::{
    fixture::options,
    process::{leads, stop::LEASE},
};

#[tokio::test]
async fn with_its_mirror_dead_a_root_stays_ready_says_so_once_and_comes_back_with_it() -> Result<()> {
    let (roots, mirror) = (shared().await?, Mirrored::start().await?);
    let before = roots.ready("mirror-dies", &mirror.spec()).await?;
    mirror.server.fail_everywhere(Fault::Closed);
    roots.refresh("mirror-dies", "1").await?;
    let failing = roots.until_is("mirror-dies", "Refreshed", "False", "MirrorUnavailable").await?;
    is(&failing, "Ready", "True", "Loaded")?;
    assert_eq!(fingerprint(&failing), fingerprint(&before));
    assert_eq!(failing.data["status"]["repository"], before.data["status"]["repository"]);
    // More failures change nothing. Each poll waits for the one before, so that the third has seen two of them noted.
    mirror.forget();
    for wish in ["2", "3", "4"] {
        roots.refresh("mirror-dies", wish).await?;
        mirror.asked_for("2.root.json").await?;
    }
    let still = roots.get("mirror-dies").await?;
    assert_eq!(without_replicas(&still), without_replicas(&failing));
    roots.told("mirror-dies", "MirrorUnavailable", 1).await?;
    assert_eq!(roots.in_force("mirror-dies").await?.as_deref(), Some(fingerprint(&before)));

    mirror.server.heal();
    roots.refresh("mirror-dies", "5").await?;
    let back = roots.until_is("mirror-dies", "Refreshed", "True", "UpToDate").await?;
    is(&back, "Ready", "True", "Loaded")?;
    roots.told("mirror-dies", "UpToDate", 1).await?;
    roots.told("mirror-dies", "MirrorUnavailable", 1).await?;
    Ok(())
}

#[tokio::test]
async fn started_anew_with_the_mirror_dead_a_replica_has_the_root_in_force_before_it_is_ready() -> Result<()>
{
    let mut own = Own::start(&["--shutdown-grace=0"]).await?;
    let mirror = Mirrored::start().await?;
    let before = roots(&own).ready("kept", &mirror.spec()).await?;
    mirror.server.fail_everywhere(Fault::Closed);
    own.operator.process().signal("TERM")?;
    own.operator.process().wait(SOON).await?;

    let port = own.operator.webhook_port();
    own.operator = Operator::spawn(&own.control_plane, options(), port).await?.ready().await?;
    // No waiting: ready is ready.
    assert_eq!(roots(&own).in_force("kept").await?.as_deref(), Some(fingerprint(&before)));
    println!("ready after {:?} with the mirror dead", own.operator.ready_after());
    leads(&own.client, "trustwright-0", LEASE).await?;
    let failing = roots(&own).until_is("kept", "Refreshed", "False", "MirrorUnavailable").await?;
    is(&failing, "Ready", "True", "Loaded")?;
    assert_eq!(fingerprint(&failing), fingerprint(&before));
    mirror.server.heal();
    let back = roots(&own).until_is("kept", "Refreshed", "True", "UpToDate").await?;
    assert_eq!(back.data["status"]["lastChangeTime"], before.data["status"]["lastChangeTime"]);
    Ok(())
}

#[tokio::test]
async fn a_root_whose_mirror_was_never_there_is_in_progress_and_ready_when_it_comes() -> Result<()> {
    let (roots, mirror) = (shared().await?, Mirrored::start().await?);
    for (fault, reason) in [
        (Fault::Status(503, Vec::new()), "MirrorUnavailable"),
        (Fault::Portal, "MirrorUnavailable"),
        (Fault::Content(b"{}".to_vec()), "VerificationFailed"),
    ] {
        mirror.server.fail_everywhere(fault.clone());
        let name = format!("never-there-{}", reason.to_lowercase());
        if roots.objects.api(ROOT).get_opt(&name).await?.is_none() {
            roots.create(&name, &mirror.seldom(), "False").await?;
        }
        roots.refresh(&name, &format!("{}", mirror.server.sent())).await?;
        let object = roots.until_is(&name, "Ready", "False", reason).await?;
        is(&object, "Reconciling", "True", reason)?;
        is(&object, "Refreshed", "False", reason)?;
        assert_eq!(condition(&object, "Stalled"), None);
        assert_eq!(roots.in_force(&name).await?, None);
        mirror.server.heal();
        roots.refresh(&name, &format!("healed-{}", mirror.server.sent())).await?;
        let object = roots.objects.wait_for_ready(ROOT, &name, "True").await?;
        assert_eq!(condition(&object, "Reconciling"), None);
        roots.delete(&name).await?;
    }
    Ok(())
}

/// The status but for what it says of the replicas, which follow when they follow.
fn without_replicas(object: &DynamicObject) -> Value {
    let mut status = object.data["status"].clone();
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.retain(|condition| condition["type"] != "SignatureChecksReady");
    }
    status
}
