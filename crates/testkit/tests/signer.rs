//! Every kind of key signs in both forms, and cosign accepts what was signed.

use anyhow::{Context, Result};
use trustwright_testkit::{KeyKind, Registry, Signer};

async fn signs_in_both_forms(kind: KeyKind, registry: &Registry) -> Result<()> {
    let tag = format!("{kind:?}").to_lowercase();
    let signer = Signer::new(kind).await?;
    assert!(signer.public_key_pem().starts_with("-----BEGIN PUBLIC KEY-----"));
    let legacy = registry.push_image("legacy", &tag).await?;
    assert!(signer.verify_legacy(&legacy).await.is_err(), "not signed yet");
    signer.sign_legacy(&legacy).await?;
    signer.verify_legacy(&legacy).await?;
    let bundle = registry.push_image("bundle", &tag).await?;
    signer.sign_bundle(&bundle).await?;
    let verified = signer.verify_bundle(&bundle).await;
    if kind == KeyKind::Ed25519 {
        let error = verified.err().context("cosign now verifies the Ed25519ph bundle that it writes")?;
        assert!(format!("{error:#}").contains("accepted signatures do not match threshold"), "{error:#}");
    } else {
        verified?;
    }
    Ok(())
}

#[tokio::test]
async fn every_kind_of_key_signs_in_both_forms() -> Result<()> {
    let registry = Registry::with_referrers().await?;
    for kind in KeyKind::ALL {
        signs_in_both_forms(kind, &registry).await.with_context(|| format!("{kind:?}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn both_forms_fit_a_registry_without_referrers_and_a_private_one() -> Result<()> {
    for registry in [Registry::without_referrers().await?, Registry::with_auth_tls("alice").await?] {
        signs_in_both_forms(KeyKind::EcdsaP256, &registry).await.with_context(|| registry.url())?;
    }
    Ok(())
}

#[tokio::test]
async fn attestations_are_written_in_both_forms() -> Result<()> {
    let registry = Registry::with_referrers().await?;
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    let image = registry.push_image("app", "v1").await?;
    signer.attest_legacy(&image, "https://example.com/check/v1", r#"{"passed":true}"#).await?;
    signer.attest_bundle(&image, "https://example.com/check/v1", r#"{"passed":true}"#).await?;
    let tags = registry.crane(&["ls", &format!("{}/app", registry.host())]).await?;
    assert!(tags.lines().any(|tag| tag == format!("{}.att", image.digest().replace(':', "-"))), "{tags}");
    let url = format!("{}/v2/app/referrers/{}", registry.url(), image.digest());
    let answer = reqwest::Client::builder().no_proxy().build()?.get(url).send().await?.bytes().await?;
    let index: serde_json::Value = serde_json::from_slice(&answer)?;
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(1), "{index}");
    Ok(())
}
