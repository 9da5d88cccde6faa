//! Attestations that a policy asks for by their type.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use trustwright_core::{Reason, Verdict};
use trustwright_testkit::{KeyKind, Registry, Signer};

use crate::{
    Subject, assert_allowed, assert_contains,
    fake::{Fake, IMAGE, Key},
    key, only, only_cause,
    private::{CHECK, private},
    snapshot,
};

/// `authority`, which asks for attestations of these types.
fn attested(mut authority: Value, types: &[&str]) -> Value {
    let each =
        types.iter().enumerate().map(|(n, kind)| json!({"name": format!("n{n}"), "predicateType": kind}));
    authority["attestations"] = each.collect();
    authority
}

#[tokio::test]
async fn every_attestation_that_is_listed_has_to_be_there_by_type_or_by_name() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let judge = async |types: &[&str]| {
        let policy = private.trusted(only(&attested(private.keyless(), types)));
        subject.judge(&policy, &private.attested).await
    };
    for there in [&[CHECK][..], &["cyclonedx"], &["https://cyclonedx.org/bom"], &[CHECK, "cyclonedx"]] {
        assert_allowed(&judge(there).await, format!("{there:?}"));
    }
    for (missing, kind) in [(&["spdx"][..], "spdx"), (&[CHECK, "spdx", "cyclonedx"], "spdx")] {
        let cause = only_cause(&judge(missing).await);
        assert_eq!(cause.reason, Reason::NoMatchingAttestations, "{cause:?}");
        let checked =
            if missing.len() == 1 { String::new() } else { format!("https://cyclonedx.org/bom,{CHECK}") };
        assert_eq!(
            cause.text,
            format!(
                "no matching attestations with type {kind}, checked the following predicateTypes: \"{checked}\""
            )
        );
    }
    // An image with a signature has no attestation, and the other way round.
    let policy = private.trusted(only(&attested(private.keyless(), &[CHECK])));
    let cause = only_cause(&subject.judge(&policy, &private.legacy).await);
    assert_eq!(cause.reason, Reason::NoAttestations);
    let text = format!(
        "attestation keyless validation failed for authority a for {}: no matching attestations: ",
        private.legacy
    );
    assert_eq!(cause.text, text);
    let policy = private.trusted(only(&private.keyless()));
    assert_eq!(only_cause(&subject.judge(&policy, &private.attested).await).reason, Reason::NoSignatures);
    Ok(())
}

#[tokio::test]
async fn an_attestation_of_somebody_else_is_refused_with_who_it_is() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let mut other = attested(private.keyless(), &[CHECK]);
    other["keyless"]["identities"][0]["subject"] = json!("other");
    let cause = only_cause(&subject.judge(&private.trusted(only(&other)), &private.attested).await);
    assert_eq!(cause.reason, Reason::WrongIdentity);
    assert_contains(&cause.text, "attestation keyless validation failed for authority a for ");
    assert_contains(&cause.text, "no matching attestations: none of the expected identities matched");
    let hint = cause.hint.context("no hint")?;
    assert_contains(&hint, format!("signed by subject {}", private.subject));
    Ok(())
}

#[tokio::test]
async fn a_key_attests_in_both_forms_and_in_both_kinds_of_registry() -> Result<()> {
    let (signer, other) = (Signer::new(KeyKind::EcdsaP256).await?, Signer::new(KeyKind::EcdsaP256).await?);
    let policy = |signer: &Signer| only(&attested(key("a", signer.public_key_pem()), &[CHECK]));
    for registry in [Registry::with_referrers().await?, Registry::without_referrers().await?] {
        let subject = Subject::new();
        let legacy = registry.push_image("app", "legacy").await?;
        signer.attest_legacy(&legacy, CHECK, r#"{"passed":true}"#).await?;
        let bundle = registry.push_image("app", "bundle").await?;
        signer.attest_bundle(&bundle, CHECK, r#"{"passed":true}"#).await?;
        for (image, form) in [(&legacy, "legacy"), (&bundle, "bundle")] {
            assert_allowed(&subject.judge(&policy(&signer), image).await, form);
            let cause = only_cause(&subject.judge(&policy(&other), image).await);
            assert_eq!(cause.reason, Reason::NoMatchingAttestations, "{form}");
            assert_contains(&cause.text, "attestation key validation failed for authority a for ");
            let mut narrow = attested(key("a", signer.public_key_pem()), &[CHECK]);
            for (format, decision) in [("legacy", form == "legacy"), ("bundle", form == "bundle")] {
                narrow["signatureFormat"] = json!(format);
                let verdict = subject.judge(&only(&narrow), image).await;
                assert_eq!(verdict == Verdict::Allow, decision, "{form} looked for as {format}");
            }
        }
    }
    Ok(())
}

/// What another image's attestation says, and what one without a word about the image does.
#[tokio::test]
async fn an_attestation_counts_for_the_image_that_it_names_only() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::new());
    let policy = only(&attested(key("a", &signer.pem()), &[CHECK]));
    let statement = |digest: &str, kind: &str| {
        signer.bundle_of(
            0,
            &json!({
                "_type": "https://in-toto.io/Statement/v1", "predicateType": kind,
                "subject": [{"digest": {"sha256": digest}}], "predicate": {},
            }),
        )
    };
    fake.publish_bundles(&[statement(&IMAGE.hex(), CHECK)]);
    assert_allowed(&subject.judge(&policy, fake.image()).await, "its own");
    fake.publish_bundles(&[statement(&"0a".repeat(32), CHECK)]);
    let cause = only_cause(&subject.judge(&policy, fake.image()).await);
    assert_eq!(cause.reason, Reason::NoMatchingAttestations);
    assert_contains(&cause.text, "no matching attestations: no matching subject digest found");
    // A type that verified and was not asked for is told.
    fake.publish_bundles(&[statement(&IMAGE.hex(), "https://example.com/check/v2")]);
    let cause = only_cause(&subject.judge(&policy, fake.image()).await);
    assert_eq!(
        cause.text,
        format!(
            "no matching attestations with type {CHECK}, checked the following predicateTypes: \
             \"https://example.com/check/v2\""
        )
    );
    // What cosign v3 writes for a signature can be asked for by its type, as the field does today.
    fake.publish_bundles(&[signer.bundle(0)]);
    let by_type = attested(key("a", &signer.pem()), &["https://sigstore.dev/cosign/sign/v1"]);
    assert_allowed(&subject.judge(&only(&by_type), fake.image()).await, "a signature by its type");
    assert_ne!(subject.judge(&policy, fake.image()).await, Verdict::Allow);
}

