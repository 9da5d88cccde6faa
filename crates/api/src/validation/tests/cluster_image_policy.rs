use proptest::prelude::*;
use serde_json::{Value, from_value, json};

use super::with;
use crate::field_error::FieldErrors;
use crate::spec::cluster_image_policy::ClusterImagePolicySpec;
use crate::validation::{ValidationSettings, validate_cluster_image_policy};

const KEY: &str = include_str!("../../../testdata/p256.pem");

fn settings() -> ValidationSettings {
    ValidationSettings {
        system_namespace: Some("trustwright-system".to_owned()),
        ..ValidationSettings::default()
    }
}

fn findings(spec: &Value) -> FieldErrors {
    let spec: ClusterImagePolicySpec = from_value(spec.clone()).unwrap();
    validate_cluster_image_policy(&spec, &settings())
}

fn key_policy() -> Value {
    json!({ "images": [{ "glob": "ghcr.io/example/**" }], "authorities": [{ "key": { "data": KEY } }] })
}

fn keyless_policy() -> Value {
    json!({
        "images": [{ "glob": "ghcr.io/example/**" }],
        "authorities": [{
            "keyless": {
                "url": "https://fulcio.sigstore.dev",
                "identities": [{ "issuer": "https://issuer", "subject": "subject" }],
            },
        }],
    })
}

fn static_policy() -> Value {
    json!({ "images": [{ "glob": "**" }], "authorities": [{ "static": { "action": "pass" } }] })
}

/// Asserts that `bad` at `pointer` is refused with exactly this text, and that `good` in its place is accepted.
fn refuses(base: &Value, pointer: &str, bad: Value, expected: &str, good: Value) {
    let errors = findings(&with(base, pointer, bad)).errors();
    assert_eq!(errors.render(), expected, "at {pointer}");
    let neighbour = findings(&with(base, pointer, good));
    assert!(neighbour.is_empty(), "neighbour at {pointer}: {neighbour}");
}

#[test]
fn the_base_policies_are_accepted() {
    for base in [key_policy(), keyless_policy(), static_policy()] {
        assert!(findings(&base).is_empty(), "{}", findings(&base));
    }
}

#[test]
fn images_and_mode() {
    let base = key_policy();
    let images = json!([{ "glob": "a" }]);
    refuses(&base, "/images", json!([]), "missing field(s): spec.images", images.clone());
    refuses(&base, "/images", Value::Null, "missing field(s): spec.images", images);
    let glob = "/images/0/glob";
    let good = json!("ghcr.io/*/a-b_c:*@sha256:**");
    refuses(&base, glob, json!(""), "missing field(s): spec.images[0].glob", good.clone());
    let table = [
        ("$FOO*", "glob is invalid: invalid glob \"$FOO*\""),
        ("[a-z]*", "glob is invalid: invalid glob \"[a-z]*\""),
        (".+", "glob is invalid: invalid glob \".+\""),
        ("[", "glob is invalid: syntax error in pattern"),
        ("a[]", "glob is invalid: syntax error in pattern"),
        ("a*[b-]*", "glob is invalid: syntax error in pattern"),
        ("a\\", "glob is invalid: syntax error in pattern"),
    ];
    for (bad, why) in table {
        refuses(
            &base,
            glob,
            json!(bad),
            &format!("invalid value: {bad}: spec.images[0].glob\n{why}"),
            good.clone(),
        );
    }
    refuses(&base, "/mode", json!("off"), "invalid value: off: spec.mode\nunsupported mode", json!("warn"));
}

#[test]
fn match_entries() {
    let base = with(&key_policy(), "/match", json!([{ "version": "v1", "resource": "pods" }]));
    let expected = "invalid value: nodes: spec.match[0].resource\nunsupported resource name";
    refuses(&base, "/match/0/resource", json!("nodes"), expected, json!("deployments"));
    let anything = ValidationSettings { accept_any_resource: true, ..settings() };
    let spec = from_value(with(&base, "/match/0/resource", json!("nodes"))).unwrap();
    assert!(validate_cluster_image_policy(&spec, &anything).is_empty());

    let selector = json!({ "matchLabels": { "a": "b" } });
    let expected =
        "invalid value: : spec.match[0].selector\nselector requires a resource type to match the labels";
    let good = json!({ "version": "v1", "selector": selector });
    refuses(&base, "/match/0", json!({ "selector": selector }), expected, good);
}

