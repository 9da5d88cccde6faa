//! What counts as a signature of the image, as cosign writes it.

use anyhow::{Context as _, Result};
use serde_json::json;
use trustwright_core::Reason;
use trustwright_testkit::{KeyKind, Registry, Signer};

use crate::{
    Subject, assert_allowed, assert_contains,
    fake::{Fake, Key},
    key, only, only_cause,
};

fn in_format(pem: &str, format: &str) -> trustwright_policy::Snapshot {
    let mut authority = key("a", pem);
    authority["signatureFormat"] = json!(format);
    only(&authority)
}

#[tokio::test]
async fn a_signature_format_narrows_where_signatures_are_looked_for() -> Result<()> {
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    for registry in [Registry::with_referrers().await?, Registry::without_referrers().await?] {
        let subject = Subject::new();
        let legacy = registry.push_image("app", "legacy").await?;
        signer.sign_legacy(&legacy).await?;
        let bundle = registry.push_image("app", "bundle").await?;
        signer.sign_bundle(&bundle).await?;
        for (format, good, bad, place) in [
            (
                "legacy",
                &legacy,
                &bundle,
                format!("looked for the tag {}.sig in ", bundle.digest().replace(':', "-")),
            ),
            (
                "bundle",
                &bundle,
                &legacy,
                format!("looked for bundles among the referrers of {} in ", legacy.digest()),
            ),
        ] {
            let policy = in_format(signer.public_key_pem(), format);
            assert_allowed(&subject.judge(&policy, good).await, format);
            let cause = only_cause(&subject.judge(&policy, bad).await);
            assert_eq!(cause.reason, Reason::NoSignatures, "{format}");
            assert_contains(&cause.hint.context("no hint")?, place);
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_attestation_is_no_signature() -> Result<()> {
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    let policy = only(&key("a", signer.public_key_pem()));
    for registry in [Registry::with_referrers().await?, Registry::without_referrers().await?] {
        let subject = Subject::new();
        let image = registry.push_image("app", "v1").await?;
        signer.attest_legacy(&image, "https://example.com/check/v1", r#"{"passed":true}"#).await?;
        signer.attest_bundle(&image, "https://example.com/check/v1", r#"{"passed":true}"#).await?;
        let cause = only_cause(&subject.judge(&policy, &image).await);
        assert_eq!(cause.reason, Reason::NoSignatures, "{}", cause.text);
        signer.sign_bundle(&image).await?;
        assert_allowed(&subject.judge(&policy, &image).await, "signed besides");
    }
    Ok(())
}

#[tokio::test]
async fn an_attestation_whose_type_the_registry_hides_is_no_signature_either() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::new());
    let policy = only(&key("a", &signer.pem()));
    let attestation = signer.bundle_of(
        0,
        &json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://example.com/check/v1",
            "subject": [{"digest": {"sha256": crate::fake::IMAGE.hex()}}],
            "predicate": {},
        }),
    );
    fake.publish_bundles(&[attestation]);
    let cause = only_cause(&subject.judge(&policy, fake.image()).await);
    assert_eq!(cause.reason, Reason::NoMatchingSignatures);
    assert_contains(&cause.text, r#"is of type "https://example.com/check/v1", which is no image signature"#);
    fake.publish_bundles(&[signer.bundle(0)]);
    assert_allowed(&subject.judge(&policy, fake.image()).await, "the same with cosign's own type");
}

#[tokio::test]
async fn a_bundle_is_found_unless_the_registry_calls_it_something_else() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::new());
    let policy = only(&key("a", &signer.pem()));
    for artifact_type in [
        Some("application/vnd.dev.sigstore.bundle.v0.3+json"),
        Some("application/vnd.dev.sigstore.bundle+json;version=0.1"),
        Some("application/vnd.oci.empty.v1+json"),
        Some(""),
        None,
    ] {
        fake.publish_bundles_as(artifact_type, &[signer.bundle(0)]);
        assert_allowed(&subject.judge(&policy, fake.image()).await, format!("{artifact_type:?}"));
    }
    fake.publish_bundles_as(Some("application/spdx+json"), &[signer.bundle(0)]);
    let (verdict, requests) = subject.count(&policy, fake.image()).await;
    assert_eq!((only_cause(&verdict).reason, requests), (Reason::NoSignatures, 2));
}

#[tokio::test]
async fn a_signature_that_was_copied_from_another_image_is_refused_for_its_claim() -> Result<()> {
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    let policy = only(&key("a", signer.public_key_pem()));
    // The registry without referrers API keeps bundles under a tag too, so that both can be copied.
    let registry = Registry::without_referrers().await?;
    for (name, end) in [("legacy", ".sig"), ("bundle", "")] {
        let subject = Subject::new();
        let image = registry.push_image(name, "signed").await?;
        match name {
            "legacy" => signer.sign_legacy(&image).await?,
            _ => signer.sign_bundle(&image).await?,
        }
        let other = registry.push_image(name, "other").await?;
        let tag = |digest: &str| format!("{}/{name}:{}{end}", registry.host(), digest.replace(':', "-"));
        registry.crane(&["copy", &tag(image.digest()), &tag(other.digest())]).await?;
        let cause = only_cause(&subject.judge(&policy, &other).await);
        assert_eq!(cause.reason, Reason::NoMatchingSignatures, "{name}");
        assert_contains(&cause.text, "no matching signatures: invalid or missing digest in claim: ");
        assert_contains(&cause.text, image.digest().trim_start_matches("sha256:"));
        assert_allowed(&subject.judge(&policy, &image).await, "where it belongs");
    }
    Ok(())
}

#[tokio::test]
async fn a_good_signature_counts_among_bad_ones_wherever_it_stands() {
    let (signer, other, subject) = (Key::new(), Key::new(), Subject::new());
    let policy = only(&key("a", &signer.pem()));
    for position in 0..3 {
        let fake = Fake::start().await;
        let layers: Vec<_> =
            (0..3).map(|n| if n == position { signer.layer(n) } else { other.layer(n) }).collect();
        fake.publish_layers(&layers);
        assert_allowed(&subject.judge(&policy, fake.image()).await, format!("layer {position}"));
        let fake = Fake::start().await;
        let mut bundles: Vec<_> = (0..3).map(|n| other.bundle(n)).collect();
        bundles[position] = signer.bundle(position);
        fake.publish_bundles(&bundles);
        assert_allowed(&subject.judge(&policy, fake.image()).await, format!("bundle {position}"));
        bundles[position] = b"{}".to_vec();
        fake.publish_bundles(&bundles);
        let cause = only_cause(&subject.judge(&policy, fake.image()).await);
        assert_contains(&cause.text, "bundle signature cannot be read: not a Sigstore bundle");
    }
}
