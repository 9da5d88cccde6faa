//! What a rule over a whole policy is given: what its authorities found, and what it asks for besides.
//!
//! The names are the Policy Controller's.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use trustwright_core::Digest;
use trustwright_verify::Signer;

use crate::{Includes, Policy};

/// What an authority that vouches for an image has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// It vouches for every image.
    Static,
    /// Signatures.
    Signatures(Vec<SignedBy>),
    /// Attestations, by the name that they have in the policy.
    Attestations(BTreeMap<String, Vec<Attested>>),
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    /// What tells signatures apart: [`trustwright_verify::Signature::id`], in hexadecimal.
    pub id: String,
    /// By a key, or who.
    pub signer: Signer,
}

/// An attestation that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// Who signed it.
    pub by: SignedBy,
    /// Its predicate type as the policy has it.
    pub predicate_type: String,
    /// The digest of the layer that it is stored in.
    pub digest: Digest,
}

/// Fulcio's extensions that are passed on, by the last number of their OID.
const EXTENSIONS: [(u32, &str); 6] = [
    // The newer `.1.8` has another encoding of the same; only this one counts here.
    (1, "issuer"),
    (2, "githubWorkflowTrigger"),
    (3, "githubWorkflowSha"),
    (4, "githubWorkflowName"),
    (5, "githubWorkflowRepo"),
    (6, "githubWorkflowRef"),
];

/// The input of `policy`'s rule: JSON.
///
/// `matches` are what its authorities found, by name; `configs` the image's configurations by platform, and `object` the
/// workload, both of which are looked at where the policy asks for them.
pub fn input(
    policy: &Policy,
    matches: &[(&str, &Match)],
    configs: &BTreeMap<String, Value>,
    object: Option<&Value>,
) -> Vec<u8> {
    let matches: Map<_, _> = matches.iter().map(|(name, found)| ((*name).to_owned(), found.json())).collect();
    let mut input = Map::from_iter([("authorityMatches".to_owned(), Value::Object(matches))]);
    if policy.includes.config {
        let configs = configs.iter().map(|(platform, config)| (platform.clone(), config.clone())).collect();
        input.insert("config".into(), Value::Object(configs));
    }
    input.extend(object.into_iter().flat_map(|object| of_workload(policy.includes, object)));
    Value::Object(input).to_string().into_bytes()
}

/// What `includes` asks for of a workload. Of the spec of a workload that makes Pods, the Policy Controller passes on
/// what makes them.
fn of_workload(includes: Includes, object: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    if let Some(spec) = object.get("spec").filter(|_| includes.spec) {
        let only: Option<&[&str]> = match object.get("kind").and_then(Value::as_str) {
            Some("Deployment" | "ReplicaSet" | "StatefulSet") => Some(&["replicas", "selector", "template"]),
            Some("DaemonSet" | "Job") => Some(&["template"]),
            _ => None,
        };
        let spec = match (only, spec) {
            (Some(only), Value::Object(fields)) => {
                let kept =
                    only.iter().filter_map(|name| Some(((*name).to_owned(), fields.get(*name)?.clone())));
                Value::Object(kept.collect())
            }
            _ => spec.clone(),
        };
        found.push(("spec".into(), spec));
    }
    if let Some(metadata) = object.get("metadata").filter(|_| includes.metadata) {
        found.push(("metadata".into(), metadata.clone()));
    }
    if includes.type_meta {
        let field = |name: &str| object.get(name).cloned().unwrap_or_default();
        found.push(("typemeta".into(), json!({"kind": field("kind"), "apiVersion": field("apiVersion")})));
    }
    found
}

impl Match {
    fn json(&self) -> Value {
        match self {
            Self::Static => json!({"static": true}),
            Self::Signatures(signatures) => {
                let signatures = signatures.iter().map(|by| Value::Object(by.json()));
                json!({"signatures": signatures.collect::<Vec<_>>()})
            }
            Self::Attestations(named) => {
                let named = named.iter().map(|(name, found)| {
                    (name.clone(), Value::Array(found.iter().map(Attested::json).collect()))
                });
                json!({"attestations": Value::Object(named.collect())})
            }
        }
    }

    /// Takes in what the same authority has found besides.
    pub fn extend(&mut self, other: Self) {
        match (self, other) {
            (Self::Signatures(known), Self::Signatures(more)) => known.extend(more),
            (Self::Attestations(known), Self::Attestations(more)) => {
                for (name, found) in more {
                    known.entry(name).or_default().extend(found);
                }
            }
            // An authority finds things of one kind.
            (Self::Static | Self::Signatures(_) | Self::Attestations(_), _) => {}
        }
    }
}