#[test]
fn authorities_are_exactly_one_thing() {
    let base = key_policy();
    let good = json!([{ "static": { "action": "fail" } }]);
    refuses(&base, "/authorities", json!([]), "missing field(s): spec.authorities", good);
    let lenient = ValidationSettings { fail_on_empty_authorities: false, ..settings() };
    let spec = from_value(with(&base, "/authorities", json!([]))).unwrap();
    assert!(validate_cluster_image_policy(&spec, &lenient).is_empty());

    let paths = "spec.authorities[0].key, spec.authorities[0].keyless, spec.authorities[0].static";
    let key = json!({ "data": KEY });
    let neither = format!("expected exactly one, got neither: {paths}");
    refuses(&base, "/authorities/0", json!({ "name": "a" }), &neither, json!({ "name": "a", "key": key }));
    let both = format!("expected exactly one, got both: {paths}");
    // What else is wrong with them is not told.
    for bad in [
        json!({ "key": {}, "keyless": {} }),
        json!({ "key": {}, "static": {} }),
        json!({ "keyless": {}, "static": {} }),
    ] {
        refuses(&base, "/authorities/0", bad, &both, json!({ "key": key }));
    }
}

#[test]
fn keys_come_from_one_place() {
    for (base, pointer, path) in [
        (key_policy(), "/authorities/0/key", "spec.authorities[0].key"),
        (
            with(
                &with(&keyless_policy(), "/authorities/0/keyless/url", Value::Null),
                "/authorities/0/keyless/ca-cert",
                json!({ "data": KEY }),
            ),
            "/authorities/0/keyless/ca-cert",
            "spec.authorities[0].keyless.ca-cert",
        ),
    ] {
        let good = json!({ "data": KEY, "hashAlgorithm": " SHA512 " });
        let paths = format!("{path}.data, {path}.kms, {path}.secretref");
        refuses(
            &base,
            pointer,
            json!({}),
            &format!("expected exactly one, got neither: {paths}"),
            good.clone(),
        );
        let both = format!("expected exactly one, got both: {paths}");
        for bad in [
            json!({ "data": KEY, "kms": "gcpkms://a" }),
            json!({ "data": KEY, "secretRef": { "name": "a" } }),
            json!({ "kms": "gcpkms://a", "secretRef": { "name": "a" } }),
        ] {
            refuses(&base, pointer, bad, &both, good.clone());
        }
        let expected = format!("invalid value: no key: {path}.data");
        refuses(&base, pointer, json!({ "data": "no key" }), &expected, good.clone());
        let expected = format!("invalid value: md5: {path}.hashAlgorithm");
        refuses(&base, pointer, json!({ "data": KEY, "hashAlgorithm": "md5" }), &expected, good);
        let expected = format!(
            "invalid value: other: {path}.secretref.namespace\nsecretref.namespace is invalid. If set, it should use \
             the same namespace where the policy-controller was deployed"
        );
        let secret = |namespace: &str| json!({ "secretRef": { "name": "a", "namespace": namespace } });
        refuses(&base, pointer, secret("other"), &expected, secret("trustwright-system"));
    }
}

#[test]
fn key_types_that_are_accepted() {
    let base = key_policy();
    let accepted = [
        KEY,
        include_str!("../../../testdata/p384.pem"),
        include_str!("../../../testdata/p521.pem"),
        include_str!("../../../testdata/ed25519.pem"),
        include_str!("../../../testdata/rsa.pem"),
        include_str!("../../../testdata/rsa-pkcs1.pem"),
    ];
    for key in accepted {
        for text in [key.to_owned(), format!("before\n{key}after\n"), format!("{key}{KEY}")] {
            let found = findings(&with(&base, "/authorities/0/key/data", json!(text)));
            assert!(found.is_empty(), "{found}");
        }
    }
    let truncated = KEY.replacen("MFkw", "MFgw", 1);
    let refused = [
        include_str!("../../../testdata/p224.pem"),
        include_str!("../../../testdata/leaf-certificate.pem"),
        truncated.as_str(),
    ];
    for key in refused {
        let expected = format!("invalid value: {key}: spec.authorities[0].key.data");
        refuses(&base, "/authorities/0/key/data", json!(key), &expected, json!(KEY));
    }
}

