//! What a trust root comes to.

use jiff::SignedDuration;
use serde_json::json;
use trustwright_api::spec::Base64Data;
use trustwright_api::v1alpha1::TrustRootReason as Reason;
use trustwright_roots::{OnExpiry, Root, Rule, SourceKind, Standing, read};
use trustwright_testkit::tuf_repository::Repository;

use crate::support::{BEFORE, END, LAST, at, download};

const KEEP: Rule = Rule { on_expiry: OnExpiry::Keep, max_staleness: None };

#[test]
fn only_what_holds_its_keys_comes_to_something_by_itself() {
    let repository = Repository::new();
    let root = Base64Data::encode(repository.first_root());
    let files = Base64Data::encode(repository.publish().pack(1 << 20).unwrap());
    for (spec, source) in [
        (json!({"remote": {"mirror": "https://m", "root": root}}), None),
        (json!({"trustedRoot": {"data": "{}"}}), None),
        (json!({"sigstoreKeys": {}}), Some(SourceKind::SigstoreKeys)),
        (json!({"repository": {"root": root, "mirrorFS": files}}), Some(SourceKind::Repository)),
    ] {
        let of_spec = Root::of_spec(&read(Some(&spec)).unwrap(), at(BEFORE));
        assert_eq!(of_spec.map(|root| root.source), source, "{spec}");
    }
}

#[test]
fn the_same_keys_have_the_same_fingerprint_from_whatever_source() {
    let repository = Repository::new();
    let text = String::from_utf8(repository.files["trusted_root.json"].clone()).unwrap();
    let spec = json!({"repository": {
        "root": Base64Data::encode(repository.first_root()),
        "mirrorFS": Base64Data::encode(repository.publish().pack(1 << 20).unwrap()),
    }});
    let roots = [
        Root::of_text(&text, at(BEFORE)),
        Root::of_artifact(&download(&repository).unwrap(), KEEP, at(BEFORE)),
        Root::of_spec(&read(Some(&spec)).unwrap(), at(BEFORE)).unwrap(),
    ];
    let fingerprints = roots.each_ref().map(|root| root.trusted.as_ref().unwrap().fingerprint().to_string());
    assert_eq!(fingerprints[0], fingerprints[1]);
    assert_eq!(fingerprints[0], fingerprints[2]);
    assert_eq!(roots.each_ref().map(|root| root.metadata.len()), [0, 4, 4]);
}

#[test]
fn time_takes_it_out_of_force_as_the_rule_says_and_when_it_says() {
    let artifact = download(&Repository::new()).unwrap();
    let stale = Rule { max_staleness: Some(SignedDuration::from_hours(1)), ..KEEP };
    let reject = Rule { on_expiry: OnExpiry::Reject, ..KEEP };
    let (hour, less) = ("2026-09-30T01:00:00Z", "2026-09-30T00:59:59Z");
    for (rule, now, standing, until, refused) in [
        (KEEP, LAST, Standing::Current, None, None),
        (KEEP, END, Standing::Kept, None, None),
        (stale, LAST, Standing::Current, Some(hour), None),
        (stale, less, Standing::Kept, Some(hour), None),
        (stale, hour, Standing::Stale, None, Some(Reason::Stale)),
        (reject, LAST, Standing::Current, Some(END), None),
        (reject, END, Standing::Rejected, None, Some(Reason::Expired)),
    ] {
        let root = Root::of_artifact(&artifact, rule, at(now));
        let reason = root.trusted.as_ref().err().map(|refusal| refusal.reason);
        assert_eq!(
            (root.standing, root.until, reason),
            (standing, until.map(at), refused),
            "{rule:?} at {now}"
        );
        assert_eq!(root.metadata.len(), 4, "the roles are told in any case");
        assert_eq!(root.expired(at(now)).is_some(), standing != Standing::Current);
    }
}

#[test]
fn a_text_without_keys_names_its_field_and_its_cause() {
    for text in ["", "{", "[]", "{}", "<html>", "{\"mediaType\": \"text/html\"}"] {
        let root = Root::of_text(text, at(BEFORE));
        let refusal = root.trusted.unwrap_err();
        assert_eq!(refusal.reason, Reason::NoUsableKeys, "{text}");
        assert_eq!(refusal.source_kind, Some(SourceKind::TrustedRoot));
        let cause = refusal.message.strip_prefix("spec.trustedRoot: ").unwrap();
        assert!(cause.len() > 5, "{text}: {}", refusal.message);
    }
}
