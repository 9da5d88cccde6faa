//! The objects that a verdict rests on, wherever they were read.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow, bail, ensure};
use serde_json::Value;
use trustwright_api::{
    FieldErrors, GROUP, ValidationSettings, convert, decode_spec, default_cluster_image_policy,
    default_trust_root,
    names::V1ALPHA1,
    spec::Base64Data,
    v1alpha1::{ClusterImagePolicySpec, TrustRootSpec},
    validate_cluster_image_policy, validate_trust_root,
};
use trustwright_policy::References;
use trustwright_roots::{EntryKind, Text};
use trustwright_webhook::Entries;

use super::manifests::Given;

/// Policies, trust roots, and what they name.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// The policies by name.
    pub(super) policies: BTreeMap<String, Given>,
    /// The trust roots by name.
    pub(super) roots: BTreeMap<String, Given>,
    secrets: BTreeMap<String, Entry>,
    config_maps: BTreeMap<String, Entry>,
    notes: Vec<String>,
}

/// What a Secret or `ConfigMap` holds, and where it was read.
#[derive(Debug)]
struct Entry {
    origin: String,
    data: BTreeMap<String, Vec<u8>>,
    /// Only text: what of a `ConfigMap` policies read.
    text: BTreeMap<String, String>,
}

impl Objects {
    /// Takes what stands in files: as the webhook does, it refuses what is no good policy or trust root. Secrets and
    /// `ConfigMaps` count that are of `namespace`, or of none.
    pub(super) fn given(given: Vec<Given>, namespace: &str) -> anyhow::Result<Self> {
        let mut objects = Self::default();
        for one in given {
            objects.validated(one, namespace)?;
        }
        ensure!(
            !objects.policies.is_empty(),
            "no ClusterImagePolicy of {GROUP} was found in the files of --file"
        );
        Ok(objects)
    }

    fn validated(&mut self, mut given: Given, namespace: &str) -> anyhow::Result<()> {
        let version = given.word("/apiVersion").to_owned();
        let kind = given.word("/kind").to_owned();
        let of_ours = version.strip_prefix(GROUP).is_some_and(|version| version.starts_with('/'));
        match kind.as_str() {
            "ClusterImagePolicy" if of_ours => {
                let origin = given.to_string();
                let object = convert(given.object, &format!("{GROUP}/{V1ALPHA1}"));
                given.object = object.with_context(|| origin.clone())?;
                let mut spec: ClusterImagePolicySpec = decoded(&given)?;
                default_cluster_image_policy(&mut spec);
                // Resources that no webhook is asked of do no harm here.
                let settings = ValidationSettings {
                    system_namespace: Some(namespace.to_owned()),
                    accept_any_resource: true,
                    ..ValidationSettings::default()
                };
                valid(&given, &validate_cluster_image_policy(&spec, &settings))?;
                self.policy(given)
            }
            "TrustRoot" if of_ours => {
                let expected = format!("{GROUP}/{V1ALPHA1}");
                ensure!(version == expected, "{given}: expected apiVersion {expected}, found {version}");
                let mut spec: TrustRootSpec = decoded(&given)?;
                default_trust_root(&mut spec);
                valid(&given, &validate_trust_root(&spec))?;
                let read = trustwright_roots::read(given.object.get("spec"));
                read.map_err(|refusal| anyhow!("{given}: {refusal}"))?;
                self.root(given)
            }
            "Secret" | "ConfigMap" if version == "v1" => {
                let of = given.word("/metadata/namespace");
                if !of.is_empty() && of != namespace {
                    self.notes.push(format!(
                        "{given} is left out: it is of namespace {of}, and policies name those of {namespace} (--namespace)"
                    ));
                    return Ok(());
                }
                self.entries(&given)
            }
            _ => Ok(()),
        }
    }

    /// Takes a policy, good or not.
    pub(super) fn policy(&mut self, given: Given) -> anyhow::Result<()> {
        put(&mut self.policies, given)
    }

    /// Takes a trust root, good or not.
    pub(super) fn root(&mut self, given: Given) -> anyhow::Result<()> {
        put(&mut self.roots, given)
    }

    /// Takes a Secret or `ConfigMap`.
    pub(super) fn entries(&mut self, given: &Given) -> anyhow::Result<()> {
        let (name, is_secret) = (named(given)?, given.word("/kind") == "Secret");
        let mut entry = Entry { origin: given.origin.clone(), data: BTreeMap::new(), text: BTreeMap::new() };
        let fields: &[(&str, bool)] = if is_secret {
            &[("data", true), ("stringData", false)]
        } else {
            &[("binaryData", true), ("data", false)]
        };
        for (field, is_base64) in fields {
            let of = match given.object.get(*field) {
                None | Some(Value::Null) => continue,
                Some(Value::Object(of)) => of,
                Some(_) => bail!("{given}: {field}: expected an object"),
            };
            for (key, value) in of {
                let path = format!("{field}.{key}");
                let text = value.as_str().with_context(|| format!("{given}: {path}: expected text"))?;
                if *is_base64 {
                    let bytes = Base64Data(text.to_owned()).decode(&path);
                    entry.data.insert(key.clone(), bytes.map_err(|error| anyhow!("{given}: {error}"))?);
                } else {
                    entry.data.insert(key.clone(), text.as_bytes().to_vec());
                    entry.text.insert(key.clone(), text.to_owned());
                }
            }
        }
        let all = if is_secret { &mut self.secrets } else { &mut self.config_maps };
        if let Some(known) = all.get(&name) {
            bail!("{given}: there is one of that name in {} already", known.origin);
        }
        all.insert(name, entry);
        Ok(())
    }