#[test]
fn kms_references() {
    const FORM: &str =
        "kms key should be in the format awskms://[ENDPOINT]/[ID/ALIAS/ARN] (endpoint optional)";
    const PREFIX: &str = "failed to parse either key or alias arn: arn: invalid prefix";
    let base = key_policy();
    let arn = "arn:aws:kms:us-east-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let alias = "arn:aws:kms:us-east-2:111122223333:alias/Example";
    let table = [
        ("foo://bar", "malformed KMS format, should be prefixed by any of the supported providers: [awskms:// azurekms:// hashivault:// gcpkms://]".to_owned()),
        ("awskms://localhost", "malformed AWS KMS format 'awskms://$ENDPOINT/$KEYID', should be conformant with KMS standard documented here: https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id".to_owned()),
        ("awskms:///nope", FORM.to_owned()),
        (&format!("awskms://{arn}"), FORM.to_owned()),
        ("awskms://alias/alias/x", FORM.to_owned()),
        (&format!("awskms://localhost:::4566/{alias}"), "malformed endpoint: address localhost:::4566: too many colons in address".to_owned()),
        (&format!("awskms://localhost/{alias}"), "malformed endpoint: address localhost: missing port in address".to_owned()),
        (&format!("awskms://[::1/{alias}"), "malformed endpoint: address [::1: missing ']' in address".to_owned()),
        (&format!("awskms://[::1]/{alias}"), "malformed endpoint: address [::1]: missing port in address".to_owned()),
        (&format!("awskms://[::1]::1/{alias}"), "malformed endpoint: address [::1]::1: too many colons in address".to_owned()),
        (&format!("awskms://a[b:1/{alias}"), "malformed endpoint: address a[b:1: unexpected '[' in address".to_owned()),
        (&format!("awskms://a]b:1/{alias}"), "malformed endpoint: address a]b:1: unexpected ']' in address".to_owned()),
        ("awskms:///1234abcd-12ab-34cd-56ef-1234567890ab", PREFIX.to_owned()),
        ("awskms:///alias/Example", PREFIX.to_owned()),
    ];
    for (kms, why) in table {
        let expected = format!("invalid value: {kms}: spec.authorities[0].key.kms\n{why}");
        for good in [
            format!("awskms:///{arn}"),
            format!("awskms://localhost:4566/{alias}"),
            format!("awskms://[::1]:4566/{arn}"),
            "azurekms://x".to_owned(),
            "hashivault://x".to_owned(),
            "gcpkms://".to_owned(),
        ] {
            refuses(&base, "/authorities/0/key", json!({ "kms": kms }), &expected, json!({ "kms": good }));
        }
    }
}

#[test]
fn the_authority_of_keyless_is_given_by_its_certificates() {
    let certificate = include_str!("../../../testdata/authority-certificate.pem");
    let own = |data: &str| {
        let base = with(&keyless_policy(), "/authorities/0/keyless/url", Value::Null);
        with(&base, "/authorities/0/keyless/ca-cert", json!({ "data": data }))
    };
    let errors = |policy: Value| {
        let errors = validate_cluster_image_policy(&from_value(policy).unwrap(), &settings());
        errors.to_string()
    };
    // A key alone is what the field asks for; compiling says that it is not enough.
    for good in [certificate.to_owned(), format!("{certificate}{certificate}"), KEY.to_owned()] {
        assert_eq!(errors(own(&good)), "", "{good}");
    }
    for bad in ["x".to_owned(), certificate.replace("MIIB", "MI**"), format!("{certificate}{KEY}")] {
        let found = errors(own(&bad));
        assert!(found.ends_with(": spec.authorities[0].keyless.ca-cert.data"), "{found}");
    }
    // And the key of an authority is no certificate.
    let base = key_policy();
    let expected = format!("invalid value: {certificate}: spec.authorities[0].key.data");
    refuses(&base, "/authorities/0/key/data", json!(certificate), &expected, json!(KEY));
}

