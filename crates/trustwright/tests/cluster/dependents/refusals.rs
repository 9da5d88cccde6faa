//! What we may not do is told once, and disturbs nobody else.

use super::*;

/// The events about a trust root with this reason.
async fn events(place: &Place, root: &str, reason: &str) -> Result<Vec<Event>> {
    let all = Api::<Event>::namespaced(place.client.clone(), "default").list(&ListParams::default()).await?;
    let is_it = |event: &Event| {
        let about = event.regarding.as_ref().and_then(|regarding| regarding.name.as_deref());
        about == Some(root) && event.reason.as_deref() == Some(reason)
    };
    Ok(all.items.into_iter().filter(is_it).collect())
}

#[tokio::test]
async fn a_missing_right_is_told_once_and_mended_by_granting_it() -> Result<()> {
    let world = world().await?;
    let place = Place::new(&world.control_plane, READ_ONLY).await?;
    let first = place.trust("no-rights").await?;
    let entry = place.entry("no-rights", "Deployment forbidden/*", |_| true).await?;
    assert_eq!(entry["reason"], "Refused");
    assert!(entry["message"].as_str().unwrap().contains("cannot list resource"), "{entry}");

    place.create(Kind::Deployment, "web", &depends("no-rights", "restart")).await?;
    let entry =
        place.entry("no-rights", "Deployment read-only/web", |entry| entry["reason"] == "Refused").await?;
    assert!(entry["message"].as_str().unwrap().contains("cannot patch resource"), "{entry}");
    // One event per piece of news; the recorder counts the second on the first.
    let told = async || {
        let events = events(&place, "no-rights", "DependentRefused").await?;
        let [event] = events.as_slice() else { anyhow::bail!("{} events", events.len()) };
        let note = event.note.clone().unwrap_or_default();
        ensure!(note.starts_with("DaemonSet forbidden/* (and 2 more): "), "{note}");
        Ok(event.series.as_ref().map_or(1, |series| series.count))
    };
    eventually("two events", SOON, async || {
        let count = told().await?;
        ensure!(count == 2, "{count}");
        Ok(())
    })
    .await?;
    let log = world.operator.process().log();
    assert_eq!(lines(log, &["Dependent cannot be told", "read-only"])?, 1);
    assert_eq!(lines(log, &["Dependents cannot be watched", "forbidden", "Deployment"])?, 1);

    world.control_plane.apply(&role(READ_ONLY, str::to_owned)?).await?;
    place.told(Kind::Deployment, "web", "no-rights", &first).await?;
    place.entry("no-rights", "Deployment read-only/web", |entry| entry.get("reason").is_none()).await?;
    assert_eq!(lines(log, &["Dependent cannot be told", "read-only"])?, 1);
    assert_eq!(told().await?, 2);
    Ok(())
}

#[tokio::test]
async fn annotations_that_make_no_sense_are_told_and_change_nothing() -> Result<()> {
    let place = Place::new(&world().await?.control_plane, "annotates").await?;
    place.trust("sense").await?;
    place.create(Kind::Deployment, "nonsense", &depends("sense", "reboot")).await?;
    let entry = place.entry("sense", "Deployment annotates/nonsense", |_| true).await?;
    assert_eq!(entry["reason"], "Invalid");
    assert!(entry["message"].as_str().unwrap().contains("expected restart or annotate"), "{entry}");
    assert_eq!(annotation(&place.api(Kind::Deployment).get("nonsense").await?, KNOWN), None);
    let object = place.objects.api(ROOT).get("sense").await?;
    assert!(object.data["status"]["dependentCount"].as_i64() > Some(0));
    Ok(())
}

#[tokio::test]
async fn a_trust_root_has_its_fingerprint_as_an_annotation_unless_somebody_refuses_it() -> Result<()> {
    let world = world().await?;
    let place = Place::new(&world.control_plane, "annotates").await?;
    // As the other system does where `spec.repository` has expired.
    let policy = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "frozen"}, "spec": {
                "matchConstraints": {"resourceRules": [{"apiGroups": ["policy.sigstore.dev"], "apiVersions": ["*"],
                    "resources": ["trustroots"], "operations": ["UPDATE"]}]},
                "validations": [{"expression": "object.metadata.name != 'frozen' || object.spec != oldObject.spec"}]}},
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "frozen"}, "spec": {"policyName": "frozen", "validationActions": ["Deny"]}},
    ]});
    world.control_plane.apply(&policy.to_string()).await?;
    let roots = place.objects.api(ROOT);
    place.trust("thawed").await?;
    let probe = async || {
        let patch = json!({"metadata": {"labels": {"probe": "1"}}});
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        roots.patch("frozen", &params, &Patch::Merge(&patch)).await
    };
    let annotated = async |name: &'static str, fingerprint: &str| {
        eventually(&format!("{name} annotated"), SOON, async || {
            let object = roots.get(name).await?;
            let found = annotation(&object, "trustwright.dev/material");
            ensure!(found == Some(fingerprint), "{found:?}");
            Ok(())
        })
        .await
    };
    let first = place.fingerprint("thawed").await?;
    annotated("thawed", &first).await?;
    // The API server takes a moment to enforce a policy; a root that is not ready is not annotated.
    let broken = json!({"trustedRoot": {"configMapRef": {"name": "not-there", "key": "k"}}});
    place.objects.create(ROOT, "frozen", &broken).await.map_err(anyhow::Error::msg)?;
    eventually("frozen", SOON, async || {
        ensure!(probe().await.is_err(), "not yet");
        Ok(())
    })
    .await?;
    let refused = place.change("frozen", 0).await?;
    let log = world.operator.process().log();
    let words = ["cannot be annotated", "frozen"];
    eventually("the refusal", SOON, async || {
        ensure!(lines(log, &words)? == 1, "not yet");
        Ok(())
    })
    .await?;
    // Other roots that change do not have us ask again, another spec does.
    for fewer in [1, 0] {
        let fingerprint = place.change("thawed", fewer).await?;
        annotated("thawed", &fingerprint).await?;
    }
    assert_eq!(lines(log, &words)?, 1);
    assert_ne!(place.change("frozen", 1).await?, refused);
    eventually("one more", SOON, async || {
        ensure!(lines(log, &words)? == 2, "not yet");
        Ok(())
    })
    .await?;
    assert_eq!(annotation(&roots.get("frozen").await?, "trustwright.dev/material"), None);
    Ok(())
}
