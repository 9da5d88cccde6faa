//! Trust roots, and what is told of each of their keys.

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::core::DynamicObject;
use serde_json::{Value, json};
use trustwright_testkit::{KeyKind, Signer, public_good, tuf_repository::Repository};

use crate::{
    fixture::cluster,
    objects::{Objects, ROOT, condition, why},
};

/// Creates a root and waits until `Ready` is `ready`.
async fn create(name: &str, spec: &Value, ready: &str) -> Result<DynamicObject> {
    let objects = Objects::new(cluster().await?.control_plane.client().await?);
    objects.create(ROOT, name, spec).await.map_err(anyhow::Error::msg)?;
    objects.wait_for_ready(ROOT, name, ready).await
}

fn log(name: &str, pem: &str) -> Value {
    let url = format!("https://{name}.example");
    json!({"baseURL": url, "hashAlgorithm": "sha-256", "publicKey": STANDARD.encode(pem)})
}

fn logs(logs: &[Value]) -> Value {
    let authorities = public_good::trust_root_manifest().unwrap();
    let authorities = &authorities["spec"]["sigstoreKeys"]["certificateAuthorities"];
    json!({"sigstoreKeys": {"certificateAuthorities": authorities, "tLogs": logs}})
}

fn lines(object: &DynamicObject) -> &[Value] {
    object.data["status"]["keys"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn count(spec: &Value) -> usize {
    spec["sigstoreKeys"].as_object().unwrap().values().map(|list| list.as_array().unwrap().len()).sum()
}

fn assert_all_usable(object: &DynamicObject, spec: &Value) {
    let keys = lines(object);
    assert!(keys.iter().all(|key| key["usable"] == true), "{keys:#?}");
    assert_eq!(keys.len(), count(spec));
    let (reason, message) = why(object, "Ready");
    assert_eq!(reason, "Loaded");
    assert_eq!(message, format!("all {} keys can be used", keys.len()));
    assert_eq!(object.data["status"]["source"], "sigstoreKeys");
    let fingerprint = object.data["status"]["fingerprint"].as_str().unwrap();
    assert_eq!(fingerprint.len(), "sha256:".len() + 64, "{fingerprint}");
    let ed25519 = keys.iter().any(|key| key["kind"] == "TransparencyLog" && key["algorithm"] == "ed25519");
    assert!(ed25519, "{keys:#?}");
}

#[tokio::test]
async fn todays_public_good_root_is_ready_with_every_key_its_ed25519_log_among_them() -> Result<()> {
    let manifest = public_good::trust_root_manifest()?;
    let terminal = cluster().await?.control_plane.apply(&manifest.to_string()).await?;
    assert!(!terminal.stderr.contains("Warning"), "{}", terminal.stderr);
    let objects = Objects::new(cluster().await?.control_plane.client().await?);
    let object = objects.wait_for_ready(ROOT, "public-good", "True").await?;
    assert_all_usable(&object, &manifest["spec"]);
    assert_eq!(condition(&object, "Stalled"), None);
    Ok(())
}

#[tokio::test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
async fn the_recorded_public_good_root_is_ready_with_every_key() -> Result<()> {
    let targets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/sigstore-tuf/targets");
    let mut names = std::fs::read_dir(targets)?.filter_map(Result::ok).map(|entry| entry.path());
    let path = names.find(|path| path.to_string_lossy().ends_with(".trusted_root.json"));
    let trusted_root = std::fs::read(path.context("no trusted_root.json")?)?;
    let spec = json!({"sigstoreKeys": public_good::sigstore_keys(&trusted_root)?});
    let object = create("recorded-public-good", &spec, "True").await?;
    assert_all_usable(&object, &spec);
    Ok(())
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_named_and_leave_the_root_ready() -> Result<()> {
    let p521 = Signer::new(KeyKind::EcdsaP521).await?;
    let p256 = &cluster().await?.signer;
    let good = logs(&[log("p256", p256.public_key_pem())]);
    let fingerprint = create("all-good", &good, "True").await?.data["status"]["fingerprint"].clone();

    let spec = logs(&[
        log("p256", p256.public_key_pem()),
        log("p521", p521.public_key_pem()),
        log("text", "no PEM"),
    ]);
    let object = create("one-good", &spec, "True").await?;
    let (_, message) = why(&object, "Ready");
    let all = count(&spec);
    assert!(message.starts_with(&format!("{} of {all} keys can be used; ", all - 2)), "{message}");
    for (name, usable) in [("p256", true), ("p521", false), ("text", false)] {
        let url = format!("https://{name}.example");
        let line = lines(&object).iter().find(|key| key["name"] == url).unwrap();
        assert_eq!(line["usable"], usable, "{line}");
        assert_eq!(line["reason"].is_string(), !usable, "{line}");
        assert_eq!(message.contains(&url), !usable, "{message}");
    }
    assert_eq!(object.data["status"]["fingerprint"], fingerprint);
    Ok(())
}

#[tokio::test]
async fn a_root_without_a_key_that_can_be_used_is_stalled_and_says_which_and_why() -> Result<()> {
    let mut spec = logs(&[log("text", "no PEM")]);
    spec["sigstoreKeys"]["certificateAuthorities"][0]["certChain"] = json!(STANDARD.encode("no chain"));
    let authorities = spec["sigstoreKeys"]["certificateAuthorities"].as_array_mut().unwrap();
    authorities.truncate(1);
    let object = create("none-good", &spec, "False").await?;
    let (reason, message) = why(&object, "Ready");
    assert_eq!(reason, "NoUsableKeys");
    assert!(message.contains("https://text.example"), "{message}");
    assert_eq!(condition(&object, "Stalled").unwrap()["status"], "True");
    assert_eq!(lines(&object).len(), 2);
    assert!(object.data["status"].get("fingerprint").is_none());
    Ok(())
}

#[tokio::test]
async fn a_root_that_is_none_stalls_a_remote_and_is_refused_in_a_repository() -> Result<()> {
    let root = STANDARD.encode(r#"{"signatures": [], "signed": {}}"#);
    let spec = json!({"remote": {"root": root, "mirror": "http://127.0.0.1:9"}});
    let object = create("from-remote", &spec, "False").await?;
    let (reason, message) = why(&object, "Stalled");
    assert_eq!(reason, "InvalidSpec");
    assert!(message.starts_with("spec.remote.root: "), "{message}");
    assert_eq!(object.data["status"]["source"], "remote");

    let archive = STANDARD.encode([0x1f, 0x8b, 8]);
    let spec = json!({"repository": {"root": root, "mirrorFS": archive}});
    let objects = Objects::new(cluster().await?.control_plane.client().await?);
    let refused = objects.create(ROOT, "from-repository", &spec).await.unwrap_err();
    assert!(refused.contains("spec.repository.mirrorFS"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn a_packed_repository_is_ready_without_any_network_and_an_expired_one_is_what_the_spec_says()
-> Result<()> {
    let packed = |repository: &Repository, on_expiry: &str| -> Result<Value> {
        let archive = repository.publish().pack(512 << 10)?;
        let source = json!({
            "root": STANDARD.encode(repository.first_root()), "mirrorFS": STANDARD.encode(archive),
            "targets": "targets",
        });
        Ok(json!({"repository": source, "onExpiry": on_expiry}))
    };
    let current = Repository::new().until("2199-01-01T00:00:00Z");
    let object = create("packed", &packed(&current, "Reject")?, "True").await?;
    assert_eq!(why(&object, "Ready").0, "Loaded");
    assert_eq!(object.data["status"]["source"], "repository");
    assert_eq!(object.data["status"]["expires"], "2199-01-01T00:00:00Z");
    let shown = cluster().await?.control_plane.kubectl(&["get", "trustroot", "packed"]).await?.stdout;
    assert!(shown.contains("2199-01-01T00:00:00Z"), "{shown}");

    let expired = Repository::new().until("2020-01-01T00:00:00Z");
    let object = create("packed-long-ago", &packed(&expired, "Keep")?, "True").await?;
    assert_eq!(why(&object, "Ready").0, "ExpiredKept");
    assert_eq!(condition(&object, "Expired").unwrap()["status"], "True");
    let fingerprint = &object.data["status"]["fingerprint"];
    assert!(fingerprint.is_string());
    // It stays writable: the Policy Controller refuses even a label on it.
    let label = ["label", "trustroot", "packed-long-ago", "a=b"];
    cluster().await?.control_plane.kubectl(&label).await?;
    let object = create("packed-and-rejected", &packed(&expired, "Reject")?, "False").await?;
    assert_eq!(why(&object, "Ready").0, "Expired");
    Ok(())
}
