//! Whole manifests: all fields, zero values, and the one of the tutorial.

use serde_json::{Value, from_value, json, to_value};

use crate::conversion::convert;
use crate::defaulting::default_cluster_image_policy;
use crate::validation::{ValidationSettings, validate_cluster_image_policy};
use crate::{v1alpha1, v1beta1};

/// A spec with a value in every field, without regard to which go together.
pub(super) fn full_policy() -> Value {
    let key = json!({
        "secretRef": { "name": "s", "namespace": "n" }, "data": "d", "kms": "k", "hashAlgorithm": "sha256",
    });
    let policy = json!({
        "type": "cue", "data": "d",
        "remote": { "url": "https://a", "sha256sum": "0" },
        "configMapRef": { "name": "n", "namespace": "s", "key": "k" },
        "fetchConfigFile": true, "includeSpec": false, "includeObjectMeta": true, "includeTypeMeta": false,
    });
    json!({
        "images": [{ "glob": "**" }],
        "mode": "warn",
        "match": [{
            "group": "apps", "version": "v1", "resource": "deployments",
            "selector": {
                "matchLabels": { "a": "b" },
                "matchExpressions": [{ "key": "k", "operator": "In", "values": ["v"] }],
            },
        }],
        "policy": policy,
        "authorities": [{
            "name": "a",
            "key": key,
            "keyless": {
                "url": "https://a",
                "identities": [{ "issuer": "i", "issuerRegExp": "i", "subject": "s", "subjectRegExp": "s" }],
                "ca-cert": key,
                "trustRootRef": "t",
                "insecureIgnoreSCT": false,
            },
            "static": { "action": "pass", "message": "m" },
            "source": [{ "oci": "o", "signaturePullSecrets": [{ "name": "p" }], "tagPrefix": "" }],
            "ctlog": { "url": "https://a", "trustRootRef": "t" },
            "rfc3161timestamp": { "trustRootRef": "t" },
            "attestations": [{ "name": "n", "predicateType": "custom", "policy": policy }],
            "signatureFormat": "bundle",
        }],
    })
}

fn object(kind: &str, version: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("policy.sigstore.dev/{version}"),
        "kind": kind,
        "metadata": { "name": "p", "labels": { "a": "b" } },
        "spec": spec,
        "status": {
            "observedGeneration": 1,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Compiled", "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1, "severity": "Info",
            }],
            "annotations": { "a": "b" },
        },
    })
}

#[test]
fn full_policies_round_trip_in_both_versions() {
    let alpha = object("ClusterImagePolicy", "v1alpha1", &full_policy());
    let beta = object("ClusterImagePolicy", "v1beta1", &full_policy());
    let typed_alpha: v1alpha1::ClusterImagePolicy = from_value(alpha.clone()).unwrap();
    let typed_beta: v1beta1::ClusterImagePolicy = from_value(beta.clone()).unwrap();
    assert_eq!(to_value(&typed_alpha).unwrap(), alpha);
    assert_eq!(to_value(&typed_beta).unwrap(), beta);
    assert_eq!(v1alpha1::ClusterImagePolicy::from(typed_beta.clone()), typed_alpha);
    assert_eq!(v1beta1::ClusterImagePolicy::from(typed_alpha), typed_beta);
    assert_eq!(convert(alpha, v1beta1::ClusterImagePolicy::API_VERSION), Ok(beta));
}

#[test]
fn full_trust_roots_round_trip() {
    let authority =
        json!({ "subject": { "organization": "o", "commonName": "c" }, "uri": "u", "certChain": "AA==" });
    let log = json!({ "baseURL": "b", "hashAlgorithm": "h", "publicKey": "AA==" });
    let spec = json!({
        "remote": { "root": "AA==", "mirror": "m", "targets": "t", "trustedRootTarget": "r" },
        "repository": { "root": "AA==", "mirrorFS": "AA==", "targets": "t", "trustedRootTarget": "r" },
        "sigstoreKeys": {
            "certificateAuthorities": [authority], "timestampAuthorities": [authority], "tLogs": [log], "ctLogs": [log],
        },
    });
    let mut root = object("TrustRoot", "v1alpha1", &spec);
    root["status"]["source"] = json!("remote");
    root["status"]["fingerprint"] = json!("00");
    root["status"]["keys"] = json!([{
        "kind": "CTLog", "name": "n", "id": "00", "algorithm": "ECDSA P-256", "usable": false, "reason": "r",
        "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2027-01-01T00:00:00Z",
    }]);
    let typed: v1alpha1::TrustRoot = from_value(root.clone()).unwrap();
    assert_eq!(to_value(&typed).unwrap(), root);
}

#[test]
fn zero_values_of_stored_objects_are_read() {
    let zeroes = json!({
        "images": [{ "glob": "" }],
        "mode": null,
        "match": [{ "group": "", "version": "", "resource": null }],
        "policy": { "type": "", "remote": { "url": "" } },
        "authorities": [{
            "name": "",
            "key": null,
            "static": { "action": "" },
            "keyless": { "identities": null, "url": null },
            "source": null,
            "attestations": [{ "name": "", "predicateType": "" }],
        }],
    });
    let policy: v1alpha1::ClusterImagePolicy = from_value(json!({ "spec": zeroes, "status": {} })).unwrap();
    assert!(policy.spec.authorities[0].key.is_none());
    assert!(policy.spec.authorities[0].keyless.as_ref().unwrap().identities.is_empty());
    let empty: v1alpha1::ClusterImagePolicy =
        from_value(json!({ "spec": { "images": null, "match": null, "authorities": null } })).unwrap();
    assert_eq!(empty, v1alpha1::ClusterImagePolicy::default());
    assert_eq!(from_value::<v1alpha1::ClusterImagePolicy>(json!({ "metadata": {} })).unwrap(), empty);

    let root: v1alpha1::TrustRoot = from_value(json!({
        "spec": {
            "remote": { "root": null, "mirror": "" },
            "repository": { "mirrorFS": null },
            "sigstoreKeys": {
                "certificateAuthorities": null,
                "tLogs": [{ "publicKey": null, "baseURL": "" }],
                "timestampAuthorities": [{ "subject": null, "uri": "", "certChain": null }],
            },
        },
        "status": { "conditions": null, "keys": [{ "kind": "NewKind" }] },
    }))
    .unwrap();
    assert_eq!(root.status.unwrap().keys[0].kind, v1alpha1::TrustedKeyKind::Unknown);
}

#[test]
fn the_manifest_of_the_tutorial_is_accepted() {
    let manifest = r#"
apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata:
  name: signed-by-stackable
spec:
  images:
    - glob: "**.stackable.tech/**"
  authorities:
    - keyless:
        url: https://fulcio.sigstore.dev
        identities:
          - issuer: https://token.actions.githubusercontent.com
            subjectRegExp: "https://github.com/stackabletech/.+/.github/workflows/build.yml@refs.+"
      ctlog:
        url: https://rekor.sigstore.dev
"#;
    let policy: v1beta1::ClusterImagePolicy = serde_saphyr::from_str(manifest).unwrap();
    let mut spec = policy.spec;
    let settings = ValidationSettings::default();
    assert!(validate_cluster_image_policy(&spec, &settings).is_empty());
    default_cluster_image_policy(&mut spec);
    assert!(validate_cluster_image_policy(&spec, &settings).is_empty());
    assert_eq!((spec.mode.as_str(), spec.authorities[0].name.as_str()), ("enforce", "authority-0"));
}
