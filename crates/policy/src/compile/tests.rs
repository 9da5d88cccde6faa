use std::collections::BTreeMap;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use super::*;
use trustwright_verify::Requirements;

use crate::{Attestation, Formats, NoReferences, Place, Signatory, Signed, Wanted};

fn pem() -> String {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem()
}

fn spec(change: impl FnOnce(&mut Value)) -> Policy {
    let mut spec = json!({
        "images": [{"glob": "ghcr.io/example/**"}],
        "authorities": [{"key": {"data": pem()}}],
    });
    change(&mut spec);
    compile("p", &serde_json::from_value(spec).unwrap(), &NoReferences)
}

fn signed(policy: &Policy) -> &Signed {
    let Check::Signed(signed) = &policy.authorities[0].check else { panic!("{:?}", policy.authorities[0]) };
    signed
}

fn speaks_of(policy: &Policy, image: &str) -> bool {
    let labels = BTreeMap::new();
    policy.speaks_of(&Workload { group: "", version: "v1", resource: "pods", labels: &labels }, image)
}

#[test]
fn a_good_policy_compiles_with_the_defaults_of_the_field() {
    let policy = spec(|_| ());
    assert_eq!(policy.not_ready().count(), 0);
    assert_eq!(policy.mode, Mode::Enforce);
    assert_eq!(policy.authorities[0].name, "authority-0");
    let signed = signed(&policy);
    assert!(matches!(signed.signatory, Signatory::Key(_)));
    assert_eq!(signed.formats, Formats { legacy: true, bundle: true });
    assert_eq!((&signed.place, &signed.wanted), (&Place::default(), &Wanted::Signature));
    assert_eq!(signed.requirements, Requirements { log_entry: false, timestamp: false, sct: false });
    assert!(speaks_of(&policy, "ghcr.io/example/app@sha256:00"));
    assert!(!speaks_of(&policy, "ghcr.io/other/app@sha256:00"));
}

#[test]
fn what_cannot_be_read_widens_the_policy_and_never_narrows_it() {
    for (name, policy) in [
        ("bad glob", spec(|spec| spec["images"][0]["glob"] = json!("$FOO*"))),
        (
            "one bad glob of two",
            spec(|spec| spec["images"] = json!([{"glob": "ghcr.io/example/**"}, {"glob": "a b"}])),
        ),
        ("no images", spec(|spec| spec["images"] = json!([]))),
        ("unreadable", Policy::unreadable("p", "bad type")),
    ] {
        assert!(speaks_of(&policy, "ghcr.io/other/app@sha256:00"), "{name}");
        assert_eq!(policy.problems.len(), 1, "{name}");
        assert_eq!(policy.mode, Mode::Enforce, "{name}");
    }
    let policy = spec(|spec| spec["mode"] = json!("audit"));
    assert_eq!((policy.mode, policy.problems[0].field.as_str()), (Mode::Enforce, "spec.mode"));
    let policy = spec(|spec| spec["authorities"] = json!([]));
    assert_eq!(policy.problems[0].field, "spec.authorities");
}

#[test]
fn a_broken_selector_selects_every_object_of_its_kind() {
    let policy = spec(|spec| {
        spec["match"] = json!([{"version": "v1", "resource": "pods", "selector":
            {"matchExpressions": [{"key": "a", "operator": "Near"}]}}]);
    });
    assert!(speaks_of(&policy, "ghcr.io/example/app@sha256:00"));
    assert_eq!(policy.problems[0].field, "spec.match[0].selector");
}

