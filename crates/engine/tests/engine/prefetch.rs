//! What is looked for before anybody asks for a verdict.

use serde_json::json;
use trustwright_core::{Reason, Verdict};
use trustwright_engine::{Anonymous, CredentialError};

use crate::{
    Subject,
    credentials::Same,
    fake::{Fake, Fault, IMAGE, Key},
    key,
    memory::counts,
    only, only_cause, snapshot,
};

#[tokio::test]
async fn what_is_looked_for_ahead_is_not_waited_for_and_not_looked_for_again() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::remembering());
    fake.publish_layers(&[signer.layer(0)]);
    fake.fail("blobs/", Fault::Silent);
    let policies = snapshot([
        ("p", json!({"authorities": [key("a", &signer.pem())]})),
        ("q", json!({"authorities": [{"name": "s", "static": {"action": "pass"}}]})),
    ]);
    let images = [fake.image(), fake.image(), format!("{}/app:v1@{IMAGE}", fake.host())];
    subject.prefetch(&policies, &images, &Anonymous).await;
    fake.hangs(1).await;
    assert_eq!(counts(&subject), [0, 0, 1, 0, 0]);
    // Once more, as where another webhook has changed the object.
    subject.prefetch(&policies, &images, &Anonymous).await;

    let (fake, subject) = (Fake::start().await, Subject::remembering());
    fake.publish_layers(&[signer.layer(0)]);
    subject.prefetch(&policies, &[fake.image()], &Anonymous).await;
    assert_eq!(subject.judge(&policies, fake.image()).await, Verdict::Allow);
    assert_eq!(fake.seen().len(), 3, "{:?}", fake.seen());
    let [hits, _, flights, joined, late] = counts(&subject);
    assert_eq!((flights, hits + joined, late), (1, 1, 0));
    // Nothing is looked for of what is remembered.
    subject.prefetch(&policies, &[fake.image()], &Anonymous).await;
    assert_eq!((counts(&subject)[2], fake.seen().len()), (1, 3));
}

#[tokio::test]
async fn a_verdict_rests_on_the_policies_that_are_in_force_when_it_falls() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::remembering());
    fake.publish_layers(&[signer.layer(0)]);
    subject.prefetch(&only(&key("a", &signer.pem())), &[fake.image()], &Anonymous).await;
    let changed = only(&key("a", &Key::new().pem()));
    assert_eq!(only_cause(&subject.judge(&changed, fake.image()).await).reason, Reason::NoMatchingSignatures);
}

#[tokio::test]
async fn nothing_is_looked_for_where_nobody_would_ask_or_nobody_knows_what_to_show() {
    let (fake, subject) = (Fake::start().await, Subject::remembering());
    let signed = only(&key("a", &Key::new().pem()));
    let unreadable = Same::new(Err(CredentialError {
        reason: Reason::PullSecretUnusable,
        text: "the secret is no JSON".into(),
    }));
    subject.prefetch(&signed, &[fake.image()], &unreadable).await;
    let images = [format!("{}/app:v1", fake.host()), "in@valid".to_owned()];
    subject.prefetch(&signed, &images, &Anonymous).await;
    for spec in [
        json!({"images": [{"glob": "elsewhere/**"}], "authorities": [key("a", &Key::new().pem())]}),
        json!({"authorities": [{"name": "s", "static": {"action": "pass"}}, key("a", &Key::new().pem())]}),
        json!({"authorities": [key("a", "no key")]}),
    ] {
        subject.prefetch(&snapshot([("p", spec)]), &[fake.image()], &Anonymous).await;
    }
    assert_eq!((counts(&subject), subject.requests()), ([0; 5], 0));
}
