//! Every kind of key, both forms, registries with and without the referrers API.

use anyhow::{Context as _, Result};
use trustwright_core::Reason;
use trustwright_testkit::{KeyKind, Registry, Signer, registry::Image};
use trustwright_verify::Form;

use crate::{Subject, assert_allowed, assert_contains, key, only, only_cause};

async fn sign(signer: &Signer, image: &Image, form: Form) -> Result<()> {
    match form {
        Form::Legacy => signer.sign_legacy(image).await,
        Form::Bundle => signer.sign_bundle(image).await,
    }
}

/// A key admits what it signed, in each form, and nothing else.
async fn a_key_admits_what_it_signed(kind: KeyKind, registry: &Registry) -> Result<()> {
    let subject = Subject::new();
    let signer = Signer::new(kind).await?;
    let other = Signer::new(kind).await?;
    for form in [Form::Legacy, Form::Bundle] {
        let tag = format!("{kind:?}-{form:?}").to_lowercase();
        let image = registry.push_image("app", &tag).await?;
        let unsigned = registry.push_image("app", &format!("{tag}-unsigned")).await?;
        sign(&signer, &image, form).await?;
        let (own, others) =
            (only(&key("a", signer.public_key_pem())), only(&key("a", other.public_key_pem())));
        let verdict = subject.judge(&own, &image).await;
        if (kind, form) == (KeyKind::Ed25519, Form::Bundle) {
            // Cosign writes Ed25519ph here, and refuses it itself.
            let cause = only_cause(&verdict);
            assert_eq!(cause.reason, Reason::NoMatchingSignatures);
            assert_contains(
                &cause.text,
                "not plain Ed25519 by this key (Ed25519ph, as cosign signs bundles,",
            );
        } else {
            assert_allowed(&verdict, format!("{kind:?} {form:?}"));
        }
        let cause = only_cause(&subject.judge(&others, &image).await);
        assert_eq!(cause.reason, Reason::NoMatchingSignatures, "{kind:?} {form:?}");
        let prefix =
            format!("signature key validation failed for authority a for {image}: no matching signatures: ");
        assert!(cause.text.starts_with(&prefix), "{}", cause.text);
        let hint = cause.hint.context("no hint")?;
        assert_contains(&hint, "authority a: 1 signature(s) found in ");

        let cause = only_cause(&subject.judge(&own, &unsigned).await);
        assert_eq!(cause.reason, Reason::NoSignatures);
        let text =
            format!("signature key validation failed for authority a for {unsigned}: no signatures found");
        assert_eq!(cause.text, text);
        let digest = unsigned.digest();
        let hint = format!(
            "authority a: looked for bundles among the referrers of {digest} and the tag {}.sig in {}/app and found \
             none",
            digest.replace(':', "-"),
            registry.host(),
        );
        assert_eq!(cause.hint, Some(hint));
    }
    Ok(())
}

#[tokio::test]
async fn every_kind_of_key_admits_what_it_signed_where_there_is_a_referrers_api() -> Result<()> {
    let registry = Registry::with_referrers().await?;
    for kind in KeyKind::ALL {
        a_key_admits_what_it_signed(kind, &registry).await.with_context(|| format!("{kind:?}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn every_kind_of_key_admits_what_it_signed_where_there_is_none() -> Result<()> {
    let registry = Registry::without_referrers().await?;
    for kind in KeyKind::ALL {
        a_key_admits_what_it_signed(kind, &registry).await.with_context(|| format!("{kind:?}"))?;
    }
    Ok(())
}
