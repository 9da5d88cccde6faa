//! Every field there and back.

use std::collections::BTreeSet;

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use serde_json::{Value, json};
use trustwright_testkit::tuf_repository::Repository;

use crate::{
    fixture::cluster,
    objects::{Kind, Objects, POLICY, ROOT},
};

fn cluster_image_policy(key: &str) -> Value {
    let by_key = |more: Value| {
        let mut key = json!({"hashAlgorithm": "sha256"});
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    };
    let secret = json!({"secretRef": {"name": "s", "namespace": "trustwright-system"}});
    let kms = json!({"kms": "gcpkms://projects/p"});
    let by_authority = |name: &str, more: Value| {
        let identities = json!([{"issuer": "i", "subject": "s"}]);
        json!({"name": name, "keyless": {"ca-cert": by_key(more), "identities": identities}})
    };
    let predicate = "https://slsa.dev/provenance/v1";
    let attestation =
        |name: &str, policy: Value| json!({"name": name, "predicateType": predicate, "policy": policy});
    json!({
        "images": [{"glob": "registry.example/round-trip/**"}, {"glob": "*"}],
        "mode": "warn",
        "match": [{"group": "apps", "version": "v1", "resource": "deployments", "selector": {
            "matchLabels": {"a": "b"},
            "matchExpressions": [{"key": "c", "operator": "In", "values": ["d", "e"]}],
        }}],
        "policy": {
            "type": "cue", "data": "a: string", "fetchConfigFile": true, "includeSpec": false,
            "includeObjectMeta": true, "includeTypeMeta": false,
        },
        "authorities": [
            {
                "name": "key",
                "key": by_key(json!({"data": key})),
                "source": [{
                    "oci": "registry.example/signatures", "tagPrefix": "prefix-",
                    "signaturePullSecrets": [{"name": "pull"}],
                }],
                "ctlog": {"url": "https://rekor.example", "trustRootRef": "root"},
                "rfc3161timestamp": {"trustRootRef": "root"},
                "signatureFormat": "bundle",
                "attestations": [
                    attestation("data", json!({"type": "cue", "data": "a: string"})),
                    attestation("remote", json!({"type": "rego", "remote": {
                        "url": "https://policies.example/a.rego", "sha256sum": "0".repeat(64)}})),
                    attestation("map", json!({"type": "rego", "configMapRef": {
                        "name": "map", "namespace": "ignored", "key": "policy"}})),
                ],
            },
            {"name": "secret", "key": by_key(secret.clone())},
            {"name": "kms", "key": by_key(kms.clone()), "ctlog": {}, "rfc3161timestamp": {}},
            {
                "name": "keyless",
                "keyless": {
                    "url": "https://fulcio.example", "trustRootRef": "root", "insecureIgnoreSCT": true,
                    "identities": [
                        {"issuer": "i", "subject": "s"}, {"issuerRegExp": "i.*", "subjectRegExp": "s.*"},
                    ],
                },
            },
            by_authority("ca-data", json!({"data": key})),
            by_authority("ca-secret", secret),
            by_authority("ca-kms", kms),
            {"name": "static", "static": {"action": "fail", "message": "no"}},
        ],
    })
}

/// What a policy can say in place of the text in `policy.data`.
fn other_sources(spec: &Value) -> [Value; 2] {
    [
        json!({"type": "rego", "remote": {"url": "https://policies.example/a", "sha256sum": "0".repeat(64)}}),
        json!({"type": "rego", "configMapRef": {"name": "map", "namespace": "ignored", "key": "policy"}}),
    ]
    .map(|policy| {
        let mut spec = spec.clone();
        spec["policy"] = policy;
        spec
    })
}

fn trust_roots() -> Vec<(&'static str, Value)> {
    let base64 = "eyJzaWduYXR1cmVzIjpbXX0=";
    let authority = json!([{
        "subject": {"organization": "o", "commonName": "c"}, "uri": "https://ca.example", "certChain": base64,
    }]);
    let log = json!([{"baseURL": "https://log.example", "hashAlgorithm": "sha-256", "publicKey": base64}]);
    let entry = json!({"name": "n", "key": "k"});
    let mut repository = Repository::new().until("2199-01-01T00:00:00Z");
    let trusted_root = repository.files.remove("trusted_root.json").unwrap();
    repository.files.insert("r.json".to_owned(), trusted_root.clone());
    let packed = STANDARD.encode(repository.publish().pack(512 << 10).unwrap());
    let remote = |ca_bundle: Value| {
        json!({"remote": {
            "root": base64, "mirror": "https://tuf.example", "targets": "t", "trustedRootTarget": "r.json",
            "refreshInterval": "24h", "caBundle": ca_bundle, "credentials": {"secretRef": {"name": "s"}},
        }, "onExpiry": "Keep", "maxStaleness": "720h"})
    };
    let text = |source: Value| json!({"trustedRoot": source});
    vec![
        ("keys", json!({"sigstoreKeys": {"certificateAuthorities": authority, "tLogs": log, "ctLogs": log}})),
        ("remote", remote(json!({"data": "PEM"}))),
        ("remote-by-map", remote(json!({"configMapRef": entry}))),
        ("remote-by-secret", remote(json!({"secretRef": entry}))),
        (
            "repository",
            json!({"repository": {
                "root": STANDARD.encode(repository.first_root()), "mirrorFS": packed, "targets": "t",
                "trustedRootTarget": "r.json"}, "onExpiry": "Reject"}),
        ),
        ("text", text(json!({"data": String::from_utf8(trusted_root).unwrap()}))),
        ("text-by-map", text(json!({"configMapRef": entry}))),
        ("text-by-secret", text(json!({"secretRef": entry}))),
    ]
}

