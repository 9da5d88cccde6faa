//! Policies over attestations, and over what the authorities of a whole policy found.

use std::{sync::atomic::Ordering, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use trustwright_core::{Digest, Reason, Verdict};
use trustwright_policy::Snapshot;
use trustwright_testkit::{KeyKind, Registry, Signer};

use crate::{
    Circumstances, PATIENCE, Subject, assert_allowed, assert_contains, denied,
    fake::{Fake, IMAGE, INDEX, Key, MANIFEST},
    key,
    languages::COUNTED,
    only, only_cause,
    private::{CHECK, private},
    snapshot,
};

/// An authority whose attestation of this type has to comply with a script.
fn ruled(mut authority: Value, kind: &str, script: &Value) -> Value {
    let policy = json!({"type": "cue", "data": script.to_string()});
    authority["attestations"] = json!([{"name": "check", "predicateType": kind, "policy": policy}]);
    authority
}

fn statement(kind: &str, predicate: &Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": kind,
        "subject": [{"name": "app", "digest": {"sha256": IMAGE.hex()}}], "predicate": predicate,
    })
}

fn expects(pointer: &str, value: &Value) -> Value {
    json!({"expect": {pointer: value}})
}

/// A policy of these authorities whose rule is the script.
fn whole(authorities: &[Value], script: &Value, fields: &Value) -> Snapshot {
    let mut policy = json!({"type": "cue", "data": script.to_string()});
    policy.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    snapshot([("p", json!({"authorities": authorities, "policy": policy}))])
}

fn passes() -> Value {
    json!({"name": "s", "static": {"action": "pass"}})
}

#[tokio::test]
async fn an_attestation_counts_if_its_statement_complies_and_else_says_why_not() -> Result<()> {
    let (signer, other) = (Signer::new(KeyKind::EcdsaP256).await?, Signer::new(KeyKind::EcdsaP256).await?);
    let registry = Registry::with_referrers().await?;
    for is_bundle in [false, true] {
        let subject = Subject::new();
        let image = registry.push_image("app", &format!("v{is_bundle}")).await?;
        if is_bundle {
            signer.attest_bundle(&image, CHECK, r#"{"passed":true}"#).await?;
        } else {
            signer.attest_legacy(&image, CHECK, r#"{"passed":true}"#).await?;
        }
        let policy =
            |signer: &Signer, script: &Value| only(&ruled(key("a", signer.public_key_pem()), CHECK, script));
        let passed = |value: bool| expects("/predicate/passed", &json!(value));
        assert_allowed(&subject.judge(&policy(&signer, &passed(true)), &image).await, is_bundle);
        let cause = only_cause(&subject.judge(&policy(&signer, &passed(false)), &image).await);
        assert_eq!(cause.reason, Reason::AttestationRefused);
        assert_eq!(
            cause.text,
            "failed evaluating cue policy for check: /predicate/passed: true is not false"
        );
        assert_contains(&cause.hint.unwrap(), "1 of them good, and refused by the policy over its statement");
        // What somebody else has attested to is not looked at.
        let cause = only_cause(&subject.judge(&policy(&other, &passed(true)), &image).await);
        assert_eq!(cause.reason, Reason::NoMatchingAttestations);
    }
    Ok(())
}

#[tokio::test]
async fn one_statement_that_complies_is_enough_and_of_several_refusals_the_first_is_told() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::new());
    let bundle = |n: usize| signer.bundle_of(n, &statement(CHECK, &json!({"n": n})));
    fake.publish_bundles(&[bundle(1), bundle(2), bundle(3)]);
    let policy = |n: usize| only(&ruled(key("a", &signer.pem()), CHECK, &expects("/predicate/n", &json!(n))));
    assert_allowed(&subject.judge(&policy(3), fake.image()).await, "the third");
    let cause = only_cause(&subject.judge(&policy(4), fake.image()).await);
    assert_eq!(cause.text, "failed evaluating cue policy for check: /predicate/n: 1 is not 4");
    // What each of two attestations asks for may be in different statements.
    let two = |second: usize| {
        let mut authority = ruled(key("a", &signer.pem()), CHECK, &expects("/predicate/n", &json!(1)));
        let other = ruled(json!({}), CHECK, &expects("/predicate/n", &json!(second)));
        authority["attestations"].as_array_mut().unwrap().push(other["attestations"][0].clone());
        only(&authority)
    };
    assert_allowed(&subject.judge(&two(2), fake.image()).await, "1 and 2");
    assert_eq!(only_cause(&subject.judge(&two(9), fake.image()).await).reason, Reason::AttestationRefused);
}

