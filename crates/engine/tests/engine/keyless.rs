//! Keyless signatures, and keys with logs and timestamps, as cosign makes them with a private Sigstore.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use trustwright_core::{Reason, Verdict};
use trustwright_registry::Operation;

use crate::{
    Subject, assert_allowed, assert_contains, assert_refused, key, only, only_cause,
    private::{ROOT, private, trusting, with_other_log, without},
    snapshot,
};

/// `authority` with `value` at `path`.
fn with(mut authority: Value, path: &str, value: Value) -> Value {
    *authority.pointer_mut(path).unwrap() = value;
    authority
}

#[tokio::test]
async fn a_bundle_admits_whoever_the_policy_accepts_and_nobody_else() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let judge =
        async |authority: Value| subject.judge(&private.trusted(only(&authority)), &private.bundle).await;
    let identity = |identity: Value| with(private.keyless(), "/keyless/identities/0", identity);
    let (issuer, name) = (&private.issuer, &private.subject);
    for accepted in [
        json!({"issuer": issuer, "subject": name}),
        json!({"issuerRegExp": "^https://", "subjectRegExp": "/serviceaccounts/default$"}),
        json!({"issuerRegExp": ".*", "subject": name}),
    ] {
        assert_allowed(&judge(identity(accepted.clone())).await, accepted);
    }
    for (other, expected) in [
        (
            json!({"issuer": "https://issuer.example", "subject": name}),
            format!("subject {name} of issuer https://issuer.example"),
        ),
        (json!({"issuer": issuer, "subject": "x"}), format!("subject x of issuer {issuer}")),
        (
            json!({"issuer": issuer, "subjectRegExp": "^namespaces"}),
            format!("subject /^namespaces/ of issuer {issuer}"),
        ),
    ] {
        let text = format!(
            "signature keyless validation failed for authority a for {}: no matching signatures: none of the expected \
             identities matched what was in the certificate, got subjects [{name}] with issuer {issuer}",
            private.bundle
        );
        let hint = format!("signed by subject {name} of issuer {issuer}, expected {expected}");
        assert_refused(&judge(identity(other)).await, Reason::WrongIdentity, &text, &hint);
    }
    // One of several is enough.
    let several = json!([{"issuer": "i", "subject": "s"}, {"issuer": issuer, "subject": name}]);
    assert_allowed(&judge(with(private.keyless(), "/keyless/identities", several)).await, "the second");
    Ok(())
}

#[tokio::test]
async fn scts_have_to_be_by_a_trusted_log_unless_they_are_ignored() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let other = with_other_log(&private.root, "ctlogs");
    let policy = |authority: &Value| trusting(only(authority), &[(ROOT, &other)]);
    assert_refused(
        &subject.judge(&policy(&private.keyless()), &private.bundle).await,
        Reason::UntrustedCertificate,
        "ctfe public key not found for payload",
        "expected an SCT by a log of trust root \"private\" (spec.trustedRoot, which changes by hand only), or \
         insecureIgnoreSCT",
    );
    let mut ignored = private.keyless();
    ignored["keyless"]["insecureIgnoreSCT"] = json!(true);
    assert_allowed(&subject.judge(&policy(&ignored), &private.bundle).await, "ignored");
    Ok(())
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_was_rotated_away_is_refused() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let before = private.trusted(only(&private.keyless()));
    let after = trusting(only(&private.keyless()), &[(ROOT, &private.rotated)]);
    for (policy, good, bad) in
        [(&before, &private.bundle, &private.renewed), (&after, &private.renewed, &private.bundle)]
    {
        assert_allowed(&subject.judge(policy, good).await, "by the authority of that time");
        assert_refused(
            &subject.judge(policy, bad).await,
            Reason::UntrustedCertificate,
            // By nobody trusted, or by nobody who was there at the time.
            "no matching signatures: cert verification failed: ",
            "the certificate is by no authority of trust root \"private\" (spec.trustedRoot, which changes by hand only)",
        );
    }
    Ok(())
}