/// The paths of all fields of a schema that hold no others.
fn fields_of(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            fields_of(property, &format!("{path}.{name}"), found);
        }
    } else if schema.get("items").is_some() {
        fields_of(&schema["items"], path, found);
    } else {
        found.insert(path.to_owned());
    }
}

/// The paths of all values that hold no others, as far as `known` tells fields from the keys of a map.
fn fields_in(value: &Value, path: &str, known: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    match value {
        _ if known.contains(path) => {
            found.insert(path.to_owned());
        }
        Value::Object(map) => {
            map.iter().for_each(|(name, value)| fields_in(value, &format!("{path}.{name}"), known, found));
        }
        Value::Array(items) => items.iter().for_each(|item| fields_in(item, path, known, found)),
        _ => {
            found.insert(path.to_owned());
        }
    }
}

/// Fields of the schema that only the policy over the whole result may set.
const NOT_IN_ATTESTATIONS: [&str; 4] =
    ["fetchConfigFile", "includeObjectMeta", "includeSpec", "includeTypeMeta"];

/// Asserts that `specs` together use every field that the schema of the kind's spec has, in all its versions.
async fn assert_complete(kind: Kind, specs: &[Value]) -> Result<()> {
    let crds = Api::<CustomResourceDefinition>::all(cluster().await?.control_plane.client().await?);
    let crd = crds.get(&format!("{}.policy.sigstore.dev", kind.plural)).await?;
    for version in crd.spec.versions {
        let schema = serde_json::to_value(version.schema)?;
        let (mut known, mut used) = (BTreeSet::new(), BTreeSet::new());
        fields_of(&schema["openAPIV3Schema"]["properties"]["spec"], "spec", &mut known);
        for field in NOT_IN_ATTESTATIONS {
            known.remove(&format!("spec.authorities.attestations.policy.{field}"));
        }
        for spec in specs {
            fields_in(spec, "spec", &known, &mut used);
        }
        assert_eq!(known, used, "{} {}", kind.name, version.name);
    }
    Ok(())
}

#[tokio::test]
async fn a_policy_with_every_field_comes_back_whole_in_both_versions() -> Result<()> {
    let cluster = cluster().await?;
    let objects = Objects::new(cluster.control_plane.client().await?);
    let spec = cluster_image_policy(cluster.signer.public_key_pem());
    let [remote, map] = other_sources(&spec);
    let specs = [spec, remote, map];
    assert_complete(POLICY, &specs).await?;
    for version in ["v1alpha1", "v1beta1"] {
        for (index, spec) in specs.iter().enumerate() {
            let name = format!("round-trip-{version}-{index}");
            objects.create_in(version, POLICY, &name, spec).await.map_err(anyhow::Error::msg)?;
            for read in ["v1alpha1", "v1beta1"] {
                let object = objects.api_in(read, POLICY).get(&name).await?;
                assert_eq!(&object.data["spec"], spec, "written in {version}, read in {read}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn trust_roots_with_every_field_come_back_whole() -> Result<()> {
    let objects = Objects::new(cluster().await?.control_plane.client().await?);
    let mut specs = Vec::new();
    for (name, mut spec) in trust_roots() {
        let name = format!("round-trip-{name}");
        if let Some(keys) = spec.get_mut("sigstoreKeys") {
            // Chains of timestamp authorities are checked when they are written.
            let public_good = trustwright_testkit::public_good::trust_root_manifest()?;
            keys["timestampAuthorities"] =
                public_good["spec"]["sigstoreKeys"]["timestampAuthorities"].clone();
        }
        objects.create(ROOT, &name, &spec).await.map_err(anyhow::Error::msg)?;
        assert_eq!(objects.api(ROOT).get(&name).await?.data["spec"], spec);
        specs.push(spec);
    }
    assert_complete(ROOT, &specs).await
}
