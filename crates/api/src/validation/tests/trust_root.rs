use proptest::prelude::*;
use serde_json::{Value, from_value, json};

use super::with;
use crate::spec::encoded::Base64Data;
use crate::spec::trust_root::TrustRootSpec;
use crate::validation::validate_trust_root;

const CA: &str = include_str!("../../../testdata/authority-certificate.pem");
const LEAF: &str = include_str!("../../../testdata/leaf-certificate.pem");

fn base64(bytes: impl AsRef<[u8]>) -> Value {
    json!(Base64Data::encode(bytes).0)
}

fn rendered(spec: &Value) -> String {
    let spec: TrustRootSpec = from_value(spec.clone()).unwrap();
    validate_trust_root(&spec).render()
}

fn refuses(base: &Value, pointer: &str, bad: Value, expected: &str, good: Value) {
    assert_eq!(rendered(&with(base, pointer, bad)), expected, "at {pointer}");
    assert_eq!(rendered(&with(base, pointer, good)), "", "neighbour at {pointer}");
}

fn root() -> Value {
    base64(r#"{"signatures":[]}"#)
}

fn remote() -> Value {
    json!({ "remote": { "root": root(), "mirror": "https://tuf.example", "targets": "targets" } })
}

fn repository() -> Value {
    json!({ "repository": { "root": root(), "mirrorFS": base64([0x1f, 0x8b, 8, 0]), "targets": "targets" } })
}

fn keys() -> Value {
    let authority = json!({
        "subject": { "organization": "o", "commonName": "c" },
        "uri": "https://fulcio.example",
        "certChain": base64(CA),
    });
    let log =
        json!({ "baseURL": "https://log.example", "hashAlgorithm": "sha-256", "publicKey": base64("key") });
    json!({
        "sigstoreKeys": {
            "certificateAuthorities": [authority],
            "timestampAuthorities": [authority],
            "tLogs": [log],
            "ctLogs": [log],
        },
    })
}

#[test]
fn the_base_trust_roots_are_accepted() {
    for base in [remote(), repository(), keys()] {
        assert_eq!(rendered(&base), "");
    }
}

#[test]
fn exactly_one_source() {
    let paths = "spec.remote, spec.repository, spec.sigstoreKeys";
    let neither = format!("expected exactly one, got neither: {paths}\nspec.trustedRoot would do as well");
    assert_eq!(rendered(&json!({})), neither);
    let both = format!("expected exactly one, got both: {paths}");
    refuses(&remote(), "/repository", json!({}), &both, Value::Null);
    refuses(&remote(), "/sigstoreKeys", json!({}), &both, Value::Null);
    refuses(&repository(), "/sigstoreKeys", json!({}), &both, Value::Null);
    let both = format!("{both}, spec.trustedRoot");
    refuses(&remote(), "/trustedRoot", json!({"data": "{}"}), &both, Value::Null);
}

#[test]
fn a_trusted_root_is_one_text() {
    let base = json!({"trustedRoot": {"configMapRef": {"name": "roots", "key": "k"}}});
    assert_eq!(rendered(&base), "");
    assert_eq!(rendered(&json!({"trustedRoot": {"data": "{}"}})), "");
    let fields = "spec.trustedRoot.configMapRef, spec.trustedRoot.data, spec.trustedRoot.secretRef";
    let both = format!("expected exactly one, got both: {fields}");
    refuses(&base, "/trustedRoot/data", json!("{}"), &both, json!(""));
    assert_eq!(rendered(&json!({"trustedRoot": {}})), format!("expected exactly one, got neither: {fields}"));
    let missing = "missing field(s): spec.trustedRoot.configMapRef.name";
    refuses(&base, "/trustedRoot/configMapRef/name", json!(""), missing, json!("other"));
}

#[test]
fn what_a_remote_needs_besides_is_checked() {
    let mut base = remote();
    base["maxStaleness"] = json!("720h");
    base["remote"]["refreshInterval"] = json!("10s");
    base["remote"]["caBundle"] = json!({"secretRef": {"name": "ca"}});
    base["remote"]["credentials"] = json!({"secretRef": {"name": "login"}});
    assert_eq!(rendered(&base), "");
    let interval = "invalid value: 9s: spec.remote.refreshInterval\nexpected at least 10s";
    refuses(&base, "/remote/refreshInterval", json!("9s"), interval, json!("1h30m"));
    let staleness = "invalid value: 30d: spec.maxStaleness\nexpected a duration such as 90s, 10m or 1h30m";
    refuses(&base, "/maxStaleness", json!("30d"), staleness, json!("0s"));
    let reference = "missing field(s): spec.remote.credentials.secretRef";
    refuses(&base, "/remote/credentials/secretRef", Value::Null, reference, json!({"name": "other"}));
    let plain = "invalid value: http://tuf.example: spec.remote.mirror\n\
         spec.remote.credentials are sent over https only";
    refuses(&base, "/remote/mirror", json!("http://tuf.example"), plain, json!("https://tuf.example"));
}

#[test]
fn what_becomes_of_expired_metadata_is_one_of_two_words() {
    let mut base = repository();
    base["onExpiry"] = json!("Keep");
    let refusal = "invalid value: keep: spec.onExpiry\nunsupported value, expected Keep or Reject";
    refuses(&base, "/onExpiry", json!("keep"), refusal, json!("Reject"));
}

#[test]
fn roots_are_signed_json() {
    for (base, kind) in [(remote(), "remote"), (repository(), "repository")] {
        let pointer = format!("/{kind}/root");
        let path = format!("spec.{kind}.root");
        let refuse = |bad: Value, expected: String| refuses(&base, &pointer, bad, &expected, root());
        refuse(Value::Null, format!("missing field(s): {path}"));
        for unsigned in ["{}", r#"{"signatures":null}"#] {
            let expected = format!("invalid value: missing signatures in root.json: {path}\nno signatures");
            refuse(base64(unsigned), expected);
        }
        for garbage in ["", "not json", "[]"] {
            let found = rendered(&with(&base, &pointer, base64(garbage)));
            assert!(found.starts_with(&format!("invalid value: failed to unmarshal: {path}\n")), "{found}");
        }
        let found = rendered(&with(&base, &pointer, json!("%")));
        assert!(found.starts_with(&format!("invalid value: failed to decode base64: {path}\n")), "{found}");
        let wrapped = root().as_str().unwrap().replacen("ey", "e\ny", 1);
        assert_eq!(rendered(&with(&base, &pointer, json!(wrapped))), "");
    }
}

#[test]
fn remote_needs_a_mirror() {
    let refuse = |bad: &str, expected: &str| {
        refuses(&remote(), "/remote/mirror", json!(bad), expected, json!("https://a"));
    };
    refuse("", "missing field(s): spec.remote.mirror");
    refuse(
        "https://[",
        "invalid value: https://[: spec.remote.mirror\nparse \"https://[\": missing ']' in host",
    );
}

#[test]
fn repository_needs_an_archive() {
    let base = repository();
    let good = base["repository"]["mirrorFS"].clone();
    let pointer = "/repository/mirrorFS";
    for bad in [Value::Null, json!("")] {
        refuses(&base, pointer, bad, "missing field(s): spec.repository.repository", good.clone());
    }
    let expected = "invalid value: failed to construct a TUF client: spec.repository.mirrorFS\n\
                    failed to uncompress: gzip: invalid header";
    refuses(&base, pointer, base64("tar"), expected, good);
    refuses(&base, "/repository/targets", json!(""), "missing field(s): spec.repository.targets", json!("t"));
    // The archive is looked into only when the rest is right.
    let both = with(&with(&base, pointer, base64("tar")), "/repository/targets", json!(""));
    assert_eq!(rendered(&both), "missing field(s): spec.repository.targets");
}

#[test]
fn keys_need_an_authority() {
    let neither = "expected exactly one, got neither: spec.sigstoreKeys.certificateAuthority, \
                   spec.sigstoreKeys.timestampAuthorities";
    let one = |list: &str| json!({ list: keys()["sigstoreKeys"][list] });
    for good in ["certificateAuthorities", "timestampAuthorities"] {
        refuses(&keys(), "/sigstoreKeys", one("tLogs"), neither, one(good));
    }
}

#[test]
fn authorities_are_complete() {
    for (list, path) in [
        ("certificateAuthorities", "spec.sigstoreKeys.certificateAuthority[0]"),
        ("timestampAuthorities", "spec.sigstoreKeys.timestampAuthorities[0]"),
    ] {
        let pointer = format!("/sigstoreKeys/{list}/0");
        let refuse = |field: &str, bad: Value, expected: String, good: Value| {
            refuses(&keys(), &format!("{pointer}/{field}"), bad, &expected, good);
        };
        refuse(
            "subject/organization",
            json!(""),
            format!("missing field(s): {path}.subject.organization"),
            json!("o"),
        );
        refuse(
            "subject/commonName",
            Value::Null,
            format!("missing field(s): {path}.subject.commonName"),
            json!("c"),
        );
        refuse("uri", json!(""), format!("missing field(s): {path}.uri"), json!("https://a"));
        refuse("certChain", Value::Null, format!("missing field(s): {path}.certchain"), base64(CA));
        refuse("certChain", json!(""), format!("missing field(s): {path}.certchain"), base64(CA));
    }
}

#[test]
fn timestamp_chains_hold_one_signer() {
    let pointer = "/sigstoreKeys/timestampAuthorities/0/certChain";
    let path = "spec.sigstoreKeys.timestampAuthorities[0].certChain";
    let good = base64(format!("{LEAF}{CA}\n"));
    let expected =
        format!("invalid value: error splitting the certificates: {path}\nerror during PEM decoding");
    refuses(&keys(), pointer, base64("no pem"), &expected, good.clone());
    let expected =
        format!("invalid value: certificate chain must contain at most one TSA certificate: {path}");
    refuses(&keys(), pointer, base64(format!("{LEAF}{LEAF}{CA}")), &expected, good);
    // Certificate authorities are looked into only when they are used.
    assert_eq!(
        rendered(&with(&keys(), "/sigstoreKeys/certificateAuthorities/0/certChain", base64("no pem"))),
        ""
    );
}

#[test]
fn logs_are_complete() {
    for list in ["tLogs", "ctLogs"] {
        for (field, good) in
            [("baseURL", json!("https://a")), ("hashAlgorithm", json!("any")), ("publicKey", base64("k"))]
        {
            let expected = format!("missing field(s): spec.sigstoreKeys.{list}[0].{field}");
            refuses(&keys(), &format!("/sigstoreKeys/{list}/0/{field}"), Value::Null, &expected, good);
        }
    }
}

#[test]
fn a_bad_element_is_refused_also_before_good_ones() {
    let mut spec = keys();
    let good = spec["sigstoreKeys"]["certificateAuthorities"][0].clone();
    spec["sigstoreKeys"]["certificateAuthorities"] = json!([{}, good]);
    assert_eq!(
        rendered(&spec),
        "missing field(s): spec.sigstoreKeys.certificateAuthority[0].certchain, \
         spec.sigstoreKeys.certificateAuthority[0].subject.commonName, \
         spec.sigstoreKeys.certificateAuthority[0].subject.organization, \
         spec.sigstoreKeys.certificateAuthority[0].uri"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in ".*", bytes in prop::collection::vec(any::<u8>(), 0..32)) {
        for value in [json!(text), base64(&bytes)] {
            for base in [remote(), repository(), keys()] {
                for pointer in [
                    "/remote/root", "/remote/mirror", "/repository/root", "/repository/mirrorFS",
                    "/sigstoreKeys/timestampAuthorities/0/certChain", "/sigstoreKeys/tLogs/0/baseURL",
                ] {
                    if base.pointer(pointer).is_some() {
                        let _ = rendered(&with(&base, pointer, value.clone()));
                    }
                }
            }
        }
    }
}