#[tokio::test]
async fn what_is_no_consent_refuses_and_leaves_the_next_request_alone() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::new());
    fake.publish_bundles(&[signer.bundle_of(0, &statement(CHECK, &json!({})))]);
    let attested = |script: &Value| only(&ruled(key("a", &signer.pem()), CHECK, script));
    let ruled = |script: &Value| whole(&[passes()], script, &json!({}));
    for (script, refused, text) in [
        (json!({"warning": "mind the gap"}), None, "warning: mind the gap"),
        (json!({"exhausted": true}), Some(Reason::EvaluationExhausted), "out of memory"),
        (json!({"panic": true}), Some(Reason::EvaluationExhausted), "the evaluation broke off"),
    ] {
        for (policy, reason, name) in [
            (attested(&script), Reason::AttestationRefused, "check"),
            (ruled(&script), Reason::PolicyRefused, "ClusterImagePolicy"),
        ] {
            let cause = only_cause(&subject.judge(&policy, fake.image()).await);
            assert_eq!(cause.reason, refused.unwrap_or(reason));
            let prefix = format!("failed evaluating cue policy for {name}: ");
            let prefix = if refused.is_some() { prefix.as_str() } else { "" };
            assert!(cause.text.starts_with(&format!("{prefix}{text}")), "{}", cause.text);
        }
        assert_allowed(&subject.judge(&attested(&json!({})), fake.image()).await, "the next");
        assert_allowed(&subject.judge(&ruled(&json!({})), fake.image()).await, "the next");
    }
}

#[tokio::test]
async fn an_evaluation_that_takes_too_long_denies_in_time() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::new());
    fake.publish_bundles(&[signer.bundle_of(0, &statement(CHECK, &json!({})))]);
    let patience = Duration::from_millis(800);
    for deaf in [false, true] {
        let script = json!({"sleep": 3_000, "deaf": deaf});
        for policy in
            [only(&ruled(key("a", &signer.pem()), CHECK, &script)), whole(&[passes()], &script, &json!({}))]
        {
            let start = Instant::now();
            let verdict = subject.judge_all(&policy, &[fake.image()], patience).await;
            assert!(start.elapsed() < patience + Duration::from_millis(1500), "{:?}", start.elapsed());
            let reason = only_cause(&verdict).reason;
            assert!(
                matches!(reason, Reason::DeadlineExceeded | Reason::EvaluationExhausted),
                "{reason:?} of {script}"
            );
        }
    }
}

#[tokio::test]
async fn an_alias_gives_the_statement_its_fixed_form_and_its_uri_does_not() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::new());
    let uri = "https://cosign.sigstore.dev/attestation/vuln/v1";
    fake.publish_bundles(&[signer.bundle_of(0, &statement(uri, &json!({"x": 1, "scanner": {"uri": "s"}})))]);
    let authority = || key("a", &signer.pem());
    let typed = json!({"expect": {
        "/predicate/x": null, "/predicate/scanner/db/version": "", "/predicate/scanner/uri": "s",
        "/subject/0/name": "app", "/predicateType": uri,
    }});
    let generic = json!({"expect": {"/predicate/x": 1, "/predicate/scanner": {"uri": "s"}}});
    for (kind, script, complies) in
        [("vuln", &typed, true), ("vuln", &generic, false), (uri, &generic, true), (uri, &typed, false)]
    {
        let verdict = subject.judge(&only(&ruled(authority(), kind, script)), fake.image()).await;
        assert_eq!(verdict == Verdict::Allow, complies, "{kind} {verdict:?}");
    }
}

