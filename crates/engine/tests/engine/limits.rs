//! More signatures than anyone looks at.

use trustwright_core::Reason;

use crate::{
    Subject, assert_allowed, assert_contains,
    fake::{Fake, Key},
    key, only, only_cause,
};

const LIMIT: usize = 64;

#[tokio::test]
async fn sixty_four_signatures_of_a_form_are_looked_at_and_the_rest_is_counted() {
    let (signer, other) = (Key::new(), Key::new());
    for (good, is_seen) in [(0, true), (LIMIT - 1, true), (LIMIT, false)] {
        for is_bundle in [false, true] {
            let (fake, subject) = (Fake::start().await, Subject::new());
            let by = |n| if n == good { &signer } else { &other };
            if is_bundle {
                fake.publish_bundles(&(0..100).map(|n| by(n).bundle(n)).collect::<Vec<_>>());
            } else {
                fake.publish_layers(&(0..100).map(|n| by(n).layer(n)).collect::<Vec<_>>());
            }
            let verdict = subject.judge(&only(&key("a", &signer.pem())), fake.image()).await;
            if is_seen {
                assert_allowed(&verdict, format!("{good} {is_bundle}"));
                continue;
            }
            let cause = only_cause(&verdict);
            assert_eq!(cause.reason, Reason::NoMatchingSignatures);
            let hint = cause.hint.unwrap();
            assert_contains(&hint, "64 signature(s) found");
            assert!(hint.ends_with("; 36 more not looked at"), "{hint}");
            let blobs = fake.seen().iter().filter(|path| path.starts_with("blobs/")).count();
            assert_eq!(blobs, LIMIT);
        }
    }
}

#[tokio::test]
async fn what_fills_the_places_without_being_a_signature_is_counted_too() {
    let (fake, subject) = (Fake::start().await, Subject::new());
    let (signer, junk) = (Key::new(), b"[]".to_vec());
    // Each manifest is another one, for its bundle has another length.
    let mut bundles: Vec<_> = (0..LIMIT).map(|n| [junk.clone(), vec![b' '; n]].concat()).collect();
    bundles.push(signer.bundle(0));
    fake.publish_bundles(&bundles);
    let policy = only(&key("a", &signer.pem()));
    let cause = only_cause(&subject.judge(&policy, fake.image()).await);
    assert_contains(&cause.text, "no matching signatures: bundle signature cannot be read");
    assert_contains(&cause.hint.unwrap(), "1 more not looked at");
    bundles.remove(0);
    fake.publish_bundles(&bundles);
    assert_allowed(&subject.judge(&policy, fake.image()).await, "one place is free");
}
