//! `spec.trustedRoot`: without TUF, from the spec or from an object of our namespace.

use trustwright_testkit::operator::NAMESPACE;

use super::*;

fn trusted_root() -> (String, String) {
    let mut repository = Repository::new();
    let text =
        |repository: &Repository| String::from_utf8(repository.files["trusted_root.json"].clone()).unwrap();
    let first = text(&repository);
    drop_a_key(&mut repository);
    (first, text(&repository))
}

async fn apply(roots: &Roots<'_>, kind: &str, name: &str, text: &str) -> Result<()> {
    let field = if kind == "Secret" { "stringData" } else { "data" };
    let object = json!({"apiVersion": "v1", "kind": kind, field: {"trusted_root.json": text},
        "metadata": {"name": name, "namespace": NAMESPACE}});
    roots.control_plane.apply(&object.to_string()).await.map(drop)
}

#[tokio::test]
async fn a_trusted_root_is_the_same_from_spec_config_map_and_secret_and_marked_as_unprotected() -> Result<()>
{
    let roots = shared().await?;
    let (text, _) = trusted_root();
    for kind in ["ConfigMap", "Secret"] {
        apply(&roots, kind, "a-trusted-root", &text).await?;
    }
    let mut fingerprints = Vec::new();
    for (name, source) in [
        ("text-inline", json!({"data": text})),
        ("text-of-a-map", json!({"configMapRef": {"name": "a-trusted-root"}})),
        ("text-of-a-secret", json!({"secretRef": {"name": "a-trusted-root", "key": "trusted_root.json"}})),
    ] {
        let object = roots.ready(name, &json!({"trustedRoot": source})).await?;
        is(&object, "Unprotected", "True", "NotProtectedByTuf")?;
        assert_eq!(object.data["status"]["source"], "trustedRoot");
        for absent in ["repository", "expires"] {
            assert_eq!(object.data["status"][absent], Value::Null);
        }
        assert_eq!(condition(&object, "Refreshed"), None);
        fingerprints.push(fingerprint(&object).to_owned());
    }
    assert!(fingerprints.iter().all(|other| *other == fingerprints[0]), "{fingerprints:?}");
    let manifest = json!({"apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot",
        "metadata": {"name": "text-warned"}, "spec": {"trustedRoot": {"data": text}}});
    let terminal = roots.control_plane.apply(&manifest.to_string()).await?;
    assert!(terminal.stderr.contains("not protected by TUF"), "{}", terminal.stderr);
    let spec = json!({"trustedRoot": {"data": "{}"}});
    let said = roots.objects.create(ROOT, "text-of-nothing", &spec).await.unwrap_err();
    assert!(said.contains("spec.trustedRoot.data"), "{said}");
    Ok(())
}

#[tokio::test]
async fn an_entry_that_appears_changes_and_goes_is_followed_within_about_a_second() -> Result<()> {
    let roots = shared().await?;
    let (first, second) = trusted_root();
    let spec = json!({"trustedRoot": {"configMapRef": {"name": "text-to-come"}}});
    let object = roots.create("text-to-come", &spec, "False").await?;
    is(&object, "Ready", "False", "InvalidReference")?;
    is(&object, "Reconciling", "True", "InvalidReference")?;
    assert!(message(&object, "Ready").contains("\"text-to-come\""), "{}", message(&object, "Ready"));
    apply(&roots, "ConfigMap", "text-to-come", &first).await?;
    let object = roots.objects.wait_for_ready(ROOT, "text-to-come", "True").await?;
    let before = fingerprint(&object).to_owned();
    roots.in_force_is("text-to-come", Some(&before)).await?;

    apply(&roots, "ConfigMap", "text-to-come", &second).await?;
    let start = Instant::now();
    let object = roots
        .until("text-to-come", "changed", |object| {
            ensure!(fingerprint(object) != before, "unchanged");
            Ok(())
        })
        .await?;
    roots.in_force_is("text-to-come", Some(fingerprint(&object))).await?;
    let took = start.elapsed();
    // Far from what a poll would take; the figure is printed.
    assert!(took < Duration::from_secs(5), "{took:?}");
    println!("in force after {took:?}");

    apply(&roots, "ConfigMap", "text-to-come", "no JSON").await?;
    roots.until_is("text-to-come", "Ready", "False", "NoUsableKeys").await?;
    roots.in_force_is("text-to-come", None).await?;
    apply(&roots, "ConfigMap", "text-to-come", &first).await?;
    roots.in_force_is("text-to-come", Some(&before)).await?;
    roots.control_plane.kubectl(&["delete", "-n", NAMESPACE, "configmap", "text-to-come"]).await?;
    roots.until_is("text-to-come", "Ready", "False", "InvalidReference").await?;
    roots.in_force_is("text-to-come", None).await
}
