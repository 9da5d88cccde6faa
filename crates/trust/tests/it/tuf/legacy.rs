//! Repositories without a trusted root target.

use rcgen::PKCS_ECDSA_P256_SHA256;
use serde_json::json;
use trustwright_trust::tuf::{Content, TufError, load};

use super::{accept, refuse};
use crate::support::{key_pem, now, root};
use trustwright_testkit::tuf_repository::Repository;

fn legacy(custom: &[(&str, serde_json::Value)]) -> Repository {
    let mut repository = Repository::new();
    repository.files = [
        ("ctfe.pub".to_owned(), key_pem(&PKCS_ECDSA_P256_SHA256).into_bytes()),
        ("fulcio.crt.pem".to_owned(), root("fulcio").pem().into_bytes()),
        ("rekor.pub".to_owned(), key_pem(&PKCS_ECDSA_P256_SHA256).into_bytes()),
        ("unrelated".to_owned(), b"unrelated".to_vec()),
    ]
    .into();
    repository.custom = custom.iter().map(|(name, custom)| ((*name).to_owned(), custom.clone())).collect();
    repository
}

fn usage(usage: &str, uri: &str) -> serde_json::Value {
    json!({ "sigstore": { "usage": usage, "status": "Expired", "uri": uri } })
}

#[test]
fn keys_with_a_usage_take_the_trusted_roots_place() {
    let repository = legacy(&[
        ("ctfe.pub", usage("CTFE", "https://ct.test")),
        ("fulcio.crt.pem", usage("Fulcio", "https://fulcio.test")),
        ("rekor.pub", usage("Rekor", "https://rekor.test")),
        ("unrelated", usage("Unknown", "https://unrelated.test")),
    ]);
    let verified = accept(&repository, &repository.publish());
    let Content::SigstoreKeys(keys) = &verified.content else { panic!("{:?}", verified.content) };
    assert_eq!(keys.certificate_authorities[0].uri, "https://fulcio.test");
    assert_eq!(keys.t_logs[0].base_url, "https://rekor.test");
    assert_eq!(keys.ct_logs[0].base_url, "https://ct.test");
    let loaded = load(&verified, now()).unwrap();
    assert!(loaded.reports.iter().all(trustwright_trust::KeyReport::is_usable));
    assert_eq!(loaded.reports.len(), 3);
    // What is kept is enough, and the unrelated target is not part of it.
    assert!(verified.archive.files().all(|(path, _)| !path.contains("unrelated")));
    assert_eq!(accept(&repository, &verified.archive), verified);
}

#[test]
fn targets_that_say_nothing_are_passed_over() {
    let said = ("rekor.pub", usage("Rekor", "https://rekor.test"));
    let nothing = [("ctfe.pub", json!("text")), ("fulcio.crt.pem", json!({ "sigstore": { "usage": 5 } }))];
    let repository = legacy(&[nothing.as_slice(), &[said]].concat());
    let verified = accept(&repository, &repository.publish());
    assert_eq!(load(&verified, now()).unwrap().reports.len(), 1);
    let repository = legacy(&nothing);
    let error = refuse(&repository, &repository.publish());
    assert!(matches!(&error, TufError::NoTrustedRoot { target } if target == "trusted_root.json"), "{error}");
}

#[test]
fn a_trusted_root_that_is_there_but_cannot_be_read_is_no_reason_to_fall_back() {
    let mut repository = legacy(&[("rekor.pub", usage("Rekor", "https://rekor.test"))]);
    repository.files.insert("trusted_root.json".to_owned(), b"{}".to_vec());
    let path = repository.target_path("trusted_root.json", b"{}");
    let published = repository.publish().files().filter(|(name, _)| *name != path).collect();
    let error = refuse(&repository, &published);
    assert!(matches!(&error, TufError::Missing { file } if *file == path), "{error}");
}
