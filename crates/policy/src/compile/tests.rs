use std::collections::BTreeMap;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use super::*;
use std::{sync::Arc, time::Duration};

use trustwright_verify::Requirements;

use crate::{
    Answer, Attestation, CompileError, Formats, Language, NoReferences, Place, Program, Signatory, Signed,
    Wanted,
};

/// CUE in which every text complies that is not called bad, and no other language.
#[derive(Debug)]
struct Lenient;

impl Languages for Lenient {
    fn compile(&self, language: Language, text: &str) -> Result<Arc<dyn Program>, CompileError> {
        match (language, text) {
            (Language::Rego | Language::Cel, _) => Err(CompileError::Unavailable("only CUE".into())),
            (Language::Cue, "bad") => Err(CompileError::Invalid("bad text".into())),
            (Language::Cue, _) => Ok(Arc::new(Self)),
        }
    }
}

impl Program for Lenient {
    fn evaluate(&self, _: &[u8], _: Duration) -> Answer {
        Answer::Compliant
    }
}

fn pem() -> String {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem()
}

fn spec(change: impl FnOnce(&mut Value)) -> Policy {
    let mut spec = json!({
        "images": [{"glob": "ghcr.io/example/**"}],
        "authorities": [{"key": {"data": pem()}}],
    });
    change(&mut spec);
    compile("p", &serde_json::from_value(spec).unwrap(), &NoReferences, &Lenient)
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
                {"name": "b", "predicateType": "vuln", "policy": {"type": "cue", "data": "bad"}}]}),
            ".attestations[1].policy.data",
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
            json!({"key": {"data": pem()}, "source": [{"signaturePullSecrets": [{"name": "s"}, {"name": ""}]}]}),
            ".source[0].signaturePullSecrets[1].name",
        ),
        (json!({"key": {"data": pem()}, "signatureFormat": "bundel"}), ".signatureFormat"),
        (json!({"keyless": {"identities": []}}), ".keyless.identities"),
        (keyless(&json!({"issuer": "i"})), ".keyless.identities[0].subject"),
        (
            keyless(&json!({"issuer": "i", "issuerRegExp": "i", "subject": "s"})),
            ".keyless.identities[0].issuer",
        ),
        (keyless(&json!({"issuer": "i", "subjectRegExp": "("})), ".keyless.identities[0].subjectRegExp"),
        (own(&json!({"data": pem()})), ".keyless.ca-cert.data"),
        (own(&json!({"data": "nonsense"})), ".keyless.ca-cert.data"),
        (own(&json!({"data": authority(false)})), ".keyless.ca-cert.data"),
        (own(&json!({"data": authority(true) + &authority(false)})), ".keyless.ca-cert.data"),
        (own(&json!({"secretRef": {"name": "s"}})), ".keyless.ca-cert.secretRef"),
        (own(&json!({"kms": "awskms:///x"})), ".keyless.ca-cert.kms"),
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
        json!({"key": {"data": pem()}, "source": [{"signaturePullSecrets": [{"name": "s"}, {"name": "t"}]}]}),
        keyless(&json!({"issuer": "i", "subjectRegExp": "s"})),
        json!({"static": {"action": "fail", "message": "no"}}),
        own(&json!({"data": authority(true)})),
        own(&json!({"data": authority(true) + &authority(true)})),
    ] {
        let policy = spec(|spec| spec["authorities"] = json!([authority]));
        assert_eq!(policy.not_ready().count(), 0, "{authority}");
    }
}

fn keyless(identity: &Value) -> Value {
    json!({"keyless": {"identities": [identity]}})
}

/// Keyless by an authority of its own.
fn own(certificates: &Value) -> Value {
    json!({"keyless": {"ca-cert": certificates, "identities": [{"issuer": "i", "subject": "s"}]}})
}

/// A certificate, of an authority or not.
fn authority(may_issue: bool) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = if may_issue { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    params.self_signed(&key).unwrap().pem()
}

#[test]
fn a_key_in_place_of_an_authoritys_certificate_says_what_is_missing() {
    let policy = spec(|spec| spec["authorities"] = json!([own(&json!({"data": pem()}))]));
    let found: Vec<_> = policy.not_ready().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "spec.authorities[0].keyless.ca-cert.data: found a PEM block of type PUBLIC KEY, expected CERTIFICATE; a key \
             alone says neither whom it may certify nor until when: give the authority's certificate"
        ]
    );
}

#[test]
fn evidence_is_looked_for_where_and_as_what_the_authority_says() {
    let policy = spec(|spec| {
        spec["authorities"][0]["source"] = json!([{
            "oci": "ghcr.io/example/signatures", "tagPrefix": "x-", "signaturePullSecrets": [{"name": "b"}, {"name": "a"}],
        }]);
        spec["authorities"][0]["attestations"] = json!([
            {"name": "a", "predicateType": "slsaprovenance"},
            {"name": "b", "predicateType": "https://example.com/v1"},
        ]);
    });
    let Signed { place, wanted, .. } = signed(&policy);
    let expected = Place {
        repository: Some("ghcr.io/example/signatures".parse().unwrap()),
        tag_prefix: "x-".into(),
        pull_secrets: vec!["b".into(), "a".into()],
    };
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
        assert_eq!(Attestation::new("a", name, None).uri, uri);
    }
}