#[test]
fn an_authority_that_cannot_be_used_names_the_field_and_leaves_the_others_alone() {
    for (authority, field) in [
        (json!({"key": {"data": "nonsense"}}), ".key.data"),
        (json!({"key": {"data": pem(), "hashAlgorithm": "md5"}}), ".key.hashAlgorithm"),
        (json!({"key": {"secretRef": {"name": "s"}}}), ".key.secretRef"),
        (json!({"key": {"kms": "awskms:///x"}}), ".key.kms"),
        (
            json!({"key": {"data": pem()}, "attestations": [{"name": "a", "predicateType": "spdx"},
                {"name": "b", "predicateType": "vuln", "policy": {"type": "cue", "data": "x: 1"}}]}),
            ".attestations[1].policy",
        ),
        (
            json!({"key": {"data": pem()}, "attestations": [{"name": "a", "predicateType": ""}]}),
            ".attestations[0].predicateType",
        ),
        (json!({"key": {"data": pem()}, "source": [{"oci": "ghcr.io"}]}), ".source[0].oci"),
        (json!({"key": {"data": pem()}, "source": [{"oci": "ghcr.io/A"}]}), ".source[0].oci"),
        (
            json!({"key": {"data": pem()}, "source": [{"oci": "ghcr.io/a/b"}, {"oci": "ghcr.io/b"}]}),
            ".source",
        ),
        (
            json!({"key": {"data": pem()}, "source": [{"oci": "ghcr.io/a/b", "signaturePullSecrets": [{"name": "s"}]}]}),
            ".source[0].signaturePullSecrets",
        ),
        (json!({"key": {"data": pem()}, "signatureFormat": "bundel"}), ".signatureFormat"),
        (json!({"keyless": {"identities": []}}), ".keyless.identities"),
        (keyless(&json!({"issuer": "i"})), ".keyless.identities[0].subject"),
        (
            keyless(&json!({"issuer": "i", "issuerRegExp": "i", "subject": "s"})),
            ".keyless.identities[0].issuer",
        ),
        (keyless(&json!({"issuer": "i", "subjectRegExp": "("})), ".keyless.identities[0].subjectRegExp"),
        (json!({"keyless": {"ca-cert": {"data": pem()}, "identities": [{}]}}), ".keyless.ca-cert"),
        (json!({"static": {"action": "maybe"}}), ".static.action"),
        (json!({}), ""),
        (json!({"static": {"action": "pass"}, "key": {"data": pem()}}), ""),
    ] {
        let policy =
            spec(|spec| spec["authorities"] = json!([{"static": {"action": "pass"}}, authority.clone()]));
        assert!(policy.problems.is_empty(), "{authority}");
        let found: Vec<_> = policy.not_ready().map(|problem| problem.field.clone()).collect();
        assert_eq!(found, [format!("spec.authorities[1]{field}")], "{authority}");
        assert!(matches!(policy.authorities[0].check, Check::Pass));
    }
    // The neighbours that are fine.
    for authority in [
        json!({"key": {"data": pem(), "hashAlgorithm": " SHA256 "}, "ctlog": {}, "rfc3161timestamp": {}}),
        json!({"key": {"data": pem()}, "signatureFormat": "bundle"}),
        json!({"key": {"data": pem()}, "ctlog": {"url": "https://rekor.example"}}),
        json!({"key": {"data": pem()}, "rfc3161timestamp": {"trustRootRef": "t"}}),
        json!({"key": {"data": pem()}, "attestations": [{"name": "a", "predicateType": "spdx"}]}),
        json!({"key": {"data": pem()}, "source": [{"oci": "ghcr.io/a/b", "tagPrefix": "x-"}]}),
        keyless(&json!({"issuer": "i", "subjectRegExp": "s"})),
        json!({"static": {"action": "fail", "message": "no"}}),
    ] {
        let policy = spec(|spec| spec["authorities"] = json!([authority]));
        assert_eq!(policy.not_ready().count(), 0, "{authority}");
    }
}

fn keyless(identity: &Value) -> Value {
    json!({"keyless": {"identities": [identity]}})
}

#[test]
fn evidence_is_looked_for_where_and_as_what_the_authority_says() {
    let policy = spec(|spec| {
        spec["authorities"][0]["source"] = json!([{"oci": "ghcr.io/example/signatures", "tagPrefix": "x-"}]);
        spec["authorities"][0]["attestations"] = json!([
            {"name": "a", "predicateType": "slsaprovenance"},
            {"name": "b", "predicateType": "https://example.com/v1"},
        ]);
    });
    let Signed { place, wanted, .. } = signed(&policy);
    let expected =
        Place { repository: Some("ghcr.io/example/signatures".parse().unwrap()), tag_prefix: "x-".into() };
    assert_eq!(*place, expected);
    let Wanted::Attestations(attestations) = wanted else { panic!("{wanted:?}") };
    let uris: Vec<_> = attestations.iter().map(|one| (one.name.as_str(), one.uri.as_str())).collect();
    assert_eq!(uris, [("a", "https://slsa.dev/provenance/v0.2"), ("b", "https://example.com/v1")]);
    assert_eq!(attestations[0].predicate_type, "slsaprovenance");
}

#[test]
fn predicate_types_have_the_names_that_cosign_gives_them() {
    for (name, uri) in [
        ("custom", "https://cosign.sigstore.dev/attestation/v1"),
        ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
        ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
        ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
        ("spdx", "https://spdx.dev/Document"),
        ("spdxjson", "https://spdx.dev/Document"),
        ("cyclonedx", "https://cyclonedx.org/bom"),
        ("link", "https://in-toto.io/Link/v1"),
        ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
        ("openvex", "https://openvex.dev/ns"),
        ("SPDX", "SPDX"),
    ] {
        assert_eq!(Attestation::new("a", name).uri, uri);
    }
}
