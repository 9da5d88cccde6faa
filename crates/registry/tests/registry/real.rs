//! The client against CNCF Distribution: TLS by an authority of its own, passwords, mirrors.

use std::fs;

use serde_json::json;
use trustwright_core::{Digest, ImageRef};
use trustwright_registry::{
    Client, ClientConfig, Credential, Error, Keychain, KeychainFormat, Outage, Reference,
};
use trustwright_testkit::{Registry, registry::PASSWORD};

use super::{config, deadline};

/// The keychain of a pull secret for one host.
fn keychain(host: &str, username: &str, password: &str) -> Keychain {
    let secret = json!({"auths": {host: {"username": username, "password": password}}}).to_string();
    Keychain::parse(KeychainFormat::DockerConfigJson, secret.as_bytes()).unwrap()
}

async fn resolve(client: &Client, image: &ImageRef, credential: &Credential) -> Result<Digest, Error> {
    client.resolve(image, credential, deadline()).await
}

#[tokio::test]
async fn a_private_registry_is_read_with_its_authority_and_a_pull_secret() -> anyhow::Result<()> {
    let registry = Registry::with_auth_tls("alice").await?;
    let pushed = registry.push_image("team/app", "v1").await?;
    let image: ImageRef = format!("{}/team/app:v1", registry.host()).parse()?;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("ca.pem"), registry.ca_pem().unwrap())?;
    let yaml = format!(
        "registries: [{{host: '{}', caFiles: ['{}']}}]",
        registry.host(),
        folder.path().join("ca.pem").display()
    );
    fs::write(folder.path().join("registries.yaml"), yaml)?;
    let registries = Some(folder.path().join("registries.yaml"));
    let client = Client::new(&ClientConfig { registries, ..config() })?;

    let alice = keychain(registry.host(), "alice", PASSWORD).credential(image.repository());
    let digest = resolve(&client, &image, &alice).await?;
    assert!(pushed.to_string().ends_with(&digest.to_string()), "{pushed} {digest}");
    let reference = Reference::Digest(digest);
    let manifest = client.manifest(image.repository(), &reference, &alice, deadline()).await?;
    assert_eq!(manifest.unwrap().digest, digest);
    // What alice may read, nobody else may because of it.
    for other in [
        Credential::Anonymous,
        keychain(registry.host(), "alice", "wrong").credential(image.repository()),
        keychain("another.example", "alice", PASSWORD).credential(image.repository()),
    ] {
        let error = resolve(&client, &image, &other).await.unwrap_err();
        assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
    }
    let error = resolve(&Client::new(&config())?, &image, &alice).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { outage: Outage::Certificate, .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_image_of_a_registry_that_is_away_is_read_from_its_mirror() -> anyhow::Result<()> {
    let (away, mirror) = (Registry::without_referrers().await?, Registry::without_referrers().await?);
    let pushed = away.push_image("team/app", "v1").await?;
    mirror.copy(&pushed, "cache/team/app", "v1").await?;
    let image: ImageRef = format!("{}/team/app:v1", away.host()).parse()?;
    drop(away);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("registries.yaml");
    let registry = image.repository().registry();
    fs::write(
        &file,
        format!("repositories: [{{prefix: '{registry}', mirrors: ['{}/cache']}}]", mirror.host()),
    )?;
    let client = Client::new(&ClientConfig { registries: Some(file), ..config() })?;
    let digest = resolve(&client, &image, &Credential::Anonymous).await?;
    assert!(pushed.to_string().ends_with(&digest.to_string()), "{pushed} {digest}");
    let error = resolve(&Client::new(&config())?, &image, &Credential::Anonymous).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    Ok(())
}