#[test]
fn a_text_that_cannot_be_used_is_told_where_it_stands() {
    let body = |text: &str| BTreeMap::from([("policy".to_owned(), text.to_owned())]);
    let config_map = |name: &str| matches!(name, "good" | "bad").then(|| body(name));
    let references = (|_: &str| None, config_map);
    let inline = |kind: &str, text: &str| json!({"type": kind, "data": text});
    let named = |name: &str| json!({"type": "cue", "configMapRef": {"name": name, "key": "policy"}});
    for (policy, part, field, problem) in [
        (inline("cue", "bad"), Part::Spec, ".data", "does not compile: bad text"),
        (inline("rego", "x"), Part::Spec, ".type", "only CUE"),
        (inline("CUE", "x"), Part::Spec, ".type", "sorry Type CUE is not supported yet"),
        (named("bad"), Part::Policies, ".configMapRef", "does not compile: bad text"),
        (named("none"), Part::Policies, ".configMapRef", "configmap \"none\" not found"),
    ] {
        let attestation = json!([{"name": "a", "predicateType": "spdx", "policy": policy}]);
        for (spec, path) in [
            (json!({"policy": policy, "authorities": [{"key": {"data": pem()}}]}), "spec.policy"),
            (
                json!({"authorities": [{"key": {"data": pem()}, "attestations": attestation}]}),
                "spec.authorities[0].attestations[0].policy",
            ),
        ] {
            let mut spec: ClusterImagePolicySpec = serde_json::from_value(spec).unwrap();
            spec.images = vec![trustwright_api::v1alpha1::ImagePattern { glob: "**".into() }];
            let compiled = compile("p", &spec, &references, &Lenient);
            let found: Vec<_> = compiled.not_ready().cloned().collect();
            let expected = NotReady { part, field: format!("{path}{field}"), problem: problem.to_owned() };
            assert_eq!(found, [expected]);
            assert!(compiled.rule.is_none());
        }
    }
    // The neighbours that are fine.
    for policy in [inline("cue", "good"), named("good")] {
        let compiled = spec_with(&policy, &references);
        assert_eq!(compiled.not_ready().count(), 0, "{policy}");
        assert!(compiled.rule.is_some());
        let Wanted::Attestations(attestations) = &signed(&compiled).wanted else { panic!() };
        assert!(attestations[0].rule.is_some());
    }
}

fn spec_with(policy: &Value, references: &dyn References) -> Policy {
    let attestation = json!([{"name": "a", "predicateType": "spdx", "policy": policy}]);
    let spec = json!({
        "images": [{"glob": "**"}], "policy": policy,
        "authorities": [{"key": {"data": pem()}, "attestations": attestation}],
    });
    compile("p", &serde_json::from_value(spec).unwrap(), references, &Lenient)
}

#[test]
fn a_rule_is_given_what_its_policy_asks_for() {
    let includes = |fields: Value| {
        let mut policy = json!({"type": "cue", "data": "x"});
        policy.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        spec(|spec| spec["policy"] = policy.clone()).includes
    };
    assert_eq!(includes(json!({})), Includes::default());
    assert_eq!(includes(json!({"includeSpec": false})), Includes::default());
    for (field, expected) in [
        ("fetchConfigFile", Includes { config: true, ..Includes::default() }),
        ("includeSpec", Includes { spec: true, ..Includes::default() }),
        ("includeObjectMeta", Includes { metadata: true, ..Includes::default() }),
        ("includeTypeMeta", Includes { type_meta: true, ..Includes::default() }),
    ] {
        assert_eq!(includes(json!({field: true})), expected, "{field}");
    }
}

#[test]
fn authorities_that_ask_something_else_have_another_id() {
    let text = |text: &str| BTreeMap::from([("policy".to_owned(), text.to_owned())]);
    let key = pem();
    let id = |authority: &Value, key: &str, body: &str| {
        let secret = |_: &str| Some(BTreeMap::from([("key".to_owned(), key.as_bytes().to_vec())]));
        let references = (secret, |_: &str| Some(text(body)));
        let spec = json!({"images": [{"glob": "**"}], "authorities": [authority]});
        let policy = compile("p", &serde_json::from_value(spec).unwrap(), &references, &Lenient);
        assert_eq!(policy.not_ready().count(), 0, "{authority}");
        signed(&policy).id
    };
    let base = json!({"key": {"secretRef": {"name": "s"}}, "attestations": [{"name": "a", "predicateType": "spdx",
        "policy": {"type": "cue", "configMapRef": {"name": "c", "key": "policy"}}}]});
    let mut ids = vec![id(&base, &key, "x"), id(&base, &pem(), "x"), id(&base, &key, "y")];
    for (pointer, value) in [
        ("/attestations/0/predicateType", json!("vuln")),
        ("/attestations/0/name", json!("b")),
        ("/source", json!([{"oci": "ghcr.io/a/b"}])),
        ("/source", json!([{"oci": "ghcr.io/a/b", "tagPrefix": "x"}])),
        ("/signatureFormat", json!("bundle")),
        ("/ctlog", json!({"url": "https://rekor.example"})),
        ("/rfc3161timestamp", json!({"trustRootRef": "t"})),
        ("/key/hashAlgorithm", json!("sha512")),
    ] {
        let mut other = base.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        other.pointer_mut(parent).unwrap()[name] = value;
        ids.push(id(&other, &key, "x"));
    }
    assert_eq!(id(&base, &key, "x"), ids[0]);
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
