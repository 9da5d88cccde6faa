use trustwright_testkit::tuf_repository::Repository;

use super::*;

const NOW: &str = "2026-11-01T00:00:00Z";

/// The public-good root with a change.
fn changed(change: impl FnOnce(&mut Value)) -> Result<Loadable, String> {
    let mut root: Value = serde_json::from_slice(&Repository::new().files["trusted_root.json"]).unwrap();
    change(&mut root);
    let now = NOW.parse().unwrap();
    let loaded = trustwright_trust::from_trusted_root_json(root.to_string().as_bytes(), now).unwrap();
    loadable(&loaded.material, now)
}

fn is_ed25519(log: &Value) -> bool {
    log["publicKey"]["keyDetails"] == "PKIX_ED25519"
}

#[test]
fn the_public_good_root_loses_its_ed25519_log_and_what_has_ended() {
    let loadable = changed(|_| ()).unwrap();
    let keys = &loadable.spec["sigstoreKeys"];
    for section in ["certificateAuthorities", "timestampAuthorities", "tLogs", "ctLogs"] {
        assert!(!keys[section].as_array().unwrap().is_empty(), "{section}");
    }
    assert!(loadable.left_out.iter().any(|one| one.ends_with("its key is not ECDSA")), "{loadable:?}");
    assert!(loadable.left_out.iter().any(|one| one.ends_with("has ended")), "{loadable:?}");
    // What is left is loaded in full by those who have the same form.
    let spec = trustwright_roots::read(Some(&loadable.spec)).unwrap();
    let root = trustwright_roots::Root::of_spec(&spec, NOW.parse().unwrap()).unwrap();
    assert!(root.trusted.is_ok() && root.complaints().is_empty(), "{:?}", root.complaints());
}

#[test]
fn a_list_that_would_be_empty_is_refused_and_one_that_is_empty_is_not() {
    let only = |root: &mut Value, wanted: fn(&Value) -> bool| {
        root["tlogs"].as_array_mut().unwrap().retain(wanted);
    };
    let refused = changed(|root| only(root, is_ed25519)).unwrap_err();
    assert!(refused.starts_with("tLogs would be empty"), "{refused}");
    let kept = changed(|root| only(root, |log| !is_ed25519(log))).unwrap();
    assert!(kept.spec["sigstoreKeys"].get("tLogs").is_some());
    let without = changed(|root| root["tlogs"] = json!([])).unwrap();
    assert!(without.spec["sigstoreKeys"].get("tLogs").is_none());
}

#[test]
fn a_key_is_in_it_within_its_window() {
    let windowed = |start: &str, end: &str| {
        let window = json!({"start": start, "end": end});
        changed(|root| root["ctlogs"][0]["publicKey"]["validFor"] = window).unwrap()
    };
    let count = |loadable: &Loadable| loadable.spec["sigstoreKeys"]["ctLogs"].as_array().unwrap().len();
    let within = windowed("2026-01-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let ended = windowed("2026-01-01T00:00:00Z", "2026-10-31T23:59:59Z");
    let not_begun = windowed("2026-11-01T00:00:01Z", "2027-01-01T00:00:00Z");
    assert_eq!([count(&ended), count(&not_begun)], [count(&within) - 1; 2]);
    assert_eq!(not_begun.again, Some("2026-11-01T00:00:01Z".parse().unwrap()));
}

#[test]
fn empty_values_of_their_defaulting_make_no_difference() {
    let wanted = json!({"sigstoreKeys": {"certificateAuthorities": [{"uri": "u"}], "ctLogs": []}});
    let same = json!({"sigstoreKeys": {
        "certificateAuthorities": [{"uri": "u", "certChain": null}], "tLogs": null,
    }});
    assert!(says(&same, &wanted));
    for other in [
        json!({"sigstoreKeys": {"certificateAuthorities": [{"uri": "v"}]}}),
        json!({"sigstoreKeys": {"certificateAuthorities": [{"uri": "u"}, {"uri": "u"}]}}),
        json!({"sigstoreKeys": {"certificateAuthorities": [{"uri": "u"}], "tLogs": [{"baseURL": "b"}]}}),
        json!({"sigstoreKeys": {}}),
        json!({}),
    ] {
        assert!(!says(&other, &wanted), "{other}");
    }
}
