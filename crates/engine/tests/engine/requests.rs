//! How many requests a verdict takes: of an image named by digest, without authentication.

use anyhow::Result;
use serde_json::{Value, json};
use trustwright_core::{Reason, Verdict};
use trustwright_registry::{Operation, Outcome};
use trustwright_testkit::{KeyKind, Registry, Signer, registry::Image};

use crate::{
    PATIENCE, Subject, assert_refused,
    fake::{Fake, Key},
    key, only, snapshot,
};

struct Signed {
    signer: Signer,
    legacy: Image,
    bundle: Image,
    unsigned: Image,
}

async fn sign(registry: &Registry) -> Result<Signed> {
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    let legacy = registry.push_image("app", "legacy").await?;
    signer.sign_legacy(&legacy).await?;
    let bundle = registry.push_image("app", "bundle").await?;
    signer.sign_bundle(&bundle).await?;
    let unsigned = registry.push_image("app", "unsigned").await?;
    Ok(Signed { signer, legacy, bundle, unsigned })
}

#[tokio::test]
async fn at_most_three_requests_find_a_signature_where_there_is_a_referrers_api() -> Result<()> {
    let registry = Registry::with_referrers().await?;
    let Signed { signer, legacy, bundle, unsigned } = sign(&registry).await?;
    let subject = Subject::new();
    let policy = only(&key("a", signer.public_key_pem()));
    subject.judge(&policy, &unsigned).await;
    assert_eq!(subject.count(&policy, &bundle).await, (Verdict::Allow, 3));
    // What cosign signs under a tag says nothing but the image's name and digest, and is not read.
    assert_eq!(subject.count(&policy, &legacy).await, (Verdict::Allow, 2));
    // Now that the repository is known for legacy tags, they are read first.
    assert_eq!(subject.count(&policy, &legacy).await, (Verdict::Allow, 1));
    assert_eq!(subject.count(&policy, &unsigned).await.1, 2);
    Ok(())
}

#[tokio::test]
async fn at_most_four_requests_find_a_signature_where_there_is_none() -> Result<()> {
    let registry = Registry::without_referrers().await?;
    let Signed { signer, legacy, bundle, unsigned } = sign(&registry).await?;
    let subject = Subject::new();
    let policy = only(&key("a", signer.public_key_pem()));
    // Nothing proves yet that the whole registry lacks the API, so it is asked each time.
    subject.judge(&policy, &unsigned).await;
    assert_eq!(subject.count(&policy, &legacy).await, (Verdict::Allow, 3));
    assert_eq!(subject.count(&policy, &unsigned).await.1, 3);
    // Tags are read first in a repository that is signed under tags alone; the first bundle in it costs a request more.
    assert_eq!(subject.count(&policy, &bundle).await, (Verdict::Allow, 5));
    let subject = Subject::new();
    subject.judge(&policy, &unsigned).await;
    assert_eq!(subject.count(&policy, &bundle).await, (Verdict::Allow, 4));
    // A bundle under the fallback's tag has proved it.
    let asked = |subject: &Subject| subject.client.metrics().requests(Operation::Referrers);
    let before = asked(&subject);
    assert_eq!(subject.count(&policy, &bundle).await, (Verdict::Allow, 3));
    assert_eq!(subject.count(&policy, &legacy).await, (Verdict::Allow, 2));
    assert_eq!(subject.count(&policy, &unsigned).await.1, 2);
    assert_eq!(asked(&subject), before);
    Ok(())
}

#[tokio::test]
async fn twenty_five_keys_make_no_more_requests_than_one() -> Result<()> {
    let registry = Registry::with_referrers().await?;
    let Signed { signer, legacy, bundle, unsigned } = sign(&registry).await?;
    let subject = Subject::new();
    let mut keys: Vec<Value> = (0..24).map(|n| key(&format!("a{n}"), &Key::new().pem())).collect();
    keys.push(key("a24", signer.public_key_pem()));
    let in_one = snapshot([("p", json!({"authorities": keys}))]);
    subject.judge(&in_one, &unsigned).await;
    for (image, most) in [(&bundle, 3), (&legacy, 2)] {
        assert_eq!(subject.count(&in_one, image).await, (Verdict::Allow, most), "{image}");
    }
    // Neither do policies, each of which wants its own look at the evidence.
    let in_many = snapshot([
        ("p1", json!({"authorities": keys})),
        ("p2", json!({"authorities": [key("a", signer.public_key_pem())]})),
        ("p3", json!({"mode": "warn", "authorities": keys[..24]})),
    ]);
    for (image, most) in [(&bundle, 4), (&legacy, 2)] {
        let (verdict, requests) = subject.count(&in_many, image).await;
        assert!(matches!(verdict, Verdict::Warn(_)), "{verdict:?}");
        assert_eq!(requests, most, "{image}");
    }
    Ok(())
}

#[tokio::test]
async fn a_payload_that_follows_from_the_image_is_not_fetched_and_any_other_is() {
    let (signer, other) = (Key::new(), Key::new());
    let policy = only(&key("a", &signer.pem()));
    for (by, repository, is_allowed, blobs) in [
        (&signer, "app", true, 0),
        (&other, "app", false, 0),
        // Signed in another repository, and copied.
        (&signer, "app2", true, 1),
        (&signer, "apq", true, 1),
    ] {
        let (fake, subject) = (Fake::start().await, Subject::new());
        fake.publish_layers(&[by.plain_layer(&format!("{}/{repository}", fake.host()))]);
        let verdict = subject.judge(&policy, fake.image()).await;
        assert_eq!(verdict == Verdict::Allow, is_allowed, "{repository}: {verdict:?}");
        let seen = fake.seen();
        assert_eq!(seen.iter().filter(|path| path.starts_with("blobs/")).count(), blobs, "{seen:?}");
        if !is_allowed {
            assert_refused(&verdict, Reason::NoMatchingSignatures, "", "");
        }
    }
}

#[tokio::test]
async fn an_image_that_stands_in_many_places_is_asked_for_once() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::new());
    fake.publish_layers(&[signer.layer(0)]);
    let policy = only(&key("a", &signer.pem()));
    let verdict = subject.judge_all(&policy, &vec![fake.image(); 20], PATIENCE).await;
    assert_eq!((verdict, fake.seen().len()), (Verdict::Allow, 3));
}

#[tokio::test]
async fn what_is_settled_is_not_looked_into_further() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::new());
    let policy = only(&key("a", &signer.pem()));
    let bundles: Vec<_> = (0..60).map(|n| signer.bundle(n)).collect();
    fake.publish_bundles(&bundles);
    fake.publish_layers(&[signer.layer(0)]);
    assert_eq!(subject.judge(&policy, fake.image()).await, Verdict::Allow);
    let seen = fake.seen();
    // The referrers, and a manifest and a blob of those eight that are under way, and what takes their place.
    assert!(seen.len() <= 1 + 2 * 9, "{seen:?}");
    assert!(!seen.contains(&crate::fake::tag()), "{seen:?}");
    assert_eq!(subject.client.metrics().count(Operation::Blob, Outcome::NotFound), 0);
}