#[tokio::test]
async fn signatures_and_attestations_of_one_image_are_listed_once_and_fetched_as_they_are_wanted()
-> Result<()> {
    let registry = Registry::with_referrers().await?;
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    let image = registry.push_image("app", "v1").await?;
    signer.sign_bundle(&image).await?;
    signer.attest_bundle(&image, CHECK, "{}").await?;
    signer.attest_bundle(&image, "cyclonedx", "{}").await?;
    let subject = Subject::new();
    let signature = key("a", signer.public_key_pem());
    let attested = attested(signature.clone(), &[CHECK]);
    subject.judge(&only(&signature), &image).await;
    for (policy, requests) in [
        (only(&signature), 3),
        (only(&attested), 3),
        (
            snapshot([("p", json!({"authorities": [signature]})), ("q", json!({"authorities": [attested]}))]),
            5,
        ),
    ] {
        assert_eq!(subject.count(&policy, &image).await, (Verdict::Allow, requests));
    }
    Ok(())
}

#[tokio::test]
async fn evidence_is_looked_for_in_the_repository_and_under_the_prefix_that_the_source_names() -> Result<()> {
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    for registry in [Registry::with_referrers().await?, Registry::without_referrers().await?] {
        let subject = Subject::new();
        let image = registry.push_image("app", "v1").await?;
        let elsewhere = registry.copy(&image, "signatures", "v1").await?;
        assert_eq!(elsewhere.digest(), image.digest());
        signer.sign_legacy(&elsewhere).await?;
        let mut authority = key("a", signer.public_key_pem());
        assert_eq!(only_cause(&subject.judge(&only(&authority), &image).await).reason, Reason::NoSignatures);
        let source = format!("{}/signatures", registry.host());
        authority["source"] = json!([{"oci": source}]);
        assert_allowed(&subject.judge(&only(&authority), &image).await, "in the other repository");

        let tag = format!("{}.sig", image.digest().replace(':', "-"));
        registry.crane(&["copy", &format!("{source}:{tag}"), &format!("{source}:mine-{tag}")]).await?;
        authority["source"] = json!([{"oci": source, "tagPrefix": "mine-"}]);
        assert_allowed(&subject.judge(&only(&authority), &image).await, "under the prefix");
        authority["source"] = json!([{"oci": source, "tagPrefix": "yours-"}]);
        let cause = only_cause(&subject.judge(&only(&authority), &image).await);
        assert_eq!(cause.reason, Reason::NoSignatures);
        assert_contains(&cause.hint.context("no hint")?, format!("the tag yours-{tag} in {source}"));
    }
    Ok(())
}

#[tokio::test]
async fn an_attestation_may_have_megabytes_and_no_more_than_its_limit() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::new());
    let policy = only(&attested(key("a", &signer.pem()), &[CHECK]));
    let statement = |megabytes: usize| {
        signer.bundle_of(
            0,
            &json!({
                "_type": "https://in-toto.io/Statement/v1", "predicateType": CHECK,
                "subject": [{"digest": {"sha256": IMAGE.hex()}}],
                "predicate": {"padding": "x".repeat(megabytes << 20)},
            }),
        )
    };
    fake.publish_bundles(&[statement(8)]);
    assert_allowed(&subject.judge(&policy, fake.image()).await, "8 MiB, a third more in base64");
    fake.publish_bundles(&[statement(16)]);
    let cause = only_cause(&subject.judge(&policy, fake.image()).await);
    assert_eq!(cause.reason, Reason::RegistryInvalid);
    assert_contains(&cause.text, "answer is larger than the limit of 16777216 bytes");
}