#[tokio::test]
async fn a_rule_is_given_everything_that_every_authority_found() {
    let (fake, signer, other, subject) = (Fake::start().await, Key::new(), Key::new(), Subject::new());
    let (payload, signature) = signer.layer(0);
    fake.publish_layers(&[other.layer(1), (payload, signature.clone()), signer.layer(2)]);
    let attested = signer.bundle_of(0, &statement(CHECK, &json!({})));
    let digests = fake.publish_bundles(&[signer.bundle(0), attested]);
    let authorities = [
        passes(),
        key("a", &signer.pem()),
        key("none", &Key::new().pem()),
        ruled(key("b", &signer.pem()), CHECK, &json!({})),
    ];
    let id = sha256(&signature);
    let of_nothing = sha256(b"");
    for (pointer, value) in [
        ("/authorityMatches/s", json!({"static": true})),
        // The bundle comes first, then both layers.
        ("/authorityMatches/a/signatures/1", json!({"id": id})),
        ("/authorityMatches/a/signatures/3", json!(null)),
        ("/authorityMatches/none", json!(null)),
        (
            "/authorityMatches/b",
            json!({"attestations": {"check": [
                {"id": of_nothing, "predicateType": CHECK, "digest": digests[1].to_string()},
            ]}}),
        ),
        ("/config", json!(null)),
        ("/spec", json!(null)),
    ] {
        let policy = whole(&authorities, &expects(pointer, &value), &json!({}));
        assert_allowed(&subject.judge(&policy, fake.image()).await, pointer);
    }
    let policy = whole(&authorities, &expects("/authorityMatches/a/signatures/2", &json!(null)), &json!({}));
    let verdict = subject.judge(&policy, fake.image()).await;
    let texts: Vec<_> = denied(&verdict)[0].causes.iter().map(|cause| cause.text.clone()).collect();
    assert_contains(&texts[0], "signature key validation failed for authority none");
    assert_contains(
        &texts[1],
        "failed evaluating cue policy for ClusterImagePolicy: /authorityMatches/a/signatures/2",
    );
}

fn sha256(bytes: &[u8]) -> String {
    Digest::from_bytes(Sha256::digest(bytes).into()).hex()
}

#[tokio::test]
async fn a_rule_has_no_say_where_no_authority_vouches_and_only_warns_in_warn_mode() {
    let (fake, subject) = (Fake::start().await, Subject::new());
    let counted = json!({"counted": true});
    let policy = whole(&[key("a", &Key::new().pem())], &counted, &json!({}));
    let before = COUNTED.load(Ordering::Relaxed);
    assert_eq!(only_cause(&subject.judge(&policy, fake.image()).await).reason, Reason::NoSignatures);
    assert_eq!(COUNTED.load(Ordering::Relaxed), before);
    assert_allowed(&subject.judge(&whole(&[passes()], &counted, &json!({})), fake.image()).await, "one does");
    assert_eq!(COUNTED.load(Ordering::Relaxed), before + 1);

    let rule = json!({"type": "rego", "data": json!({"warning": "w"}).to_string()});
    let warns = snapshot([("p", json!({"mode": "warn", "authorities": [passes()], "policy": rule}))]);
    let Verdict::Warn(findings) = subject.judge(&warns, fake.image()).await else { panic!("no warning") };
    assert_eq!(findings.first().causes.first().text, "warning: w");
}

#[tokio::test]
async fn a_rule_is_given_the_workload_that_it_asks_for() {
    let (fake, subject) = (Fake::start().await, Subject::new());
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "strategy": {}},
    });
    for (field, pointer, value) in [
        ("includeSpec", "/spec", json!({"replicas": 2})),
        ("includeObjectMeta", "/metadata/name", json!("web")),
        ("includeTypeMeta", "/typemeta/kind", json!("Deployment")),
    ] {
        for (asked, value) in [(true, value), (false, json!(null))] {
            let policy = whole(&[passes()], &expects(pointer, &value), &json!({field: asked}));
            let circumstances = Circumstances { object: Some(&object), ..Circumstances::default() };
            assert_allowed(&subject.judge_in(&policy, &[fake.image()], circumstances).await, field);
        }
    }
}

