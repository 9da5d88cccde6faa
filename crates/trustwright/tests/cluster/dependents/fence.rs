//! What our account may do with the right to patch workloads.

use trustwright_testkit::{control_plane::client, operator::credentials};

use super::*;

/// Asks as our account, without leaving anything behind; the error is the API server's message.
async fn asks(api: &Api<DynamicObject>, name: &str, patch: &Value) -> Result<DynamicObject, String> {
    let params = PatchParams { dry_run: true, ..PatchParams::default() };
    api.patch(name, &params, &Patch::Merge(patch)).await.map_err(message)
}

#[tokio::test]
async fn our_account_may_write_its_annotations_and_nothing_else() -> Result<()> {
    let world = world().await?;
    let place = Place::new(&world.control_plane, "fenced").await?;
    let ours = client(&credentials(&world.control_plane).await?).await?;
    let fingerprint = format!("sha256:{}", "0".repeat(64));
    let template = |template: Value| json!({"spec": {"template": template}});
    for kind in Kind::ALL {
        place.create(kind, "web", &json!({"example.com/own": "kept"})).await?;
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", kind.name()));
        let api: Api<DynamicObject> = Api::namespaced_with(ours.clone(), "fenced", &resource);
        for patch in [
            template(json!({"metadata": {"annotations": {MATERIAL: fingerprint}}})),
            json!({"metadata": {"annotations": {
                MATERIAL: "1", KNOWN: "2", RESTARTED_AT: "3", "trustwright.dev/trust-known-since": "4"}}}),
        ] {
            asks(&api, "web", &patch).await.map_err(anyhow::Error::msg)?;
        }
        let containers = |image| json!([{"name": "main", "image": image}]);
        // The API server takes a moment to heed a policy that it has just been given.
        let evil = template(json!({"spec": {"containers": containers("evil.example/app:1")}}));
        eventually("the fence stands", SOON, async || {
            ensure!(asks(&api, "web", &evil).await.is_err(), "not yet");
            Ok(())
        })
        .await?;
        let same = template(json!({"spec": {"containers": containers("registry.example/app:1")}}));
        asks(&api, "web", &same).await.map_err(anyhow::Error::msg)?;
        let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u"});
        for (patch, part) in [
            (
                template(json!({"spec": {"containers": containers("evil.example/app:1")}})),
                "of a pod template",
            ),
            (template(json!({"spec": {"serviceAccountName": "admin"}})), "of a pod template"),
            (template(json!({"spec": {"hostPID": true}})), "of a pod template"),
            (template(json!({"metadata": {"labels": {"more": "1"}}})), "of the metadata of a pod template"),
            (
                template(json!({"metadata": {"annotations": {"more": "1"}}})),
                "of the annotations of a pod template",
            ),
            (
                template(json!({"metadata": {"annotations": {"example.com/own": null}}})),
                "of the annotations of a pod template",
            ),
            (
                template(json!({"metadata": {"annotations": {MATERIAL: "x"}}})),
                "of the annotations of a pod template",
            ),
            (json!({"spec": {"revisionHistoryLimit": 3}}), "of the spec of a workload"),
            (json!({"spec": {"minReadySeconds": 3}}), "of the spec of a workload"),
            (json!({"metadata": {"labels": {"more": "1"}}}), "of the metadata of a workload"),
            (json!({"metadata": {"finalizers": ["example.com/more"]}}), "of the metadata of a workload"),
            (json!({"metadata": {"ownerReferences": [owner]}}), "of the metadata of a workload"),
            (
                json!({"metadata": {"annotations": {"example.com/own": null}}}),
                "of the annotations of a workload",
            ),
            (
                json!({"metadata": {"annotations": {"example.com/own": "2"}}}),
                "of the annotations of a workload",
            ),
            (
                json!({"metadata": {"annotations": {"trustwright.dev/other": "2"}}}),
                "of the annotations of a workload",
            ),
        ] {
            let refused =
                asks(&api, "web", &patch).await.err().with_context(|| format!("allowed: {patch}"))?;
            assert!(refused.contains(part), "{patch}: {refused}");
            // It is about who asks.
            asks(&place.api(kind), "web", &patch).await.map_err(anyhow::Error::msg)?;
        }
        let made: DynamicObject = serde_json::from_value(manifest_of(kind, "made", &json!({})))?;
        assert!(api.create(&PostParams::default(), &made).await.is_err());
        assert!(api.delete("web", &DeleteParams::default()).await.is_err());
    }
    // Elsewhere it has no right at all.
    world.control_plane.kubectl(&["create", "deployment", "web", "--image=i", "-n", "default"]).await?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment"));
    let elsewhere: Api<DynamicObject> = Api::namespaced_with(ours, "default", &resource);
    let patch = json!({"metadata": {"annotations": {KNOWN: "2"}}});
    let refused = asks(&elsewhere, "web", &patch).await.unwrap_err();
    assert!(refused.contains("cannot patch resource"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn our_account_may_write_one_annotation_of_a_trust_root_and_nothing_else() -> Result<()> {
    let world = world().await?;
    let place = Place::new(&world.control_plane, "fenced").await?;
    place.trust("fenced").await?;
    let api = Objects::new(client(&credentials(&world.control_plane).await?).await?).api(ROOT);
    let note = |name: &str| json!({"metadata": {"annotations": {name: "sha256:1"}}});
    asks(&api, "fenced", &note("trustwright.dev/material")).await.map_err(anyhow::Error::msg)?;
    for patch in [
        note("trustwright.dev/refresh"),
        json!({"metadata": {"labels": {"more": "1"}}}),
        json!({"metadata": {"finalizers": ["example.com/more"]}}),
        json!({"spec": keys(1)?}),
    ] {
        let refused =
            asks(&api, "fenced", &patch).await.err().with_context(|| format!("allowed: {patch}"))?;
        assert!(
            refused.contains("of a trust root, Trustwright changes only")
                || refused.contains("of the annotations of a trust root"),
            "{refused}"
        );
        asks(&place.objects.api(ROOT), "fenced", &patch).await.map_err(anyhow::Error::msg)?;
    }
    Ok(())
}

#[test]
fn the_fence_of_a_companion_is_the_same() -> Result<()> {
    let [ours, of_companion] = ["60-dependents.yaml", "../companion/60-dependents.yaml"].map(|file| {
        let path = manifests_folder().join(file);
        std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))
    });
    let ours = ours?;
    assert!(ours.contains("kind: ValidatingAdmissionPolicyBinding"), "{ours}");
    assert_eq!(ours, of_companion?);
    Ok(())
}
