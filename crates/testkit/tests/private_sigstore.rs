//! Keyless signing from end to end, without a network.

use std::time::Instant;

use anyhow::Result;
use trustwright_testkit::private_sigstore::{AUDIENCE, subject};
use trustwright_testkit::{PrivateSigstore, Registry, shared};

#[tokio::test]
async fn what_a_service_account_signs_is_verified_for_it_alone() -> Result<()> {
    let control_plane = shared().await?;
    control_plane.create_namespace("build").await?;
    let start = Instant::now();
    let mut sigstore = PrivateSigstore::start(control_plane).await?;
    println!("Sigstore ready after {:?}", start.elapsed());
    for (name, pid) in sigstore.processes() {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        println!("{name}: {}", status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default());
    }
    let registry = Registry::with_referrers().await?;
    let image = registry.push_image("app", "v1").await?;
    let token = control_plane.service_account_token("build", "default", &[AUDIENCE]).await?;

    let start = Instant::now();
    sigstore.sign_keyless(&image, &token).await?;
    println!("signed after {:?}", start.elapsed());

    sigstore.verify_keyless(&image, &subject("build", "default")).await?;
    assert!(sigstore.verify_keyless(&image, &subject("build", "other")).await.is_err());
    sigstore.attest_keyless(&image, &token, "https://example.com/check/v1", r#"{"passed":true}"#).await?;

    let legacy = registry.push_image("app", "v2").await?;
    sigstore.sign_keyless_legacy(&legacy, &token).await?;
    sigstore.verify_keyless_legacy(&legacy, &subject("build", "default")).await?;
    assert!(sigstore.verify_keyless_legacy(&legacy, &subject("build", "other")).await.is_err());

    sigstore.rotate_fulcio(control_plane).await?;
    assert!(sigstore.verify_keyless(&image, &subject("build", "default")).await.is_err());
    let renewed = registry.push_image("app", "v3").await?;
    sigstore.sign_keyless(&renewed, &token).await?;
    sigstore.verify_keyless(&renewed, &subject("build", "default")).await?;
    Ok(())
}