#[tokio::test]
async fn a_rule_is_given_who_signed_keyless() -> Result<()> {
    let private = private().await?;
    let pointer = "/authorityMatches/a/signatures/0/subject";
    for (subject, complies) in [(private.subject.as_str(), true), ("other", false)] {
        let policy = whole(&[private.keyless()], &expects(pointer, &json!(subject)), &json!({}));
        let verdict = Subject::new().judge(&private.trusted(policy), &private.bundle).await;
        assert_eq!(verdict == Verdict::Allow, complies, "{verdict:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_rule_is_given_the_configuration_of_every_platform() -> Result<()> {
    let fetch = json!({"fetchConfigFile": true});
    let registry = Registry::with_referrers().await?;
    let image = registry.push_image("app", "v1").await?;
    let config = registry.crane(&["config", &image.to_string()]).await?;
    let config: Value = serde_json::from_str(&config)?;
    // An image that crane makes names no platform.
    let policy = whole(&[passes()], &expects("/config/", &config), &fetch);
    let subject = Subject::new();
    assert_allowed(&subject.judge(&policy, &image).await, "its configuration");
    assert_eq!(subject.count(&policy, &image).await, (Verdict::Allow, 2));

    let (fake, subject) = (Fake::start().await, Subject::new());
    let child = |platform: &str| {
        let (os, architecture) = platform.split_once('/').unwrap();
        let config = json!({"os": os, "architecture": architecture, "config": {"User": platform}});
        let config = fake.put_blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        fake.put_manifest(&json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}))
    };
    let index = |children: &[Value]| {
        fake.put_manifest(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}))
    };
    let judge = async |top: &Value, pointer: &str, value: &str| {
        let image = format!("{}/app@{}", fake.host(), top["digest"].as_str().unwrap());
        subject.judge(&whole(&[passes()], &expects(pointer, &json!(value)), &fetch), image).await
    };
    let both = index(&[child("linux/amd64"), index(&[child("linux/arm64")])]);
    assert_allowed(&judge(&both, "/config/linux~1amd64/config/User", "linux/amd64").await, "a child");
    assert_allowed(&judge(&both, "/config/linux~1arm64/config/User", "linux/arm64").await, "a grandchild");
    let cause = only_cause(&judge(&both, "/config/linux~1arm64/config/User", "root").await);
    assert_eq!(cause.reason, Reason::PolicyRefused);

    let strange = fake.put_manifest(&json!({"schemaVersion": 2, "mediaType": "text/plain"}));
    let (mut deep, mut well) = (child("linux/amd64"), child("linux/amd64"));
    for n in 0..6 {
        deep = index(&[deep]);
        if n < 4 {
            well = index(&[well]);
        }
    }
    let many = |count: usize| index(&(0..count).map(|n| child(&format!("linux/{n}"))).collect::<Vec<_>>());
    let missing = index(&[json!({"mediaType": MANIFEST, "digest": IMAGE.to_string(), "size": 1})]);
    for (top, text) in [
        (&strange, "unknown mime type for "),
        (&deep, "has more than 64 manifests, or indexes 4 deep"),
        (&many(64), "has more than 64 manifests, or indexes 4 deep"),
        (&missing, "failed to get ref "),
    ] {
        let cause = only_cause(&judge(top, "/config/none", "").await);
        assert_eq!(cause.reason, Reason::RegistryInvalid, "{}", cause.text);
        assert_contains(&cause.text, text);
    }
    assert_allowed(&judge(&well, "/config/linux~1amd64/os", "linux").await, "four deep");
    assert_allowed(&judge(&many(63), "/config/linux~162/os", "linux").await, "64 manifests");
    Ok(())
}

#[tokio::test]
async fn a_megabyte_of_statement_is_evaluated() {
    let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::new());
    let large = json!({"list": vec![json!({"name": "x".repeat(50), "n": 1.5}); 15_000]});
    fake.publish_bundles(&[signer.bundle_of(0, &statement(CHECK, &large))]);
    let script = expects("/predicate/list/14999/n", &json!(1.5));
    let policy = only(&ruled(key("a", &signer.pem()), CHECK, &script));
    assert_allowed(&subject.judge_all(&policy, &[fake.image()], PATIENCE).await, "large");
}
