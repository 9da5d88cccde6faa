//! The default root is ours, whatever stands in the object that shows it.

use std::time::Duration;

use serde_json::{Value, json};
use trustwright_api::spec::Base64Data;
use trustwright_roots::{
    DEFAULT_MIRROR, DEFAULT_NAME, DefaultRoot, EMBEDDED_ROOT, OnExpiry, Source, SourceKind, Spec, Text,
    anchored, read,
};
use trustwright_trust::tuf::{self, Archive, Expiry, Floor, Limits, Request, TufError};

use crate::support::{BEFORE, at};

fn ours() -> DefaultRoot {
    let mirror = DEFAULT_MIRROR.parse().unwrap();
    DefaultRoot { mirror, root: EMBEDDED_ROOT.to_vec(), embedded: true }
}

fn spec(spec: &Value) -> Spec {
    read(Some(spec)).unwrap()
}

/// What somebody else would like to have asked.
fn theirs() -> Value {
    json!({
        "remote": {
            "mirror": "https://evil.example", "root": Base64Data::encode("{}"), "trustedRootTarget": "evil.json",
            "refreshInterval": "1m", "caBundle": {"data": "a certificate"},
        },
        "onExpiry": "Reject",
    })
}

#[test]
fn the_object_says_how_the_mirror_is_asked_and_never_which_or_from_where_trust_starts() {
    let acted_on = anchored(spec(&theirs()), DEFAULT_NAME, Some(&ours())).unwrap();
    let Source::Remote(remote) = acted_on.source else { panic!("a mirror it stays") };
    assert_eq!(remote.mirror.as_str(), "https://tuf-repo-cdn.sigstore.dev/");
    assert_eq!(remote.anchor.root, EMBEDDED_ROOT);
    assert_eq!(remote.anchor.target, "trusted_root.json", "another target is another trust root");
    assert_eq!(remote.refresh_interval, Duration::from_mins(1));
    assert_eq!(remote.ca_bundle, Some(Text::Inline("a certificate".to_owned())));
    assert_eq!(acted_on.rule.on_expiry, OnExpiry::Reject);
}

#[test]
fn any_other_object_is_taken_as_it_is_written() {
    let written = spec(&theirs());
    for (name, default) in [("trustwright-default2", Some(&ours())), ("other", None)] {
        assert_eq!(anchored(written.clone(), name, default).unwrap(), written);
    }
    // Else whoever may write trust roots could take the place of the default root where there is none.
    let refusal = anchored(written, DEFAULT_NAME, None).unwrap_err();
    assert!(refusal.message.contains("which is disabled"), "{refusal}");
}

#[test]
fn an_object_of_that_name_with_keys_of_its_own_is_refused() {
    let keys = spec(&json!({"trustedRoot": {"data": "{}"}}));
    let refusal = anchored(keys.clone(), DEFAULT_NAME, Some(&ours())).unwrap_err();
    assert_eq!(refusal.source_kind, Some(SourceKind::TrustedRoot));
    assert!(refusal.message.contains("expected spec.remote"), "{refusal}");
    assert_eq!(anchored(keys.clone(), "other", Some(&ours())).unwrap(), keys);
}

#[test]
fn the_embedded_root_is_one_that_signs_itself() {
    let (floor, limits) = (Floor::default(), Limits::default());
    let outcome = |root: &[u8]| {
        let request = Request { expiry: Expiry::Keep, ..Request::new(root, &floor, &limits, at(BEFORE)) };
        tuf::verify(&request, &Archive::default()).unwrap_err()
    };
    let failure = outcome(EMBEDDED_ROOT);
    assert!(matches!(&failure.error, TufError::Missing { file } if file == "timestamp.json"), "{failure}");
    assert_eq!(failure.floor.root, 15);
    let text = std::str::from_utf8(EMBEDDED_ROOT).unwrap();
    let forged = text.replacen("\"version\": 15", "\"version\": 16", 1);
    assert_ne!(forged, text);
    let failure = outcome(forged.as_bytes());
    assert!(matches!(failure.error, TufError::Threshold { .. }), "{failure}");
}
