use serde_json::json;
use trustwright_testkit::tuf_repository::Repository;

use super::*;

const NOW: &str = "2026-11-01T00:00:00Z";

/// The public-good root, and the entry that the other system would make of it.
fn material_and_entry() -> (TrustMaterial, Value) {
    let text = String::from_utf8(Repository::new().files["trusted_root.json"].clone()).unwrap();
    let loaded = trustwright_trust::from_trusted_root_json(text.as_bytes(), NOW.parse().unwrap()).unwrap();
    (loaded.material, serde_json::from_str(&text).unwrap())
}

fn of(entry: &Value) -> Step {
    step(&entry.to_string(), &material_and_entry().0, false)
}

#[test]
fn log_ids_and_windows_make_no_difference() {
    let (_, mut entry) = material_and_entry();
    assert_eq!(of(&entry), Step::Same);
    entry["tlogs"][0]["logId"]["keyId"] = json!("bm90IGl0cyBJRA==");
    entry["certificateAuthorities"][0]["validFor"] = json!({"start": "1970-01-01T00:00:00Z"});
    assert_eq!(of(&entry), Step::Same);
}

#[test]
fn what_is_missing_and_what_is_too_much_is_named() {
    let (material, mut entry) = material_and_entry();
    let authority = entry["certificateAuthorities"].as_array_mut().unwrap().remove(0);
    let Step::Differs(missing) = of(&entry) else { panic!("in step") };
    assert!(missing.starts_with("it does not trust CertificateAuthority"), "{missing}");
    entry["certificateAuthorities"].as_array_mut().unwrap().push(authority);
    assert_eq!(of(&entry), Step::Same);
    entry["ctlogs"].as_array_mut().unwrap().push(json!({
        "baseUrl": "https://other.example", "publicKey": {"rawBytes": "AAAA"},
    }));
    assert_eq!(of(&entry), Step::Differs("it still trusts CtLog \"https://other.example\"".to_owned()));
    // With keys that we cannot use, it may have more than we do.
    assert_eq!(step(&entry.to_string(), &material, true), Step::Same);
}

#[test]
fn what_cannot_be_read_is_not_in_step() {
    let (material, _) = material_and_entry();
    for entry in ["", "[]", r#"{"tlogs":[{"publicKey":{"rawBytes":"?"}}]}"#] {
        let Step::Differs(why) = step(entry, &material, false) else { panic!("in step: {entry}") };
        assert_eq!(why, "what it has loaded cannot be read", "{entry}");
    }
    assert_eq!(step("{}", &TrustMaterial::default(), false), Step::Same);
}

#[test]
fn a_long_list_is_cut() {
    let names: Vec<String> = (0..7).map(|n| n.to_string()).collect();
    assert_eq!(listed(&names), "0, 1, 2, 3, 4 and 2 more");
    assert_eq!(listed(&names[..2]), "0, 1");
}
