//! What policies make of what their authorities find.

use anyhow::Result;
use serde_json::{Value, json};
use trustwright_core::{Decision, Reason, Verdict};
use trustwright_policy::{NoMatch, Policy, Settings, Snapshot};

use crate::{
    PATIENCE, Subject, assert_allowed, assert_contains, denied,
    fake::{Fake, IMAGE, Key},
    key, only, only_cause, snapshot,
};

/// A registry with an image that `Key` signed in both forms.
async fn signed() -> (Fake, Key) {
    let (fake, signer) = (Fake::start().await, Key::new());
    fake.publish_bundles(&[signer.bundle(0)]);
    fake.publish_layers(&[signer.layer(0)]);
    (fake, signer)
}

fn policy(authorities: &Value) -> Value {
    json!({"authorities": authorities})
}

fn warning(authorities: &Value) -> Value {
    json!({"mode": "warn", "authorities": authorities})
}

fn policies_of<'a>(findings: impl IntoIterator<Item = &'a trustwright_core::Finding>) -> Vec<&'a str> {
    findings.into_iter().filter_map(|finding| finding.policy.as_deref()).collect()
}

#[tokio::test]
async fn one_authority_that_vouches_is_enough_and_none_names_each() {
    let (fake, signer) = signed().await;
    let (good, bad, worse) = (signer.pem(), Key::new().pem(), Key::new().pem());
    let subject = Subject::new();
    let several = |pems: [&str; 3]| {
        let authorities: Vec<_> =
            pems.iter().zip(["a", "b", "c"]).map(|(pem, name)| key(name, pem)).collect();
        snapshot([("p", policy(&json!(authorities)))])
    };
    assert_allowed(&subject.judge(&several([&bad, &worse, &good]), fake.image()).await, "the third vouches");
    let verdict = subject.judge(&several([&bad, &worse, &bad]), fake.image()).await;
    let findings = denied(&verdict);
    assert_eq!((findings.len(), findings[0].path.as_str()), (1, "spec.containers[0].image"));
    let names: Vec<_> = findings[0].causes.iter().filter_map(|cause| cause.authority.as_deref()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    for cause in findings[0].causes.iter() {
        assert_eq!(cause.reason, Reason::NoMatchingSignatures);
        assert_contains(cause.hint.as_deref().unwrap(), "2 signature(s) found");
    }
}

#[tokio::test]
async fn an_authority_that_cannot_be_used_does_not_keep_another_from_vouching() {
    let (fake, signer) = signed().await;
    let subject = Subject::new();
    let broken = key("broken", "nonsense");
    let with = |other: &str| snapshot([("p", policy(&json!([broken, key("b", other)])))]);
    assert_allowed(&subject.judge(&with(&signer.pem()), fake.image()).await, "b vouches");
    let verdict = subject.judge(&with(&Key::new().pem()), fake.image()).await;
    let reasons: Vec<_> = denied(&verdict)[0].causes.iter().map(|cause| cause.reason).collect();
    assert_eq!(reasons, [Reason::AuthorityNotReady, Reason::NoMatchingSignatures]);
}

#[tokio::test]
async fn every_policy_that_matches_must_pass() {
    let (fake, signer) = signed().await;
    let subject = Subject::new();
    let two = |second: &str| {
        snapshot([
            ("p1", policy(&json!([key("a", &signer.pem())]))),
            ("p2", policy(&json!([key("a", second)]))),
        ])
    };
    assert_allowed(&subject.judge(&two(&signer.pem()), fake.image()).await, "both pass");
    let verdict = subject.judge(&two(&Key::new().pem()), fake.image()).await;
    assert_eq!(policies_of(denied(&verdict)), ["p2"]);
}

#[tokio::test]
async fn a_policy_in_warn_mode_warns_beside_one_that_passes_and_beside_one_that_denies() {
    let (fake, signer) = signed().await;
    let subject = Subject::new();
    let bad = Key::new().pem();
    let two = |enforced: &str| {
        // In both orders of names, for the order is that of the findings.
        snapshot([
            ("a-warn", warning(&json!([key("a", &bad)]))),
            ("enforce", policy(&json!([key("a", enforced)]))),
            ("z-warn", warning(&json!([key("a", &bad)]))),
        ])
    };
    let Verdict::Warn(findings) = subject.judge(&two(&signer.pem()), fake.image()).await else {
        panic!("no warning")
    };
    assert_eq!(policies_of(findings.iter()), ["a-warn", "z-warn"]);
    let Verdict::Deny { findings, warnings } = subject.judge(&two(&bad), fake.image()).await else {
        panic!("not denied")
    };
    assert_eq!(policies_of(findings.iter()), ["enforce"]);
    assert_eq!(policies_of(&warnings), ["a-warn", "z-warn"]);
}

#[tokio::test]
async fn static_authorities_are_judged_in_radio_silence() {
    let (fake, signer) = signed().await;
    let subject = Subject::new();
    let pass = json!({"name": "pass", "static": {"action": "pass"}});
    let fail = json!({"name": "fail", "static": {"action": "fail", "message": "not this one"}});
    let (verdict, requests) = subject.count(&only(&pass), fake.image()).await;
    assert_eq!((verdict.decision(), requests), (Decision::Allow, 0));
    let beside_a_key = snapshot([("p", policy(&json!([key("a", &signer.pem()), pass])))]);
    let (verdict, requests) = subject.count(&beside_a_key, fake.image()).await;
    assert_eq!((verdict.decision(), requests), (Decision::Allow, 0));
    let (verdict, requests) = subject.count(&only(&fail), fake.image()).await;
    let cause = only_cause(&verdict);
    assert_eq!((cause.reason, requests), (Reason::StaticFail, 0));
    assert_eq!(cause.text, "disallowed by static policy: not this one");
    assert_eq!(fake.seen(), Vec::<String>::new());
    // One field away: with a key alone, the registry is asked.
    let (verdict, requests) = subject.count(&only(&key("a", &signer.pem())), fake.image()).await;
    assert_eq!(verdict, Verdict::Allow);
    assert!(requests > 0 && !fake.seen().is_empty());
}

#[tokio::test]
async fn broken_policies_deny_in_radio_silence_and_claim_nothing_of_signatures() {
    let (fake, signer) = signed().await;
    let subject = Subject::new();
    let keys = json!([key("a", &signer.pem())]);
    let with = |field: &str, value: Value| {
        let mut spec = policy(&keys);
        spec[field] = value;
        snapshot([("p", spec)])
    };
    let unreadable = Snapshot {
        policies: [("p".to_owned(), Policy::unreadable("p", "bad type").into())].into(),
        ..Snapshot::default()
    };
    for (name, snapshot, field) in [
        ("mode", with("mode", json!("audit")), "spec.mode"),
        ("glob", with("images", json!([{"glob": "$FOO*"}])), "spec.images[0].glob"),
        ("no authority", with("authorities", json!([])), "spec.authorities"),
        ("policy", with("policy", json!({"type": "cue", "data": "x"})), "spec.policy"),
        ("unreadable", unreadable, "spec"),
    ] {
        let (verdict, requests) = subject.count(&snapshot, fake.image()).await;
        let cause = only_cause(&verdict);
        assert_eq!((cause.reason, requests), (Reason::PolicyNotReady, 0), "{name}");
        assert_eq!(cause.text, "failed to process policy: p", "{name}");
        assert!(cause.hint.unwrap().starts_with(field), "{name}");
    }
    let (verdict, requests) = subject.count(&only(&key("a", "nonsense")), fake.image()).await;
    let cause = only_cause(&verdict);
    assert_eq!((cause.reason, requests), (Reason::AuthorityNotReady, 0));
    assert_eq!(cause.text, "failed to process authority: a");
    assert_allowed(&subject.judge(&with("mode", json!("enforce")), fake.image()).await, "a good mode");
}

#[tokio::test]
async fn an_image_that_no_policy_matches_is_judged_by_the_setting_in_radio_silence() {
    let (fake, signer) = signed().await;
    let subject = Subject::new();
    let with = |glob: String, no_match| {
        let spec = json!({"images": [{"glob": glob}], "authorities": [key("a", &signer.pem())]});
        Snapshot { settings: Settings { no_match }, ..snapshot([("p", spec)]) }
    };
    let elsewhere = || "ghcr.io/example/**".to_owned();
    let (verdict, requests) = subject.count(&with(elsewhere(), NoMatch::Deny), fake.image()).await;
    let cause = only_cause(&verdict);
    assert_eq!((cause.reason, requests), (Reason::NoMatchingPolicy, 0));
    assert_eq!(cause.text, "no matching policies");
    assert_eq!(Settings::default().no_match, NoMatch::Deny);
    for (no_match, decision) in [(NoMatch::Warn, Decision::Warn), (NoMatch::Allow, Decision::Allow)] {
        let (verdict, requests) = subject.count(&with(elsewhere(), no_match), fake.image()).await;
        assert_eq!((verdict.decision(), requests), (decision, 0));
    }
    let here = with(format!("{}/*", fake.host()), NoMatch::Deny);
    assert_allowed(&subject.judge(&here, fake.image()).await, "a glob that matches");
}

#[tokio::test]
async fn what_is_not_named_by_digest_is_denied_whatever_the_policies_say() {
    let (fake, _) = signed().await;
    let subject = Subject::new();
    let pass = Snapshot {
        settings: Settings { no_match: NoMatch::Allow },
        ..only(&json!({"static": {"action": "pass"}}))
    };
    let tagged = format!("{}/app:v1", fake.host());
    for (image, reason, text) in [
        (tagged.clone(), Reason::NotADigest, format!("invalid value: {tagged} must be an image digest")),
        ("nginx".to_owned(), Reason::NotADigest, "invalid value: nginx must be an image digest".to_owned()),
        ("in@valid".to_owned(), Reason::InvalidReference, "could not parse reference: in@valid".to_owned()),
        (String::new(), Reason::InvalidReference, "could not parse reference: ".to_owned()),
    ] {
        let (verdict, requests) = subject.count(&pass, &image).await;
        let cause = only_cause(&verdict);
        assert_eq!((cause.reason, cause.text, requests), (reason, text, 0), "{image}");
    }
    assert_allowed(&subject.judge(&pass, format!("{tagged}@{IMAGE}")).await, "the tag with its digest");
}

#[tokio::test]
async fn one_bad_image_of_many_denies_and_every_place_is_named() -> Result<()> {
    let (fake, signer) = signed().await;
    let subject = Subject::new();
    let policy = only(&key("a", &signer.pem()));
    let other = format!("{}/app@sha256:{}", fake.host(), "0a".repeat(32));
    let images = [fake.image(), other.clone(), fake.image(), other];
    let verdict = subject.judge_all(&policy, &images, PATIENCE).await;
    let paths: Vec<_> = denied(&verdict).iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["spec.containers[1].image", "spec.containers[3].image"]);
    // The future is one that a server can run.
    let good = [fake.image(), fake.image()];
    let verdict = tokio::spawn(async move { subject.judge_all(&policy, &good, PATIENCE).await }).await?;
    assert_allowed(&verdict, "two good images");
    Ok(())
}
