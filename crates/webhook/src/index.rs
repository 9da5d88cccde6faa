//! From watch events to snapshots: synchronous, and without a client.

use std::{collections::BTreeMap, sync::Arc};

use kube::core::DynamicObject;
use serde_json::Value;
use trustwright_policy::{
    CompiledOnce, Languages, Policy, References, Settings, Snapshot, Version, compile_stored,
};

/// Every `ClusterImagePolicy`, compiled.
///
/// While a new list is being read, the old one stays in force, so that a lost watch never leaves a moment
/// without policies.
#[derive(Debug, Default)]
pub struct Index {
    policies: BTreeMap<String, Compiled>,
    /// The list being read, between its start and its end.
    incoming: Option<BTreeMap<String, Compiled>>,
    settings: Settings,
    /// What compiles the texts of policies; an event compiles none that is known.
    languages: CompiledOnce,
}

#[derive(Debug, Clone)]
struct Compiled {
    /// What the compiled policy was made from; an event that changes neither needs no work.
    version: (Option<String>, Option<i64>),
    policy: Arc<Policy>,
    /// The spec, where it names something that may change without it.
    spec: Option<Arc<Value>>,
}

impl Compiled {
    fn new(
        name: &str,
        version: (Option<String>, Option<i64>),
        spec: Option<&Value>,
        references: &dyn References,
        languages: &dyn Languages,
    ) -> Self {
        let policy = compile_stored(name, spec, references, languages);
        let spec = spec.filter(|_| !policy.inputs.references.is_empty()).cloned().map(Arc::new);
        Self { version, policy: Arc::new(policy), spec }
    }
}

impl Compiled {
    /// What the policy was made from.
    fn version(&self) -> Version {
        let (uid, generation) = &self.version;
        Version {
            uid: uid.clone().unwrap_or_default(),
            generation: generation.unwrap_or_default(),
            inputs: self.policy.inputs.digest,
        }
    }
}

impl Index {
    /// An empty one, which compiles the texts of policies with `languages`.
    pub fn new(languages: Arc<dyn Languages>) -> Self {
        Self { languages: CompiledOnce::new(languages), ..Self::default() }
    }

    /// A new list begins.
    pub fn begin_list(&mut self) {
        self.incoming = Some(BTreeMap::new());
    }

    /// The list ended: it replaces what was known.
    pub fn end_list(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            self.policies = incoming;
        }
    }

    /// A policy as it is now; returns whether anything but its status and metadata may be another.
    pub fn apply(&mut self, object: &DynamicObject, references: &dyn References) -> bool {
        let name = object.metadata.name.clone().unwrap_or_default();
        let version = (object.metadata.uid.clone(), object.metadata.generation);
        let known = self.policies.get(&name).filter(|known| known.version == version && version.1.is_some());
        let (compiled, is_new) = if let Some(known) = known {
            (known.clone(), false)
        } else {
            let spec = object.data.get("spec");
            (Compiled::new(&name, version, spec, references, &self.languages), true)
        };
        self.incoming.as_mut().unwrap_or(&mut self.policies).insert(name, compiled);
        is_new
    }

    /// Compiles again what names something that has changed; returns whether anything did.
    pub fn refresh(&mut self, references: &dyn References) -> bool {
        let mut changed = false;
        for list in std::iter::once(&mut self.policies).chain(&mut self.incoming) {
            for (name, known) in list.iter_mut() {
                let Some(spec) = known.spec.clone() else { continue };
                let version = known.version.clone();
                let compiled = Compiled::new(name, version, Some(&spec), references, &self.languages);
                if compiled.policy.inputs != known.policy.inputs {
                    *known = compiled;
                    changed = true;
                }
            }
        }
        changed
    }

    /// A policy that is gone.
    pub fn delete(&mut self, object: &DynamicObject) {
        if let Some(name) = &object.metadata.name {
            self.incoming.as_mut().unwrap_or(&mut self.policies).remove(name);
        }
    }

    /// The policies that are known now, as a value without trust roots.
    pub fn snapshot(&self) -> Snapshot {
        let policies =
            self.policies.iter().map(|(name, compiled)| (name.clone(), compiled.policy.clone())).collect();
        let versions = self.policies.iter().map(|(name, known)| (name.clone(), known.version())).collect();
        Snapshot { policies, versions, settings: self.settings, ..Snapshot::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use trustwright_policy::NoReferences;

    use super::*;

    fn policy(name: &str, generation: i64, spec: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
            "metadata": {"name": name, "uid": name, "generation": generation}, "spec": spec,
        }))
        .unwrap()
    }

    fn names(index: &Index) -> Vec<String> {
        index.snapshot().policies.keys().cloned().collect()
    }

    #[test]
    fn a_new_list_replaces_the_old_one_only_when_it_is_whole() {
        let mut index = Index::default();
        index.begin_list();
        index.apply(&policy("a", 1, &json!({})), &NoReferences);
        assert_eq!(names(&index), Vec::<String>::new());
        index.end_list();
        assert_eq!(names(&index), ["a"]);
        index.begin_list();
        index.apply(&policy("b", 1, &json!({})), &NoReferences);
        assert_eq!(names(&index), ["a"]);
        index.end_list();
        assert_eq!(names(&index), ["b"]);
        index.delete(&policy("b", 1, &json!({})));
        assert_eq!(names(&index), Vec::<String>::new());
    }

    #[test]
    fn a_policy_is_compiled_again_when_its_generation_or_uid_changes_only() {
        let mut index = Index::default();
        index.apply(&policy("a", 1, &json!({"mode": "warn"})), &NoReferences);
        let first = index.snapshot().policies["a"].clone();
        index.apply(&policy("a", 1, &json!({"mode": "warn"})), &NoReferences);
        assert!(Arc::ptr_eq(&first, &index.snapshot().policies["a"]));
        index.apply(&policy("a", 2, &json!({"mode": "enforce"})), &NoReferences);
        assert!(!Arc::ptr_eq(&first, &index.snapshot().policies["a"]));
        assert_eq!(index.snapshot().policies["a"].mode, trustwright_policy::Mode::Enforce);
    }

    #[test]
    fn an_object_that_does_not_decode_is_a_policy_that_denies_everything() {
        let mut index = Index::default();
        for (name, spec) in [
            ("type", json!({"images": "x"})),
            ("no-object", json!(3)),
            ("list", json!([])),
            ("null", Value::Null),
        ] {
            index.apply(&policy(name, 1, &spec), &NoReferences);
            let compiled = index.snapshot().policies[name].clone();
            assert_eq!(compiled.images, trustwright_policy::Images::Every, "{name}");
            assert!(!compiled.problems.is_empty(), "{name}");
            assert_eq!(compiled.mode, trustwright_policy::Mode::Enforce, "{name}");
        }
    }
}