#[tokio::test]
async fn each_purpose_has_a_root_of_its_own_and_what_is_in_another_does_not_count() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let other_log = with_other_log(&private.root, "tlogs");
    let mut authority = private.keyless();
    authority["ctlog"] = json!({"trustRootRef": "log"});
    let judge = async |log: &Value| {
        let certificates = with_other_log(&private.root, "tlogs");
        let policy = trusting(only(&authority), &[(ROOT, &certificates), ("log", log)]);
        subject.judge(&policy, &private.bundle).await
    };
    assert_allowed(
        &judge(&without(&private.root, "certificateAuthorities")).await,
        "the log's root is asked",
    );
    let cause = assert_refused(
        &judge(&other_log).await,
        Reason::UntrustedLogEntry,
        "no matching signatures: log ",
        "is not in trust root \"log\" (spec.trustedRoot, which changes by hand only)",
    );
    assert_contains(&cause.text, "is not in the trust root");
    Ok(())
}

#[tokio::test]
async fn a_trust_root_that_is_missing_refuses_with_that_cause_and_in_radio_silence() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let judge = async |roots: &[(&str, &Value)]| {
        subject.count(&trusting(only(&private.keyless()), roots), &private.bundle).await
    };
    // So that plain HTTP is known.
    subject.judge(&private.trusted(only(&private.keyless())), &private.renewed).await;
    let (verdict, requests) = judge(&[("other", &private.root)]).await;
    let text = "constructing checkOpts for a: getting Fulcio certs: a: trustRootRef private not found";
    let hint = "authority a cannot be used: spec.authorities[0].keyless.trustRootRef: trustRootRef private not found";
    assert_refused(&verdict, Reason::TrustRootNotReady, text, hint);
    assert_eq!(requests, 0);
    let (verdict, requests) = judge(&[(ROOT, &json!({}))]).await;
    let hint = "spec.authorities[0].ctlog.trustRootRef: nothing of trust root \"private\" is in force: ";
    assert_refused(&verdict, Reason::TrustRootNotReady, "nothing of trust root", hint);
    assert_eq!(requests, 0);
    let (verdict, _) = judge(&[(ROOT, &without(&private.root, "certificateAuthorities"))]).await;
    assert_refused(
        &verdict,
        Reason::TrustRootNotReady,
        "has no certificate authority",
        "has no certificate authority",
    );
    let (verdict, requests) = judge(&[(ROOT, &private.root)]).await;
    assert_eq!((verdict, requests), (Verdict::Allow, 3));
    // It keeps no other authority from vouching.
    let policy = snapshot([("p", json!({"authorities": [private.keyless(), key("b", &private.key_pem)]}))]);
    assert_allowed(&subject.judge(&policy, &private.by_key_alone).await, "b vouches");
    Ok(())
}

#[tokio::test]
async fn a_policy_that_names_no_root_rests_on_the_default_one() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let mut authority = with(private.unlogged(), "/keyless/trustRootRef", json!(""));
    authority["keyless"]["url"] = json!("https://fulcio.sigstore.dev");
    let policy = |name| trusting(only(&authority), &[(name, &private.root)]);
    assert_allowed(&subject.judge(&policy("trustwright-default"), &private.bundle).await, "the default");
    // The default root's logs vouch, unless something else is named.
    let cause = only_cause(&subject.judge(&policy("trustwright-default"), &private.legacy).await);
    assert_eq!(cause.reason, Reason::UntrustedLogEntry);
    assert_refused(
        &subject.judge(&policy(ROOT), &private.bundle).await,
        Reason::TrustRootNotReady,
        "trustRootRef trustwright-default not found",
        "there is no default trust root here; name one",
    );
    Ok(())
}

#[tokio::test]
async fn the_same_digest_in_another_repository_borrows_nothing_and_spoils_nothing() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let policy = private.trusted(only(&private.keyless()));
    let evil = private.registry.copy(&private.bundle, "evil/x", "v1").await?;
    assert_eq!(evil.digest(), private.bundle.digest());
    let verdict =
        subject.judge_all(&policy, &[evil.to_string(), private.bundle.to_string()], crate::PATIENCE).await;
    let cause = only_cause(&verdict);
    assert_eq!(cause.reason, Reason::NoSignatures);
    assert_contains(
        &cause.hint.context("no hint")?,
        format!("in {}/evil/x and found none", private.registry.host()),
    );
    assert_allowed(&subject.judge(&policy, &private.bundle).await, "the victim");
    // Unless the policy says where signatures are.
    let mut authority = private.keyless();
    authority["source"] = json!([{"oci": format!("{}/app", private.registry.host())}]);
    assert_allowed(&subject.judge(&private.trusted(only(&authority)), &evil).await, "looked for in app");
    Ok(())
}

