//! `spec.sigstoreKeys`: keys without TUF.

use serde_json::Value;
use trustwright_testkit::public_good::trust_root_manifest;

use crate::fixture::{accepted, folder, refused, trust, trust_reading, write};

#[test]
fn listed_keys_are_inspected_and_never_expire() {
    let folder = folder("keys");
    let manifest = trust_root_manifest().unwrap();
    let path = write(&folder, "keys.json", manifest.to_string());
    let yaml = write(&folder, "keys.yaml", serde_saphyr::to_string(&manifest).unwrap());
    let text = accepted(&["inspect", &path]).out;
    assert!(text.contains("Expires:     never\n"), "{text}");
    assert!(text.contains("not protected by TUF"), "{text}");
    assert!(text.contains("https://rekor.sigstore.dev"), "{text}");
    let report = |path: &str| -> Value {
        serde_json::from_str(&accepted(&["inspect", path, "-o", "json"]).out).unwrap()
    };
    let (one, other) = (report(&path), report(&yaml));
    assert_eq!(one["fingerprint"], other["fingerprint"]);
    assert_eq!(one["keys"], other["keys"]);
    assert_eq!((&one["anchor"], &one["expires"]), (&Value::Null, &Value::Null));
    assert!(one["keys"].as_array().unwrap().iter().all(|key| key["usable"] == true));
    let piped = trust_reading(&["inspect", "-"], std::fs::File::open(&yaml).unwrap());
    assert_eq!(piped.out.replace("manifest stdin", &format!("manifest {path}")).len(), text.len());
    assert!(piped.out.starts_with("Source:      manifest stdin\n"), "{}", piped.out);
    accepted(&["verify", &path]);
    refused(1, &["verify", &path, "--min", "root=1d"], &["no role \"root\", only: none"]);
}

#[test]
fn a_key_that_cannot_be_used_is_shown_with_the_reason() {
    let folder = folder("unusable");
    let mut manifest = trust_root_manifest().unwrap();
    manifest["spec"]["sigstoreKeys"]["tLogs"][0]["publicKey"] = "bm8gUEVN".into();
    let path = write(&folder, "one.json", manifest.to_string());
    let text = accepted(&["inspect", &path]).out;
    assert!(text.contains("UNUSABLE: ") && text.contains("usable\n"), "{text}");

    for section in ["certificateAuthorities", "timestampAuthorities", "ctLogs"] {
        manifest["spec"]["sigstoreKeys"][section] = Value::Null;
    }
    let first = manifest["spec"]["sigstoreKeys"]["tLogs"][0].clone();
    manifest["spec"]["sigstoreKeys"]["tLogs"] = vec![first].into();
    let path = write(&folder, "none.json", manifest.to_string());
    // Shown all the same, and a failure.
    let run = trust(&["inspect", &path]);
    assert!(run.out.contains("UNUSABLE: ") && run.out.contains("none: no key can be used"), "{}", run.out);
    assert_eq!(run.status, 1);
    assert!(run.err.contains("none of the 1 entries is usable"), "{}", run.err);
    refused(1, &["verify", &path], &["none of the 1 entries is usable"]);
}
