//! Both verifiers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;
use trustwright_core::Verdict;
use trustwright_engine::{Anonymous, ImageField, Review};
use trustwright_policy::{NoLanguages, NoReferences, Snapshot, Workload, compile};
use trustwright_roots::Root;
use trustwright_testkit::{Image, private_sigstore::subject, signer::cosign};

use crate::{Form, Row, Signer, Stage, What, key::SUBJECT};

/// What a signature is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// Nothing but what it is.
    Nothing,
    /// A signer who has not signed.
    AnotherSigner,
    /// A type that nobody has attested to.
    AnotherType,
}

impl Against {
    fn kind(self, kind: &str) -> &str {
        if self == Self::AnotherType { "https://example.com/another/v1" } else { kind }
    }
}

impl Stage {
    /// What cosign says of `image`, against the right signer or somebody else.
    pub(crate) async fn verify(&self, row: &Row, image: &Image, against: Against) -> Option<String> {
        let right = against != Against::AnotherSigner;
        let mut args: Vec<String> = Vec::new();
        let mut add = |more: &[&str]| args.extend(more.iter().map(|one| (*one).to_owned()));
        match &row.what {
            What::Signature => add(&["verify"]),
            What::Attestation(kind) => add(&["verify-attestation", "--type", against.kind(kind)]),
        }
        add(&[&format!("--new-bundle-format={}", row.form == Form::Bundle)]);
        if !row.log {
            add(&["--insecure-ignore-tlog"]);
        }
        if row.stamp {
            add(&["--use-signed-timestamps"]);
        }
        let mut root = &self.files.private;
        match row.signer {
            Signer::Key(kind) if !row.chain => {
                let key = if right { &self.keys[&kind] } else { &self.stranger };
                let hash = if right { kind.hash() } else { "sha256" };
                add(&["--key", &key.public, &format!("--signature-digest-algorithm={hash}")]);
            }
            Signer::Key(kind) => {
                add(&[&format!("--signature-digest-algorithm={}", kind.hash())]);
                root = if right { &self.files.own } else { &self.files.others };
                add(&["--certificate-identity", SUBJECT, "--certificate-oidc-issuer-regexp", ".*"]);
                add(&["--insecure-ignore-sct"]);
                if row.form == Form::Bundle {
                    add(&["--allow-certificate-chain"]);
                }
            }
            Signer::Keyless => {
                let who = subject("build", if right { "default" } else { "other" });
                add(&["--certificate-identity", &who, "--certificate-oidc-issuer", self.sigstore.issuer()]);
            }
        }
        let rootless = matches!(row.signer, Signer::Key(_)) && !row.chain && !row.log && !row.stamp;
        if !rootless {
            add(&["--trusted-root", root]);
        }
        let mut env = image.env().to_vec();
        if row.form == Form::Experimental {
            env.push(("COSIGN_EXPERIMENTAL".into(), "1".into()));
            add(&["--experimental-oci11"]);
        }
        add(&[&image.to_string()]);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        cosign(&env, &args).await.err().map(|error| format!("{error:#}"))
    }

    /// What we say of `image`, against the right signer or somebody else.
    pub(crate) async fn judge(&self, row: &Row, image: &Image, against: Against) -> Option<String> {
        let right = against != Against::AnotherSigner;
        let mut authority = match row.signer {
            Signer::Key(kind) if !row.chain => {
                let key = if right { &self.keys[&kind] } else { &self.stranger };
                json!({ "key": { "data": key.pem } })
            }
            Signer::Key(_) => {
                let pem = if right { self.authority.pem() } else { self.others.pem() };
                json!({ "keyless": {
                    "ca-cert": { "data": pem },
                    "identities": [{ "issuerRegExp": ".*", "subject": SUBJECT }],
                    "insecureIgnoreSCT": true,
                } })
            }
            Signer::Keyless => {
                let who = subject("build", if right { "default" } else { "other" });
                json!({ "keyless": {
                    "trustRootRef": "private",
                    "identities": [{ "issuer": self.sigstore.issuer(), "subject": who }],
                } })
            }
        };
        authority["name"] = json!("a");
        authority["ctlog"] = if row.log { json!({ "trustRootRef": "private" }) } else { json!({}) };
        if row.stamp {
            authority["rfc3161timestamp"] = json!({ "trustRootRef": "private" });
        }
        if let What::Attestation(kind) = &row.what {
            authority["attestations"] = json!([{ "name": "n", "predicateType": against.kind(kind) }]);
        }
        let spec = json!({ "images": [{ "glob": "**" }], "authorities": [authority] });
        let policy = compile("p", &serde_json::from_value(spec).unwrap(), &NoReferences, &NoLanguages);
        let root = Root::of_text(&self.root.to_string(), Timestamp::now());
        let snapshot = Snapshot {
            policies: [("p".to_owned(), Arc::new(policy))].into(),
            trust: [("private".to_owned(), Arc::new(root))].into(),
            ..Snapshot::default()
        };
        let labels = BTreeMap::new();
        let pod = Workload { group: "", version: "v1", resource: "pods", labels: &labels };
        let field = ImageField { path: "spec.containers[0].image".into(), image: image.to_string() };
        let deadline = Instant::now() + Duration::from_mins(1);
        let review = Review {
            workload: &pod,
            images: &[field],
            object: None,
            credentials: &Anonymous,
            now: Timestamp::now(),
            deadline,
        };
        match self.engine.judge(&snapshot, &review).await {
            Verdict::Allow => None,
            other => Some(format!("{other:?}")),
        }
    }
}