#[test]
fn keyless_needs_an_instance_and_identities() {
    let base = keyless_policy();
    let identities = base["authorities"][0]["keyless"]["identities"].clone();
    let keyless = "/authorities/0/keyless";
    let paths = "spec.authorities[0].keyless.ca-cert, spec.authorities[0].keyless.url";
    let good = json!({ "ca-cert": { "data": KEY }, "identities": identities });
    let neither = format!("expected exactly one, got neither: {paths}");
    refuses(&base, keyless, json!({ "identities": identities }), &neither, good.clone());
    let both = format!("expected exactly one, got both: {paths}");
    refuses(&base, keyless, with(&good, "/url", json!("https://a")), &both, good);
    let missing = "missing field(s): spec.authorities[0].keyless.identities";
    for bad in [json!([]), Value::Null] {
        refuses(&base, "/authorities/0/keyless/identities", bad, missing, identities.clone());
    }
    let null = json!({ "url": "https://a", "identities": null });
    refuses(&base, keyless, null, missing, json!({ "url": "https://a", "identities": identities }));
    let expected =
        "invalid value: https://[: spec.authorities[0].keyless.url\nparse \"https://[\": missing ']' in host";
    refuses(&base, "/authorities/0/keyless/url", json!("https://["), expected, json!("x"));
}

#[test]
fn identities_are_exact_or_patterns() {
    let base = keyless_policy();
    let pointer = "/authorities/0/keyless/identities/0";
    let path = "spec.authorities[0].keyless.identities[0]";
    let good = json!({ "issuerRegExp": "^https://.*$", "subject": "s" });
    let table = [
        (json!({ "subject": "s" }), format!("missing field(s): {path}.issuer, {path}.issuerRegExp")),
        (json!({ "issuer": "i" }), format!("missing field(s): {path}.subject, {path}.subjectRegExp")),
        (
            json!({}),
            format!(
                "missing field(s): {path}.issuer, {path}.issuerRegExp, {path}.subject, {path}.subjectRegExp"
            ),
        ),
        (
            json!({ "issuer": "i", "issuerRegExp": "i", "subject": "s" }),
            format!("expected exactly one, got both: {path}.issuer, {path}.issuerRegExp"),
        ),
        (
            json!({ "issuer": "i", "subject": "s", "subjectRegExp": "s" }),
            format!("expected exactly one, got both: {path}.subject, {path}.subjectRegExp"),
        ),
        (
            json!({ "issuerRegExp": "****", "subject": "s" }),
            format!(
                "invalid value: ****: {path}.issuerRegExp\nregex is invalid: error parsing regexp: missing argument to repetition operator: `*`"
            ),
        ),
        (
            json!({ "issuer": "i", "subjectRegExp": "$(" }),
            format!(
                "invalid value: $(: {path}.subjectRegExp\nregex is invalid: error parsing regexp: missing closing ): `$(`"
            ),
        ),
    ];
    for (bad, expected) in table {
        refuses(&base, pointer, bad, &expected, good.clone());
    }
}

#[test]
fn fixed_outcomes_exclude_verification() {
    let base = static_policy();
    let action = "/authorities/0/static/action";
    refuses(&base, action, json!(""), "missing field(s): spec.authorities[0].static.action", json!("fail"));
    let expected = "invalid value: maybe: spec.authorities[0].static.action\nunsupported action";
    refuses(&base, action, json!("maybe"), expected, json!("fail"));

    let all = json!({
        "static": { "action": "pass" },
        "attestations": [{ "name": "a", "predicateType": "https://a" }],
        "source": [{ "oci": "example.com" }],
        "ctlog": {},
        "rfc3161timestamp": {},
    });
    let path = "spec.authorities[0]";
    let expected = format!(
        "expected exactly one, got both: {path}.attestations, {path}.ctlog, {path}.rfc3161timestamp, {path}.source, \
         {path}.static"
    );
    let mut keyed = with(&all, "/static", Value::Null);
    keyed["key"] = json!({ "data": KEY });
    refuses(&base, "/authorities/0", all.clone(), &expected, keyed);
    for field in ["attestations", "source", "ctlog", "rfc3161timestamp"] {
        let mut paths = [format!("{path}.{field}"), format!("{path}.static")];
        paths.sort();
        let expected = format!("expected exactly one, got both: {}", paths.join(", "));
        let bad = json!({ "static": { "action": "pass" }, field: all[field] });
        refuses(
            &base,
            "/authorities/0",
            bad,
            &expected,
            json!({ "static": { "action": "pass", "message": "m" } }),
        );
    }
}

