use serde_json::{Value, to_value};

use super::*;

fn manifest(crd: &CustomResourceDefinition) -> Value {
    to_value(crd).unwrap()
}

/// Calls `look` with the path and value of every schema below `schema`.
fn walk(schema: &Value, path: &str, look: &mut dyn FnMut(&str, &Value)) {
    look(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), look);
    }
    for keyword in ["items", "additionalProperties"] {
        if schema.get(keyword).is_some() {
            walk(&schema[keyword], &format!("{path}[]"), look);
        }
    }
}

#[test]
fn envelopes_are_those_of_the_policy_controller() {
    let policy = manifest(&cluster_image_policy_crd().unwrap());
    assert_eq!(policy["metadata"]["name"], "clusterimagepolicies.policy.sigstore.dev");
    assert_eq!(policy["spec"]["names"]["shortNames"], serde_json::json!(["cip"]));
    assert_eq!(policy["spec"]["scope"], "Cluster");
    let versions: Vec<_> = policy["spec"]["versions"].as_array().unwrap().iter().collect();
    let served: Vec<_> = versions.iter().map(|v| (&v["name"], &v["served"], &v["storage"])).collect();
    assert_eq!(
        serde_json::json!(served),
        serde_json::json!([["v1alpha1", true, true], ["v1beta1", true, false]])
    );
    assert_eq!(versions[0]["schema"], versions[1]["schema"]);
    let root = manifest(&trust_root_crd().unwrap());
    assert_eq!(root["metadata"]["name"], "trustroots.policy.sigstore.dev");
    assert!(root["spec"]["names"].get("shortNames").is_none());
    for crd in [policy, root] {
        assert_eq!(crd["spec"]["names"]["categories"], serde_json::json!(["all", "sigstore"]));
        assert_eq!(crd["spec"]["conversion"]["strategy"], "None");
        assert_eq!(crd["spec"]["versions"][0]["subresources"], serde_json::json!({ "status": {} }));
    }
}

#[test]
fn the_schema_checks_types_only_and_describes_every_field() {
    for crd in crds().unwrap() {
        let root = &manifest(&crd)["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk(root, "", &mut |path, schema| {
            let fields = schema.as_object().unwrap();
            for keyword in ["enum", "pattern", "nullable", "minimum", "anyOf", "oneOf", "allOf", "$ref"] {
                assert!(!fields.contains_key(keyword), "{keyword} at {path}");
            }
            assert_eq!(fields.contains_key("default"), path == ".status", "default at {path}");
            assert_eq!(fields.contains_key("required"), path == ".status.conditions[]", "required at {path}");
            assert!(fields.get("type").is_some_and(Value::is_string), "no type at {path}");
            let described = path.ends_with("[]") || fields.get("description").is_some_and(Value::is_string);
            assert!(described, "no description at {path}");
        });
        assert_eq!(root["properties"]["status"]["default"], serde_json::json!({"observedGeneration": -1}));
        assert_eq!(
            root["properties"]["status"]["properties"]["conditions"]["x-kubernetes-list-map-keys"],
            serde_json::json!(["type"])
        );
    }
}

/// Every field of the Policy Controller's schema of `spec`.
#[test]
fn no_field_of_the_policy_controller_is_missing() {
    let key = ["data", "hashAlgorithm", "kms", "secretRef.name", "secretRef.namespace"];
    let policy = [
        "configMapRef.key",
        "configMapRef.name",
        "configMapRef.namespace",
        "data",
        "fetchConfigFile",
        "includeObjectMeta",
        "includeSpec",
        "includeTypeMeta",
        "remote.sha256sum",
        "remote.url",
        "type",
    ];
    let rest = [
        "images[].glob",
        "mode",
        "match[].group",
        "match[].version",
        "match[].resource",
        "match[].selector.matchLabels",
        "match[].selector.matchExpressions[].key",
        "match[].selector.matchExpressions[].operator",
        "match[].selector.matchExpressions[].values",
        "authorities[].name",
        "authorities[].keyless.url",
        "authorities[].keyless.identities[].issuer",
        "authorities[].keyless.identities[].issuerRegExp",
        "authorities[].keyless.identities[].subject",
        "authorities[].keyless.identities[].subjectRegExp",
        "authorities[].keyless.trustRootRef",
        "authorities[].keyless.insecureIgnoreSCT",
        "authorities[].static.action",
        "authorities[].static.message",
        "authorities[].source[].oci",
        "authorities[].source[].signaturePullSecrets[].name",
        "authorities[].source[].tagPrefix",
        "authorities[].ctlog.url",
        "authorities[].ctlog.trustRootRef",
        "authorities[].rfc3161timestamp.trustRootRef",
        "authorities[].attestations[].name",
        "authorities[].attestations[].predicateType",
        "authorities[].signatureFormat",
    ];
    let mut expected: Vec<String> = rest.map(str::to_owned).to_vec();
    for prefix in ["authorities[].key", "authorities[].keyless.ca-cert"] {
        expected.extend(key.map(|field| format!("{prefix}.{field}")));
    }
    for prefix in ["policy", "authorities[].attestations[].policy"] {
        expected.extend(policy.map(|field| format!("{prefix}.{field}")));
    }
    assert_leaves(&cluster_image_policy_crd().unwrap(), expected);

    let mut expected = Vec::new();
    for field in ["root", "targets", "trustedRootTarget"] {
        expected.extend([format!("remote.{field}"), format!("repository.{field}")]);
    }
    expected.extend(["remote.mirror".to_owned(), "repository.mirrorFS".to_owned()]);
    for list in ["certificateAuthorities", "timestampAuthorities"] {
        for field in ["certChain", "subject.commonName", "subject.organization", "uri"] {
            expected.push(format!("sigstoreKeys.{list}[].{field}"));
        }
    }
    for list in ["ctLogs", "tLogs"] {
        expected
            .extend(["baseURL", "hashAlgorithm", "publicKey"].map(|f| format!("sigstoreKeys.{list}[].{f}")));
    }
    // Ours; an object without them means what it always meant.
    let ours = ["maxStaleness", "onExpiry", "remote.credentials.secretRef.name", "remote.refreshInterval"];
    expected.extend(ours.map(str::to_owned));
    for text in ["remote.caBundle", "trustedRoot"] {
        expected.push(format!("{text}.data"));
        for reference in ["configMapRef", "secretRef"] {
            expected.extend(["key", "name"].map(|field| format!("{text}.{reference}.{field}")));
        }
    }
    assert_leaves(&trust_root_crd().unwrap(), expected);
}

fn assert_leaves(crd: &CustomResourceDefinition, mut expected: Vec<String>) {
    let mut found = Vec::new();
    let spec = &manifest(crd)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    walk(spec, "", &mut |path, schema| {
        if schema.get("properties").is_none() && schema["type"] != "array" {
            found.push(path.trim_start_matches('.').trim_end_matches("[]").to_owned());
        }
    });
    found.sort();
    found.dedup();
    expected.sort();
    assert_eq!(found, expected);
}