impl SignedBy {
    fn json(&self) -> Map<String, Value> {
        let mut fields = Map::from_iter([("id".to_owned(), Value::from(self.id.as_str()))]);
        if let Signer::Certificate(identity) = &self.signer {
            if let Some(subject) = identity.subjects.first() {
                fields.insert("subject".into(), Value::from(subject.to_string()));
            }
            for (number, name) in EXTENSIONS {
                if let Some(text) = identity.extensions.get(&number).filter(|text| !text.is_empty()) {
                    fields.insert(name.into(), Value::from(text.as_str()));
                }
            }
        }
        fields
    }
}

impl Attested {
    fn json(&self) -> Value {
        let mut fields = self.by.json();
        fields.insert("predicateType".into(), Value::from(self.predicate_type.as_str()));
        fields.insert("digest".into(), Value::from(self.digest.to_string()));
        Value::Object(fields)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use trustwright_verify::{Identity, SubjectName};

    use super::*;

    const DIGEST: Digest = Digest::from_bytes([7; 32]);

    fn policy(includes: Includes) -> Policy {
        Policy { includes, ..Policy::unreadable("p", "") }
    }

    fn value(includes: Includes, matches: &[(&str, &Match)], object: &Value) -> Value {
        let configs = BTreeMap::from([("linux/amd64".to_owned(), json!({"os": "linux"}))]);
        serde_json::from_slice(&input(&policy(includes), matches, &configs, Some(object))).unwrap()
    }

    fn keyless() -> SignedBy {
        let identity = Identity {
            subjects: vec![SubjectName::Email("a@example.com".into()), SubjectName::Dns("b".into())],
            issuer: Some("https://newer.example.com".into()),
            extensions: BTreeMap::from([
                (1, "https://issuer.example.com".to_owned()),
                (5, "example/repo".to_owned()),
                (6, String::new()),
                (9, "other".to_owned()),
            ]),
            validity: trustwright_trust::Window::default(),
        };
        SignedBy { id: "00".into(), signer: Signer::Certificate(Box::new(identity)) }
    }

    #[test]
    fn authorities_stand_by_name_with_who_signed() {
        let key = SignedBy { id: "e3".into(), signer: Signer::Key(DIGEST) };
        let signatures = Match::Signatures(vec![key.clone(), keyless()]);
        let attested = Attested { by: key, predicate_type: "custom".into(), digest: DIGEST };
        let attestations = Match::Attestations(BTreeMap::from([("check".to_owned(), vec![attested])]));
        let matches = [("a", &signatures), ("b", &attestations), ("c", &Match::Static)];
        assert_eq!(
            value(Includes::default(), &matches, &json!({})),
            json!({"authorityMatches": {
                "a": {"signatures": [{"id": "e3"}, {
                    "id": "00", "subject": "a@example.com", "issuer": "https://issuer.example.com",
                    "githubWorkflowRepo": "example/repo",
                }]},
                "b": {"attestations": {"check": [
                    {"id": "e3", "predicateType": "custom", "digest": DIGEST.to_string()},
                ]}},
                "c": {"static": true},
            }})
        );
    }

    #[test]
    fn what_is_not_asked_for_is_not_there() {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "n"}, "spec": {"x": 1}});
        let each = |change: fn(&mut Includes)| {
            let mut includes = Includes::default();
            change(&mut includes);
            let mut value = value(includes, &[], &object);
            value.as_object_mut().unwrap().remove("authorityMatches");
            value
        };
        assert_eq!(each(|_| ()), json!({}));
        assert_eq!(each(|asked| asked.config = true), json!({"config": {"linux/amd64": {"os": "linux"}}}));
        assert_eq!(each(|asked| asked.spec = true), json!({"spec": {"x": 1}}));
        assert_eq!(each(|asked| asked.metadata = true), json!({"metadata": {"name": "n"}}));
        assert_eq!(
            each(|asked| asked.type_meta = true),
            json!({"typemeta": {"kind": "Pod", "apiVersion": "v1"}})
        );
    }

    #[test]
    fn of_a_workload_that_makes_pods_only_what_makes_them_is_passed_on() {
        let spec = json!({"replicas": 1, "selector": {}, "template": {}, "strategy": {}});
        for (kind, kept) in [
            ("Pod", json!(["replicas", "selector", "strategy", "template"])),
            ("CronJob", json!(["replicas", "selector", "strategy", "template"])),
            ("Deployment", json!(["replicas", "selector", "template"])),
            ("StatefulSet", json!(["replicas", "selector", "template"])),
            ("ReplicaSet", json!(["replicas", "selector", "template"])),
            ("DaemonSet", json!(["template"])),
            ("Job", json!(["template"])),
        ] {
            let includes = Includes { spec: true, ..Includes::default() };
            let value = value(includes, &[], &json!({"kind": kind, "spec": spec}));
            let names: BTreeSet<_> = value["spec"].as_object().unwrap().keys().cloned().collect();
            assert_eq!(json!(names), kept, "{kind}");
        }
    }
}
