//! Metadata that ends while we look.

use jiff::{SignedDuration, Timestamp};

use super::*;

/// Long enough to be downloaded, verified and seen before.
const SHORT: SignedDuration = SignedDuration::from_secs(20);

/// The time after `wait`, to the second, in the words of TUF.
fn after(wait: SignedDuration) -> &'static str {
    let end = Timestamp::now().as_second() + wait.as_secs();
    let text = Timestamp::from_second(end).unwrap().to_string();
    // Roles keep their end as a static text; a test makes a few.
    text.leak()
}

#[tokio::test]
async fn what_was_verified_before_it_ended_is_kept_rejected_or_stale_as_the_spec_says() -> Result<()> {
    let roots = shared().await?;
    let mut mirror = Mirrored::of(Repository::new().until(FOREVER)).await?;
    mirror.repository.timestamp.expires = after(SHORT);
    mirror.publish();
    let with = |more: &Value| {
        let mut spec = mirror.spec();
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let (keep, reject) = (with(&json!({})), with(&json!({"onExpiry": "Reject"})));
    let stale = with(&json!({"onExpiry": "Keep", "maxStaleness": "8s"}));
    let mut before = String::new();
    for (name, spec) in [("ends-kept", &keep), ("ends-rejected", &reject), ("ends-stale", &stale)] {
        let object = roots.ready(name, spec).await?;
        is(&object, "Ready", "True", "Loaded")?;
        assert_eq!(condition(&object, "Expiring").unwrap()["reason"], "ExpiresSoon");
        assert_eq!(condition(&object, "Expired"), None);
        before = fingerprint(&object).to_owned();
    }

    let object = roots.until_is("ends-rejected", "Ready", "False", "Expired").await?;
    is(&object, "Reconciling", "True", "Expired")?;
    is(&object, "Expired", "True", "Expired")?;
    roots.in_force_is("ends-rejected", None).await?;
    let object = roots.until_is("ends-kept", "Ready", "True", "ExpiredKept").await?;
    is(&object, "Expired", "True", "ExpiredKept")?;
    assert_eq!(condition(&object, "Expiring"), None);
    roots.until_is("ends-stale", "Ready", "True", "ExpiredKept").await?;
    roots.until_is("ends-stale", "Ready", "False", "Stale").await?;
    roots.in_force_is("ends-stale", None).await?;
    // The mirror still serves what has ended, which no refresh takes.
    let object = roots.until_is("ends-kept", "Refreshed", "False", "Expired").await?;
    is(&object, "Ready", "True", "ExpiredKept")?;
    assert_eq!(roots.in_force("ends-kept").await?, Some(before.clone()));

    mirror.repository.timestamp.expires = FOREVER;
    mirror.repository.timestamp.version += 1;
    mirror.publish();
    for name in ["ends-kept", "ends-rejected", "ends-stale"] {
        let object = roots.until_is(name, "Ready", "True", "Loaded").await?;
        assert_eq!(condition(&object, "Expired"), None);
        assert_eq!(condition(&object, "Expiring"), None);
        roots.in_force_is(name, Some(&before)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_first_download_must_not_have_ended_whatever_the_spec_says() -> Result<()> {
    let roots = shared().await?;
    let mut mirror = Mirrored::start().await?;
    mirror.repository.timestamp.expires = "2026-01-01T00:00:00Z";
    mirror.publish();
    let mut spec = mirror.seldom();
    spec["onExpiry"] = json!("Keep");
    let object = roots.create("first-ended", &spec, "False").await?;
    assert_eq!(fingerprint(&object), "");
    let object = roots.until_is("first-ended", "Ready", "False", "Expired").await?;
    is(&object, "Reconciling", "True", "Expired")?;
    // Nor may what is put into its status have.
    let packed = STANDARD.encode(mirror.repository.publish().pack(512 << 10)?);
    roots.write_status("first-ended", &json!({"repository": packed})).await?;
    roots.refresh("first-ended", "1").await?;
    mirror.asked_for("timestamp.json").await?;
    assert_eq!(roots.in_force("first-ended").await?, None);
    mirror.repository.timestamp.expires = FOREVER;
    mirror.publish();
    roots.refresh("first-ended", "2").await?;
    let object = roots.objects.wait_for_ready(ROOT, "first-ended", "True").await?;
    roots.in_force_is("first-ended", Some(fingerprint(&object))).await
}

#[tokio::test]
async fn roles_are_said_to_be_expiring_as_long_before_as_the_flags_say() -> Result<()> {
    let own = Own::start(&["--expiry-warning-online=1h", "--expiry-warning-offline=3h"]).await?;
    let roots = roots(&own);
    let mut mirror = Mirrored::of(Repository::new().until(after(SignedDuration::from_hours(2)))).await?;
    let expiring = async |name: &str, mirror: &Mirrored| {
        let object = roots.ready(name, &mirror.seldom()).await?;
        is(&object, "Ready", "True", "Loaded")?;
        anyhow::Ok(condition(&object, "Expiring").map(|condition| condition["message"].to_string()))
    };
    let told = expiring("offline", &mirror).await?.unwrap_or_default();
    for (role, is_told) in [("root", true), ("targets", true), ("timestamp", false), ("snapshot", false)] {
        assert_eq!(told.contains(&format!("{role} version 1 expires at ")), is_told, "{told}");
    }
    roots.told("offline", "ExpiresSoon", 1).await?;
    mirror.repository = Repository::new().until(FOREVER);
    mirror.repository.snapshot.expires = after(SignedDuration::from_mins(30));
    mirror.publish();
    let told = expiring("online", &mirror).await?.unwrap_or_default();
    assert!(told.contains("snapshot version 1") && !told.contains("timestamp"), "{told}");
    mirror.repository = Repository::new().until(after(SignedDuration::from_hours(4)));
    mirror.publish();
    assert_eq!(expiring("neither", &mirror).await?, None);
    Ok(())
}
