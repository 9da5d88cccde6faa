//! Log entries and timestamps that a policy asks for, of certificates and of keys.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trustwright_core::Reason;

use crate::{
    Subject, assert_allowed, assert_contains, assert_refused, key, only, only_cause,
    private::{ROOT, private, trusting},
};

#[tokio::test]
async fn a_legacy_signature_counts_with_its_timestamp_and_not_where_a_log_entry_is_asked_for() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let judge =
        async |authority: &Value| subject.judge(&private.trusted(only(authority)), &private.legacy).await;
    assert_allowed(&judge(&private.unlogged()).await, "no log is asked for");
    assert_refused(
        &judge(&private.keyless()).await,
        Reason::UntrustedLogEntry,
        "no matching signatures: signature not found in transparency log",
        "expected an entry of a log of trust root \"private\" beside the signature",
    );
    let mut stamped = private.unlogged();
    stamped["rfc3161timestamp"] = json!({"trustRootRef": ROOT});
    assert_allowed(&judge(&stamped).await, "the timestamp is asked for, and there");
    let mut by_format = private.unlogged();
    by_format["signatureFormat"] = json!("bundle");
    assert_refused(
        &judge(&by_format).await,
        Reason::NoSignatures,
        "no signatures found",
        "looked for bundles",
    );
    Ok(())
}

#[tokio::test]
async fn ctlog_url_asks_for_an_entry_in_the_evidence_and_no_log_is_contacted() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    // The logs of the default root: the private ones, here.
    let roots = [(ROOT, &private.root), ("trustwright-default", &private.root)];
    let with_url = |mut authority: Value| {
        authority["ctlog"] = json!({"url": "http://127.0.0.1:1"});
        trusting(only(&authority), &roots)
    };
    let keyless = with_url(private.unlogged());
    assert_allowed(&subject.judge(&keyless, &private.bundle).await, "there is one");
    assert_refused(
        &subject.judge(&keyless, &private.legacy).await,
        Reason::UntrustedLogEntry,
        "signature not found in transparency log",
        "no log is asked",
    );
    let by_key = with_url(key("a", &private.key_pem));
    assert_allowed(&subject.judge(&by_key, &private.by_key).await, "there is one");
    let cause = only_cause(&subject.judge(&by_key, &private.by_key_alone).await);
    assert_eq!(cause.reason, Reason::UntrustedLogEntry);
    Ok(())
}

#[tokio::test]
async fn a_key_with_a_log_or_a_timestamp_needs_both_the_key_and_what_is_asked_for() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let authority = |pem: &str, more: &[&str]| {
        let mut authority = key("a", pem);
        for field in more {
            authority[*field] = json!({"trustRootRef": ROOT});
        }
        private.trusted(only(&authority))
    };
    let both = ["ctlog", "rfc3161timestamp"];
    let pem = &private.key_pem;
    for (more, good, bad, reason) in [
        (&both[..1], vec![&private.by_key], &private.by_key_alone, Reason::UntrustedLogEntry),
        (&both[..1], vec![], &private.by_key_stamped, Reason::UntrustedLogEntry),
        (
            &both[1..],
            vec![&private.by_key, &private.by_key_stamped],
            &private.by_key_alone,
            Reason::UntrustedTimestamp,
        ),
        (&both, vec![&private.by_key], &private.by_key_stamped, Reason::UntrustedLogEntry),
    ] {
        let policy = authority(pem, more);
        for image in good {
            assert_allowed(&subject.judge(&policy, image).await, format!("{more:?} {image}"));
        }
        let cause = only_cause(&subject.judge(&policy, bad).await);
        assert_eq!(cause.reason, reason, "{more:?} {cause:?}");
        assert_allowed(&subject.judge(&authority(pem, &[]), bad).await, "the key alone");
    }
    let policy = authority(pem, &both[1..]);
    assert_refused(
        &subject.judge(&policy, &private.by_key_alone).await,
        Reason::UntrustedTimestamp,
        "no RFC3161 timestamp found on signature",
        "expected a timestamp by an authority of trust root \"private\" beside the signature",
    );
    let other = crate::fake::Key::new().pem();
    let cause = only_cause(&subject.judge(&authority(&other, &both), &private.by_key).await);
    assert_eq!(cause.reason, Reason::NoMatchingSignatures, "{cause:?}");
    // A key's signature is not a keyless one, nor the other way round.
    let keyless = private.trusted(only(&private.keyless()));
    let text = "no matching signatures: no certificate found on signature";
    let refused = subject.judge(&keyless, &private.by_key).await;
    assert_refused(&refused, Reason::NoMatchingSignatures, text, "signed with a key, expected a certificate");
    let refused = subject.judge(&authority(pem, &both), &private.bundle).await;
    assert_eq!(only_cause(&refused).reason, Reason::NoMatchingSignatures);
    Ok(())
}

#[tokio::test]
async fn the_time_of_day_is_the_callers_and_what_was_signed_after_it_does_not_count() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let policy = private.trusted(only(&private.keyless()));
    let image = [private.bundle.to_string()];
    let now = Timestamp::now();
    let judge = async |hours: i64| {
        let at = now + SignedDuration::from_hours(hours);
        subject.judge_at(&policy, &image, at, crate::PATIENCE).await
    };
    // The certificate is long past by then, and the timestamp says that it was not when it was used.
    for hours in [0, 24 * 30] {
        assert_allowed(&judge(hours).await, hours);
    }
    let text = "unable to verify RFC3161 timestamp bundle: ";
    let cause =
        assert_refused(&judge(-24).await, Reason::UntrustedTimestamp, text, "1 signature(s) found in ");
    assert_contains(&cause.text, "is in the future");
    Ok(())
}