#[tokio::test]
async fn at_most_three_requests_find_a_keyless_signature_whatever_the_number_of_policies() -> Result<()> {
    let private = private().await?;
    let authority = private.keyless();
    let many: Vec<_> = (0..25)
        .map(|n| {
            let mut other = with(authority.clone(), "/keyless/identities/0/subject", json!(format!("s{n}")));
            other["name"] = json!(format!("a{n}"));
            other
        })
        .chain([authority.clone()])
        .collect();
    let policies = private.trusted(snapshot([
        ("p1", json!({"authorities": many})),
        ("p2", json!({"authorities": [authority]})),
        ("p3", json!({"mode": "warn", "authorities": [private.unlogged()]})),
    ]));
    let subject = Subject::new();
    // So that plain HTTP is known.
    subject.judge(&policies, &private.by_key).await;
    assert_eq!(subject.count(&policies, &private.bundle).await, (Verdict::Allow, 3));
    let unlogged = private.trusted(snapshot([
        ("p1", json!({"authorities": [private.unlogged()]})),
        ("p2", json!({"authorities": [private.unlogged()]})),
    ]));
    assert_eq!(subject.count(&unlogged, &private.legacy).await, (Verdict::Allow, 2));
    // Without the referrers API four, until the tag has proved that there is none.
    let subject = Subject::new();
    let unsigned = private.plain.push_image("app", "unsigned").await?;
    subject.judge(&policies, &unsigned).await;
    let before = subject.client.metrics().requests(Operation::Referrers);
    assert_eq!(subject.count(&policies, &private.plain_bundle).await, (Verdict::Allow, 4));
    assert_eq!(subject.count(&policies, &private.plain_bundle).await, (Verdict::Allow, 3));
    assert_eq!(subject.client.metrics().requests(Operation::Referrers), before + 1);
    Ok(())
}

#[tokio::test]
async fn one_good_signature_of_several_is_enough_and_what_is_left_is_told() -> Result<()> {
    let private = private().await?;
    let subject = Subject::new();
    let by = |name: String| {
        private.trusted(only(&with(private.keyless(), "/keyless/identities/0/subject", json!(name))))
    };
    let other = private.subject.replace("default", "other");
    for name in [private.subject.clone(), other.clone()] {
        assert_allowed(&subject.judge(&by(name.clone()), &private.twice).await, name);
    }
    let verdict = subject.judge(&by("nobody".into()), &private.twice).await;
    let cause = assert_refused(&verdict, Reason::WrongIdentity, &other, "2 signature(s) found in ");
    for name in [&private.subject, &other] {
        assert_contains(cause.hint.as_deref().unwrap(), format!("signed by subject {name} of issuer "));
    }
    Ok(())
}

#[tokio::test]
async fn a_signature_among_the_referrers_as_cosign_once_tried_it_counts_like_one_under_the_tag() -> Result<()>
{
    let private = private().await?;
    let subject = Subject::new();
    let image = &private.by_key_experimental;
    let policy = only(&key("a", &private.key_pem));
    assert_allowed(&subject.judge(&policy, image).await, "the key");
    let mut tags = key("a", &private.key_pem);
    tags["signatureFormat"] = json!("legacy");
    assert_eq!(only_cause(&subject.judge(&only(&tags), image).await).reason, Reason::NoSignatures);
    let other = only(&key("a", &crate::fake::Key::new().pem()));
    let cause = only_cause(&subject.judge(&other, image).await);
    assert_eq!(cause.reason, Reason::NoMatchingSignatures);
    assert_contains(&cause.hint.context("no hint")?, "1 signature(s) found in ");
    Ok(())
}
