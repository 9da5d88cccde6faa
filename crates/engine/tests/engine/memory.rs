//! What is remembered, what is asked for once, and what goes on after nobody has time for it.

use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
use serde_json::json;
use tokio::time::{Instant, advance, pause, resume};
use trustwright_core::{Decision, Reason, Verdict};
use trustwright_engine::Counter;
use trustwright_policy::Snapshot;
use trustwright_testkit::{KeyKind, Registry, Signer};

use crate::{
    PATIENCE, Subject, assert_allowed, assert_contains,
    fake::{Fake, Fault, IMAGE, Key},
    key, only, only_cause,
    private::{CHECK, ROOT, private, trusting},
    snapshot,
};

/// Lets time pass at once.
pub(crate) async fn wait(time: Duration) {
    pause();
    advance(time).await;
    resume();
}

pub(crate) fn counts(subject: &Subject) -> [u64; 5] {
    Counter::ALL.map(|counter| subject.engine.metrics().count(counter))
}

#[tokio::test]
async fn what_was_verified_makes_no_request_for_an_hour() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::remembering());
    fake.publish_layers(&[signer.layer(0)]);
    let policy = only(&key("a", &signer.pem()));
    let judge = async || subject.count(&policy, fake.image()).await;
    assert_eq!(judge().await.0, Verdict::Allow);
    assert_eq!(fake.seen().len(), 3);
    assert_eq!(judge().await, (Verdict::Allow, 0));
    // Neither does the same authority of another policy, nor two images of one digest.
    let other = snapshot([("q", json!({"authorities": [key("a", &signer.pem())]}))]);
    assert_eq!(subject.count(&other, fake.image()).await, (Verdict::Allow, 0));
    let tagged = format!("{}/app:v1@{IMAGE}", fake.host());
    assert_eq!(subject.count(&policy, tagged).await, (Verdict::Allow, 0));
    assert_eq!(counts(&subject), [3, 1, 1, 0, 0]);
    assert!(subject.engine.remembered() > 0);
    wait(Duration::from_mins(59)).await;
    assert_eq!(judge().await, (Verdict::Allow, 0));
    wait(Duration::from_mins(1)).await;
    assert_eq!(judge().await.0, Verdict::Allow);
    // Its tag and the signature: where that is, is still known.
    assert_eq!(fake.seen().len(), 5);
}

#[tokio::test]
async fn another_question_is_another_answer() -> Result<()> {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::remembering());
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": CHECK,
        "subject": [{"digest": {"sha256": IMAGE.hex()}}], "predicate": {"passed": true},
    });
    fake.publish_bundles(&[signer.bundle(0), signer.bundle_of(1, &statement)]);
    let base = key("a", &signer.pem());
    assert_allowed(&subject.judge(&only(&base), fake.image()).await, "base");
    let expects = |passed: bool| json!({"expect": {"/predicate/passed": passed}}).to_string();
    let attested = |passed: bool| {
        let policy = json!({"type": "cue", "data": expects(passed)});
        json!([{"name": "n", "predicateType": CHECK, "policy": policy}])
    };
    for (field, good, bad) in [
        ("key", json!({"data": signer.pem()}), json!({"data": Key::new().pem()})),
        ("signatureFormat", json!("bundle"), json!("legacy")),
        (
            "source",
            json!([{"oci": format!("{}/app", fake.host())}]),
            json!([{"oci": format!("{}/b", fake.host())}]),
        ),
        ("attestations", attested(true), attested(false)),
    ] {
        for (value, decision) in [(good, Decision::Allow), (bad, Decision::Deny)] {
            let mut authority = base.clone();
            authority[field] = value;
            for _ in 0..2 {
                let verdict = subject.judge(&only(&authority), fake.image()).await;
                assert_eq!(verdict.decision(), decision, "{authority}");
            }
        }
    }
    // And what is trusted is another answer, in both directions.
    let private = private().await?;
    let before = private.trusted(only(&private.keyless()));
    let after = trusting(only(&private.keyless()), &[(ROOT, &private.rotated)]);
    for (policy, good, bad) in
        [(&before, &private.bundle, &private.renewed), (&after, &private.renewed, &private.bundle)]
    {
        for _ in 0..2 {
            assert_allowed(&subject.judge(policy, good).await, good);
            assert_eq!(subject.judge(policy, bad).await.decision(), Decision::Deny, "{bad}");
        }
        assert_eq!(subject.count(policy, good).await, (Verdict::Allow, 0));
    }
    Ok(())
}

