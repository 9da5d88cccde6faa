//! The registries differ in the ways that tests need.

use anyhow::{Context, Result};
use reqwest::{Certificate, Client};
use trustwright_testkit::Registry;
use trustwright_testkit::registry::PASSWORD;

fn http() -> Result<Client> {
    Ok(Client::builder().no_proxy().build()?)
}

async fn referrers_status(registry: &Registry) -> Result<u16> {
    let image = registry.push_image("team/app", "v1").await?;
    let url = format!("{}/v2/{}/referrers/{}", registry.url(), image.repository(), image.digest());
    Ok(http()?.get(url).send().await?.status().as_u16())
}

#[tokio::test]
async fn one_registry_answers_the_referrers_api_and_one_does_not() -> Result<()> {
    assert_eq!(referrers_status(&Registry::with_referrers().await?).await?, 200);
    assert_eq!(referrers_status(&Registry::without_referrers().await?).await?, 404);
    Ok(())
}

#[tokio::test]
async fn pushed_images_differ_and_copies_do_not() -> Result<()> {
    let registry = Registry::with_referrers().await?;
    let other = Registry::without_referrers().await?;
    let first = registry.push_image("app", "v1").await?;
    let second = registry.push_image("app", "v1").await?;
    assert_ne!(first.digest(), second.digest());
    assert_eq!(registry.digest("app", "v1").await?, second.digest());
    let copy = other.copy(&first, "mirror/app", "v1").await?;
    assert_eq!(copy.digest(), first.digest());
    assert_eq!(copy.to_string(), format!("{}/mirror/app@{}", other.host(), first.digest()));
    Ok(())
}

#[tokio::test]
async fn a_private_registry_wants_its_authority_and_its_user() -> Result<()> {
    let registry = Registry::with_auth_tls("alice").await?;
    let url = format!("{}/v2/", registry.url());
    assert!(http()?.get(&url).send().await.is_err(), "TLS by an authority nobody knows");

    let authority = Certificate::from_pem(registry.ca_pem().context("no authority")?.as_bytes())?;
    let client = Client::builder().no_proxy().tls_certs_only([authority]).build()?;
    assert_eq!(client.get(&url).send().await?.status(), 401);
    assert_eq!(client.get(&url).basic_auth("alice", Some("wrong")).send().await?.status(), 401);
    assert_eq!(client.get(&url).basic_auth("bob", Some(PASSWORD)).send().await?.status(), 401);
    assert_eq!(client.get(&url).basic_auth("alice", Some(PASSWORD)).send().await?.status(), 200);

    let image = registry.push_image("secret/app", "v1").await?;
    assert!(image.digest().starts_with("sha256:"));
    Ok(())
}
