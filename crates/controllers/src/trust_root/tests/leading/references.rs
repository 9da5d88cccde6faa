//! The objects of our namespace that a spec names.

use super::*;

fn message(object: &DynamicObject) -> &str {
    status(object)["conditions"][0]["message"].as_str().unwrap()
}

fn secret(name: &str, host: Option<&str>, entries: &[(&str, &str)]) -> Secret {
    let annotations: Value = host.map(|host| json!({"trustwright.dev/mirror": host})).unwrap_or_default();
    let data: serde_json::Map<String, Value> =
        entries.iter().map(|(key, text)| ((*key).to_owned(), json!(text))).collect();
    serde_json::from_value(json!({
        "metadata": {"name": name, "annotations": annotations}, "stringData": data,
    }))
    .unwrap()
}

#[tokio::test]
async fn a_trusted_root_in_an_object_that_appears_later_is_then_in_force() {
    let world = World::new("reference-text").await;
    let leader = world.lead(|| at(BEFORE)).await;
    let object = root(&json!({"trustedRoot": {"configMapRef": {"name": "roots", "key": "k"}}}), &json!({}));
    let missing = leader.settle(&object).await;
    let expected = [
        "Ready=False InvalidReference",
        "Reconciling=True InvalidReference",
        "Unprotected=True NotProtectedByTuf",
    ];
    assert_eq!(lines(status(&missing)), expected);
    assert_eq!(
        message(&missing),
        "spec.trustedRoot: key \"k\" of ConfigMap \"roots\", in the namespace that Trustwright runs in, does not exist"
    );
    let text = String::from_utf8(world.repository.files["trusted_root.json"].clone()).unwrap();
    let map: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "roots"}, "data": {"k": text}})).unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(world.client.clone(), &world.namespace);
    maps.create(&PostParams::default(), &map).await.unwrap();
    leader.sees(|objects| objects.config_map("roots").is_some()).await;
    let found = leader.settle(&missing).await;
    assert_eq!(lines(status(&found)), ["Ready=True Loaded", "Unprotected=True NotProtectedByTuf"]);
    maps.delete("roots", &DeleteParams::default()).await.unwrap();
    leader.sees(|objects| objects.config_map("roots").is_none()).await;
    assert_eq!(lines(status(&leader.settle(&found).await)), expected);
}

#[tokio::test]
async fn a_mirror_whose_certificates_go_missing_is_not_asked_and_what_is_in_force_stays() {
    let world = World::new("reference-bundle").await;
    let mut leader = world.lead(|| at(BEFORE)).await;
    let object = leader.first_answer(&world.object()).await;
    world.server.asked();
    let mut naming = object.clone();
    naming.data["spec"]["remote"]["caBundle"] = json!({"secretRef": {"name": "ca"}});
    let missing = leader.settle(&naming).await;
    assert_eq!(lines(status(&missing)), ["Ready=True Loaded", "Refreshed=False InvalidReference"]);
    assert_eq!(world.server.asked(), []);
    // One that is no certificate is no better, and says so of itself.
    let created = secret("ca", None, &[("ca.crt", "no certificate")]);
    world.secrets().create(&PostParams::default(), &created).await.unwrap();
    leader.sees(|objects| objects.secret("ca").is_some()).await;
    let useless = leader.settle(&missing).await;
    assert_eq!(lines(status(&useless)), ["Ready=True Loaded", "Refreshed=False InvalidReference"]);
    let refreshed = status(&useless)["conditions"][1]["message"].as_str().unwrap();
    assert!(refreshed.starts_with("spec.remote.caBundle: CA bundle holds no certificate"), "{refreshed}");
    assert_eq!(world.server.asked(), []);
    let back = leader.settle(&with_status(&world.object(), status(&useless).clone())).await;
    assert_eq!(lines(status(&back)), ["Ready=True Loaded", "Refreshed=True UpToDate"]);
    leader.refresh_quietly(&back).await;
    assert_eq!(world.server.asked()[0].path, "2.root.json");
}

#[tokio::test]
async fn a_credential_goes_nowhere_but_where_its_owner_said() {
    let world = World::new("reference-credential").await;
    let leader = world.lead(|| at(BEFORE)).await;
    for created in [
        secret("unbound", None, &[("token", "t")]),
        secret("other-host", Some("other.example"), &[("token", "t")]),
        secret("empty", Some("tuf.example"), &[]),
        secret("both", Some("tuf.example"), &[("token", "t"), ("username", "u"), ("password", "p")]),
        secret("half", Some("tuf.example"), &[("username", "u")]),
    ] {
        world.secrets().create(&PostParams::default(), &created).await.unwrap();
    }
    leader.sees(|objects| objects.secret("half").is_some()).await;
    for (mirror, name, reason, expected) in [
        ("https://tuf.example", "missing", Reason::InvalidReference, "does not exist"),
        (
            "https://tuf.example",
            "unbound",
            Reason::InvalidReference,
            "has no annotation trustwright.dev/mirror",
        ),
        ("https://tuf.example", "other-host", Reason::InvalidReference, "credential is for other.example"),
        ("https://tuf.example", "empty", Reason::InvalidReference, "must have either token"),
        ("https://tuf.example", "both", Reason::InvalidReference, "must have either token"),
        ("https://tuf.example", "half", Reason::InvalidReference, "must have either token"),
        ("http://other.example", "other-host", Reason::InvalidSpec, "sent over https only"),
    ] {
        let mut object = world.object();
        object.data["spec"]["remote"]["mirror"] = json!(mirror);
        object.data["spec"]["remote"]["credentials"] = json!({"secretRef": {"name": name}});
        let settled = leader.settle(&object).await;
        let first = &lines(status(&settled))[0];
        assert_eq!(*first, format!("Ready=False {reason}"), "{name} for {mirror}");
        assert!(message(&settled).contains(expected), "{name}: {}", message(&settled));
    }
}

#[tokio::test]
async fn an_object_that_is_gone_or_edited_ends_its_polls() {
    let world = World::new("reference-gone").await;
    let mut leader = world.lead(|| at(BEFORE)).await;
    let object = leader.first_answer(&world.object()).await;
    let shared = leader.roots.times("r").unwrap();
    let mut edited = object.clone();
    edited.data["spec"] = keys(&[]);
    leader.settle(&edited).await;
    assert!(leader.roots.times("r").is_none());
    // The poll holds the state as long as it runs; its end is not waited for.
    let gone = async {
        while Arc::strong_count(&shared) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON_ENOUGH, gone).await.unwrap();
    let again = leader.first_answer(&object).await;
    assert_eq!(lines(status(&again)), ["Ready=True Loaded", "Refreshed=True UpToDate"]);
    leader.roots.forget("r");
    assert!(leader.roots.times("r").is_none());
}