#[tokio::test]
async fn a_signed_digest_in_another_repository_neither_passes_nor_spoils_the_signed_one() -> Result<()> {
    let registry = Registry::with_referrers().await?;
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    let victim = registry.push_image("app", "v1").await?;
    signer.sign_bundle(&victim).await?;
    let evil = registry.copy(&victim, "evil", "v1").await?;
    assert_eq!(evil.digest(), victim.digest());
    let policy = only(&key("a", signer.public_key_pem()));
    for evil_first in [false, true] {
        let subject = Subject::remembering();
        let both =
            if evil_first { [&evil, &victim, &evil, &victim] } else { [&victim, &evil, &victim, &evil] };
        for image in both {
            let verdict = subject.judge(&policy, image).await;
            if image.repository() == victim.repository() {
                assert_allowed(&verdict, "the victim");
            } else {
                assert_eq!(only_cause(&verdict).reason, Reason::NoSignatures);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_is_told_again_for_ten_seconds_and_a_fault_never() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::remembering());
    let policy = only(&key("a", &signer.pem()));
    let refused = subject.judge(&policy, fake.image()).await;
    assert_eq!((only_cause(&refused).reason, fake.seen().len()), (Reason::NoSignatures, 2));
    fake.publish_layers(&[signer.layer(0)]);
    assert_eq!(subject.count(&policy, fake.image()).await, (refused, 0));
    wait(Duration::from_secs(10)).await;
    assert_eq!(subject.count(&policy, fake.image()).await, (Verdict::Allow, 3));

    let (fake, subject) = (Fake::start().await, Subject::remembering());
    fake.publish_layers(&[signer.layer(0)]);
    fake.fail("manifests/", Fault::Status(500, "UNKNOWN"));
    assert_eq!(only_cause(&subject.judge(&policy, fake.image()).await).reason, Reason::RegistryUnavailable);
    fake.fail("nothing", Fault::Silent);
    assert_allowed(&subject.judge(&policy, fake.image()).await, "at once");
}

#[tokio::test]
async fn a_thousand_requests_for_a_new_digest_make_one_fetch() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::remembering());
    fake.publish_layers(&[signer.layer(0)]);
    let policy = only(&key("a", &signer.pem()));
    let verdicts = join_all((0..1000).map(|_| subject.judge(&policy, fake.image()))).await;
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Allow));
    assert_eq!(fake.seen().len(), 3, "{:?}", fake.seen());
    let [hits, misses, flights, joined, late] = counts(&subject);
    assert_eq!((hits + misses, flights, hits + flights + joined, late), (1000, 1, 1000, 0));
}