#[test]
fn sources_are_strict_repositories_or_registries() {
    let base = with(&key_policy(), "/authorities/0/source", json!([{}]));
    let pointer = "/authorities/0/source";
    let expected = "invalid value: source: spec.authorities[0].source\nonly single source is supported";
    refuses(&base, pointer, json!([{}, {}]), expected, json!([{ "tagPrefix": "p" }]));
    let characters = "repository can only contain the characters `abcdefghijklmnopqrstuvwxyz0123456789_-./`";
    let authority = "registries must be valid RFC 3986 URI authorities";
    let table = [
        ("registry.example.com/repo/*", format!("{characters}: repo/*")),
        ("registry.example.com/Repo", format!("{characters}: Repo")),
        ("example.com/a", "repository must be between 2 and 255 characters in length: a".to_owned()),
        ("re@gistry/reponame", format!("{authority}: re@gistry/reponame")),
        ("sigstore/foo", format!("{authority}: sigstore/foo")),
        ("localhost/foo", format!("{authority}: localhost/foo")),
        ("example.com:x", format!("{authority}: example.com:x")),
        ("u@example.com/foo", format!("{authority}: u@example.com")),
        (
            "docker.io/foo",
            "strict validation requires the full repository path (missing 'library')".to_owned(),
        ),
    ];
    for (oci, why) in table {
        let expected = format!("invalid value: {oci}: spec.authorities[0].source[0].oci\n{why}");
        for good in
            ["", "example.com", "localhost:5000", "example.com/a/b", "docker.io/library/foo", "localhost"]
        {
            refuses(&base, "/authorities/0/source/0/oci", json!(oci), &expected, json!(good));
        }
    }
    let secrets = json!([{ "name": "a" }, {}, { "name": "" }]);
    let path = "spec.authorities[0].source[0].signaturePullSecrets";
    let expected = format!("missing field(s): {path}[1].name, {path}[2].name");
    refuses(
        &base,
        "/authorities/0/source/0/signaturePullSecrets",
        secrets,
        &expected,
        json!([{ "name": "a" }]),
    );
}

#[test]
fn attestations() {
    let attestation = json!({ "name": "a", "predicateType": "https://slsa.dev/provenance/v1" });
    let base = with(&key_policy(), "/authorities/0/attestations", json!([attestation]));
    let pointer = "/authorities/0/attestations/0";
    let path = "spec.authorities[0].attestations";
    let refuse = |field: &str, bad: Value, expected: String, good: Value| {
        refuses(&base, &format!("{pointer}/{field}"), bad, &expected, good);
    };
    refuse("name", json!(""), format!("missing field(s): {path}.name"), json!("b"));
    refuse("predicateType", json!(""), format!("missing field(s): {path}.predicateType"), json!("https://b"));

    let body = |fields: Value| with(&json!({ "p": fields }), "/p/type", json!("rego"))["p"].clone();
    let good = body(json!({ "data": "x" }));
    for field in ["fetchConfigFile", "includeSpec", "includeObjectMeta", "includeTypeMeta"] {
        for value in [false, true] {
            let bad = body(json!({ "data": "x", field: value }));
            refuse("policy", bad, format!("must not set the field(s): {path}.policy.{field}"), good.clone());
        }
    }
    let expected = format!(
        "invalid value: js: {path}.policy.type\nonly [cue,rego,cel] are supported at the moment\n\
         missing field(s): {path}.policy.configMapRef, {path}.policy.data, {path}.policy.remote"
    );
    refuse("policy", json!({ "type": "js" }), expected, good);
}

