//! Sources that are not in a status.

use trustwright_testkit::public_good;

use super::*;

fn trusted_root() -> Vec<u8> {
    Repository::new().files[TRUSTED_ROOT_TARGET].clone()
}

#[test]
fn keys_and_repositories_come_from_the_spec_and_never_from_the_status() {
    let repository = Repository::new();
    let archive = packed(&repository);
    let in_spec = json!({"repository": {
        "root": STANDARD.encode(repository.first_root()), "mirrorFS": archive, "targets": "targets",
    }});
    let keys = json!({"sigstoreKeys": public_good::sigstore_keys(&trusted_root()).unwrap()});
    let text = json!({"trustedRoot": {"data": String::from_utf8(trusted_root()).unwrap()}});
    let stranger = packed(&next(&repository));
    for spec in [in_spec, keys, text] {
        let mut replica = Replica::new();
        replica.apply(&object(&spec));
        let expected = replica.trusts("r");
        let told = with(object(&spec), "/status", json!({"repository": stranger}));
        assert_eq!(replica.apply(&told), 0, "there is nothing to do about it");
        assert_eq!(replica.trusts("r"), expected);
        assert!(replica.index.roots()["r"].metadata.iter().all(|role| role.version == 1));
    }
}

#[test]
fn a_spec_without_a_source_is_known_with_its_fault() {
    let mut replica = Replica::new();
    replica.apply(&object(&json!({})));
    let (reason, message) = replica.refuses("r");
    assert_eq!(reason, TrustRootReason::InvalidSpec);
    assert!(message.starts_with("expected exactly one, got neither"), "{message}");
}

#[test]
fn a_trusted_root_follows_the_entry_that_it_names() {
    for (field, kind) in [("configMapRef", EntryKind::ConfigMap), ("secretRef", EntryKind::Secret)] {
        let spec = json!({"trustedRoot": {field: {"name": "n", "key": "k"}}});
        let mut replica = Replica::new();
        replica.apply(&object(&spec));
        let (reason, message) = replica.refuses("r");
        assert_eq!(reason, TrustRootReason::InvalidReference);
        assert!(message.contains("key \"k\" of ") && message.contains("is not there"), "{message}");

        replica.namespace.put(kind, "n", "other", &trusted_root());
        assert_eq!(replica.settle(), 0);
        replica.namespace.put(kind, "n", "k", &trusted_root());
        assert_eq!(replica.settle(), 1);
        let first = replica.trusts("r");
        let second = next(&Repository::new()).files[TRUSTED_ROOT_TARGET].clone();
        replica.namespace.put(kind, "n", "k", &second);
        assert_eq!(replica.settle(), 1);
        assert_ne!(replica.trusts("r"), first);

        for (bad, reason) in
            [(&b"\xff"[..], TrustRootReason::InvalidReference), (b"<html>", TrustRootReason::NoUsableKeys)]
        {
            replica.namespace.put(kind, "n", "k", bad);
            replica.settle();
            assert_eq!(replica.refuses("r").0, reason);
        }
    }
}