#[tokio::test]
async fn what_misses_the_deadline_is_denied_and_found_for_the_next_request() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::remembering());
    fake.publish_layers(&[signer.layer(0)]);
    fake.fail("blobs/", Fault::Slow(Duration::from_millis(1500)));
    let policy = only(&key("a", &signer.pem()));
    let patience = Duration::from_millis(700);
    let start = Instant::now();
    let cause = only_cause(&subject.judge_all(&policy, &[fake.image()], patience).await);
    assert!(start.elapsed() < Duration::from_millis(1400), "{:?}", start.elapsed());
    assert_eq!(cause.reason, Reason::DeadlineExceeded);
    assert_contains(&cause.text, "signature key validation failed for authority a for ");
    assert_contains(&cause.text, "no answer in time");
    assert_contains(&cause.hint.unwrap(), format!("the registry {} has to answer", fake.host()));
    // The next one waits for the same flight, and the one after that finds what it has brought.
    assert_allowed(&subject.judge(&policy, fake.image()).await, "the next");
    assert_eq!(subject.count(&policy, fake.image()).await, (Verdict::Allow, 0));
    assert_eq!(fake.seen().len(), 3, "{:?}", fake.seen());
    assert_eq!(counts(&subject), [1, 2, 1, 1, 1]);
}

#[tokio::test]
async fn what_is_settled_before_the_deadline_counts_although_something_else_hangs() {
    let (fake, other, signer) = (Fake::start().await, Fake::start().await, Key::new());
    let subject = Subject::remembering();
    fake.publish_bundles(&[signer.bundle(0)]);
    other.fail("", Fault::Silent);
    let mut elsewhere = key("b", &signer.pem());
    elsewhere["source"] = json!([{"oci": format!("{}/app", other.host())}]);
    let policies = |mode: &str| -> Snapshot {
        snapshot([
            ("p", json!({"authorities": [key("a", &signer.pem())]})),
            ("q", json!({"mode": mode, "authorities": [elsewhere]})),
        ])
    };
    let patience = Duration::from_millis(700);
    let verdict = subject.judge_all(&policies("warn"), &[fake.image()], patience).await;
    let Verdict::Warn(findings) = &verdict else { panic!("{verdict:?}") };
    assert_eq!(findings.first().policy.as_deref(), Some("q"));
    assert_eq!(findings.first().causes.first().reason, Reason::DeadlineExceeded);
    let verdict = subject.judge_all(&policies("enforce"), &[fake.image()], patience).await;
    assert_eq!(only_cause(&verdict).reason, Reason::DeadlineExceeded);
}

#[tokio::test]
async fn flights_end_with_their_engine() {
    let (fake, subject) = (Fake::start().await, Subject::remembering());
    fake.fail("", Fault::Silent);
    let policy = only(&key("a", &Key::new().pem()));
    subject.judge_all(&policy, &[fake.image()], Duration::from_millis(300)).await;
    // It goes on: bundles, and beside them, after half of the time, the legacy tag.
    fake.hangs(2).await;
    let clone = subject.engine.clone();
    drop(subject);
    fake.hangs(2).await;
    drop(clone);
    fake.hangs(0).await;
}

#[tokio::test]
async fn a_rule_is_held_against_what_is_remembered_at_every_request() {
    let signer = Key::new();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": CHECK,
        "subject": [{"digest": {"sha256": IMAGE.hex()}}], "predicate": {},
    });
    let twice = json!({"type": "cue", "data": json!({"complies": 2}).to_string()});
    let mut attested = key("a", &signer.pem());
    attested["attestations"] = json!([{"name": "n", "predicateType": CHECK, "policy": twice}]);
    for (spec, reason) in [
        (json!({"authorities": [attested]}), Reason::AttestationRefused),
        (json!({"authorities": [key("a", &signer.pem())], "policy": twice}), Reason::PolicyRefused),
    ] {
        let (fake, subject) = (Fake::start().await, Subject::remembering());
        fake.publish_bundles(&[signer.bundle(0), signer.bundle_of(1, &statement)]);
        let policy = snapshot([("p", spec)]);
        assert_allowed(&subject.judge_all(&policy, &[fake.image()], PATIENCE).await, "first");
        assert_eq!(subject.count(&policy, fake.image()).await, (Verdict::Allow, 0));
        for _ in 0..2 {
            let cause = only_cause(&subject.judge(&policy, fake.image()).await);
            assert_eq!(cause.reason, reason);
            assert_contains(&cause.text, "no longer");
        }
    }
}