    /// What a reader of the result should know.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The text of a field of a trust root.
    pub(super) fn text(&self, text: &Text) -> anyhow::Result<String> {
        match text {
            Text::Inline(text) => Ok(text.clone()),
            Text::Entry(entry) => {
                let bytes = self.entry(entry.kind, &entry.name, &entry.key);
                let bytes = bytes.with_context(|| format!("{entry} is not there"))?;
                String::from_utf8(bytes).with_context(|| format!("{entry} is not text"))
            }
        }
    }
}

impl References for Objects {
    fn secret(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        Some(self.secrets.get(name)?.data.clone())
    }

    fn config_map(&self, name: &str) -> Option<BTreeMap<String, String>> {
        Some(self.config_maps.get(name)?.text.clone())
    }
}

impl Entries for Objects {
    fn entry(&self, kind: EntryKind, name: &str, key: &str) -> Option<Vec<u8>> {
        let all = match kind {
            EntryKind::Secret => &self.secrets,
            EntryKind::ConfigMap => &self.config_maps,
        };
        all.get(name)?.data.get(key).cloned()
    }
}

fn put(all: &mut BTreeMap<String, Given>, given: Given) -> anyhow::Result<()> {
    let name = named(&given)?;
    if let Some(known) = all.get(&name) {
        bail!("{given}: there is one of that name in {} already", known.origin);
    }
    all.insert(name, given);
    Ok(())
}

fn named(given: &Given) -> anyhow::Result<String> {
    let name = given.word("/metadata/name");
    ensure!(!name.is_empty(), "{given}: metadata.name: expected a name");
    Ok(name.to_owned())
}

fn decoded<T: serde::de::DeserializeOwned + Default>(given: &Given) -> anyhow::Result<T> {
    decode_spec(given.object.get("spec")).map_err(|error| anyhow!("{given}: spec: {error}"))
}

fn valid(given: &Given, found: &FieldErrors) -> anyhow::Result<()> {
    let errors = found.errors();
    ensure!(errors.is_empty(), "{given}: {}", errors.render());
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(objects: &[Value]) -> Result<Objects, String> {
        let given = objects.iter().map(|object| Given { origin: "f".into(), object: object.clone() });
        Objects::given(given.collect(), "ns").map_err(|error| format!("{error:#}"))
    }

    fn policy(name: &str, glob: &str) -> Value {
        json!({"apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy", "metadata": {"name": name},
            "spec": {"images": [{"glob": glob}], "authorities": [{"static": {"action": "pass"}}]}})
    }

    fn secret(namespace: &str, data: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}, "data": data})
    }

    #[test]
    fn what_is_no_policy_is_refused_with_file_object_field_and_cause_and_its_neighbour_is_not() {
        assert_eq!(given(&[policy("p", "ghcr.io/**")]).unwrap().policies.len(), 1);
        let mut root = json!({"apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot",
            "metadata": {"name": "r"}, "spec": {}});
        let refused_root = given(&[policy("p", "**"), root.clone()]).unwrap_err();
        assert!(refused_root.starts_with("f: TrustRoot r: "), "{refused_root}");
        root["apiVersion"] = json!("policy.sigstore.dev/v1beta1");
        for (objects, expected) in [
            (
                vec![policy("p", "$FOO*")],
                "f: ClusterImagePolicy p: invalid value: $FOO*: spec.images[0].glob\nglob is invalid: invalid glob \"$FOO*\"",
            ),
            (vec![policy("", "**")], "f: ClusterImagePolicy : metadata.name: expected a name"),
            (
                vec![policy("p", "**"), policy("p", "**")],
                "f: ClusterImagePolicy p: there is one of that name in f already",
            ),
            (
                vec![policy("p", "**"), root],
                "f: TrustRoot r: expected apiVersion policy.sigstore.dev/v1alpha1, found policy.sigstore.dev/v1beta1",
            ),
            (vec![], "no ClusterImagePolicy of policy.sigstore.dev was found in the files of --file"),
            (vec![secret("", &json!({"k": 3}))], "f: Secret s: data.k: expected text"),
            (vec![secret("", &json!([]))], "f: Secret s: data: expected an object"),
        ] {
            assert_eq!(given(&objects).unwrap_err(), expected);
        }
        let unreadable = given(&[secret("", &json!({"k": "?"}))]).unwrap_err();
        assert!(unreadable.starts_with("f: Secret s: ") && unreadable.contains("data.k"), "{unreadable}");
    }

    #[test]
    fn secrets_of_the_namespace_count_and_others_are_left_out_with_a_note() {
        let data = json!({"k": "dg=="});
        for namespace in ["", "ns"] {
            let objects = given(&[policy("p", "**"), secret(namespace, &data)]).unwrap();
            assert_eq!(objects.secret("s").unwrap()["k"], b"v");
            assert_eq!(objects.entry(EntryKind::Secret, "s", "k").unwrap(), b"v");
        }
        let objects = given(&[policy("p", "**"), secret("other", &data)]).unwrap();
        assert!(objects.secret("s").is_none());
        let [note] = objects.notes() else { panic!("{:?}", objects.notes()) };
        assert!(note.starts_with("f: Secret s is left out: it is of namespace other"), "{note}");
    }
}