#[test]
fn deprecated_predicate_types_are_accepted_with_a_warning() {
    let base = with(&key_policy(), "/authorities/0/attestations", json!([{ "name": "a" }]));
    let of = |predicate_type: &str| {
        findings(&with(&base, "/authorities/0/attestations/0/predicateType", json!(predicate_type)))
    };
    for alias in
        ["custom", "slsaprovenance", "spdx", "spdxjson", "cyclonedx", "link", "vuln", "unknown", "a/b"]
    {
        let found = of(alias);
        assert!(found.errors().is_empty());
        assert_eq!(
            found.warnings().render(),
            format!(
                "invalid value: {alias}: spec.authorities[0].attestations.predicateType\n\
                 deprecated value, please use RFC 3986 conformant values"
            )
        );
    }
    for uri in ["https://slsa.dev/provenance/v1", "https://cosign.sigstore.dev/attestation/vuln/v1"] {
        assert!(of(uri).is_empty());
    }
}

#[test]
fn the_policy_of_the_object_is_reported_without_its_name() {
    let base = with(&key_policy(), "/policy", json!({ "type": "cue", "data": "x", "includeSpec": true }));
    let remote = json!({ "type": "cue", "remote": { "url": "https://a/b", "sha256sum": "0" } });
    let map = json!({ "type": "cue", "configMapRef": { "name": "n", "key": "k", "namespace": "x" } });
    let refuse = |bad: Value, expected: &str| {
        for good in [&remote, &map] {
            refuses(&base, "/policy", bad.clone(), expected, good.clone());
        }
    };
    refuse(
        json!({ "data": "x" }),
        "invalid value: : spec.type\nonly [cue,rego,cel] are supported at the moment",
    );
    refuse(json!({ "type": "rego" }), "missing field(s): spec.configMapRef, spec.data, spec.remote");
    let both = "expected exactly one, got both: spec.configMapRef, spec.data, spec.remote";
    refuse(with(&remote, "/data", json!("x")), both);
    refuse(with(&map, "/data", json!("x")), both);
    refuse(with(&map, "/remote", remote["remote"].clone()), both);
    for url in ["http://a/b", "https:///b", "a", "", "https://["] {
        let expected = format!(
            "invalid value: {url}: spec.remote.url\nurl valid is invalid. host and https scheme are expected"
        );
        refuse(with(&remote, "/remote/url", json!(url)), &expected);
    }
    refuse(with(&remote, "/remote/sha256sum", json!("")), "missing field(s): spec.remote.sha256sum");
    refuse(with(&map, "/configMapRef/name", json!("")), "missing field(s): spec.configMapRef.name");
    refuse(with(&map, "/configMapRef/key", json!("")), "missing field(s): spec.configMapRef.key");
}

#[test]
fn findings_of_all_parts_are_told_together() {
    let spec = json!({ "images": [{}, { "glob": "$" }], "authorities": [{}, {}], "mode": "x" });
    assert_eq!(
        findings(&spec).render(),
        "expected exactly one, got neither: spec.authorities[0].key, spec.authorities[0].keyless, \
         spec.authorities[0].static, spec.authorities[1].key, spec.authorities[1].keyless, \
         spec.authorities[1].static\n\
         invalid value: $: spec.images[1].glob\nglob is invalid: invalid glob \"$\"\n\
         invalid value: x: spec.mode\nunsupported mode\n\
         missing field(s): spec.images[0].glob"
    );
}

/// Replaces every string of the full manifest by `text`.
fn filled(value: &Value, text: &str) -> Value {
    match value {
        Value::String(_) => Value::from(text),
        Value::Array(items) => items.iter().map(|item| filled(item, text)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), filled(value, text))).collect())
        }
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in ".*", tail in r"[\[\]:/@%*.a-]{0,12}") {
        let full = super::manifests::full_policy();
        for text in [&text, &tail, &format!("awskms://{tail}/alias/x"), &format!("https://{tail}"), &format!("a.b/{tail}")] {
            let _ = findings(&filled(&full, text));
        }
    }
}
