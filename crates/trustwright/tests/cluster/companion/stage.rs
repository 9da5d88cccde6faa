//! A control plane with the Policy Controller, and Trustwright beside it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{
    Client,
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::{Value, json};
use trustwright_testkit::{
    ControlPlane, Operator, PolicyController, control_plane::Options, process::eventually, run_dir,
    tuf_repository::Repository,
};

use crate::{
    fixture::options_with,
    objects::{Objects, ROOT, condition},
};

/// The limit of every wait for what takes a refresh interval and a little.
pub(crate) const PATIENT: Duration = Duration::from_mins(1);

/// The control plane of one test, with the Policy Controller in it.
pub(crate) struct Stage {
    // In the order in which they are to end.
    pub(crate) peer: PolicyController,
    pub(crate) control_plane: ControlPlane,
    pub(crate) client: Client,
    pub(crate) objects: Objects,
    audit: PathBuf,
}

impl Stage {
    pub(crate) async fn start() -> Result<Self> {
        let folder = run_dir::data("audit")?;
        let (policy, audit) = (folder.join("policy.json"), folder.join("audit.log"));
        let user = "system:serviceaccount:trustwright-system:trustwright";
        let rules = json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata", "users": [user]}, {"level": "None"}],
        });
        std::fs::write(&policy, rules.to_string())?;
        let options = Options::default()
            .with_apiserver_flag(format!("--audit-policy-file={}", policy.display()))
            .with_apiserver_flag(format!("--audit-log-path={}", audit.display()));
        let control_plane = ControlPlane::start(options).await?;
        let peer = PolicyController::start(&control_plane).await?;
        let client = control_plane.client().await?;
        Ok(Self { peer, control_plane, objects: Objects::new(client.clone()), client, audit })
    }

    /// What Trustwright asked of the API server so far: verb, resource with its subresource, and the answer's code.
    pub(crate) fn asked(&self) -> Result<BTreeSet<(String, String, u64)>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let act = |line: &str| -> Result<_> {
            let event: Value = serde_json::from_str(line)?;
            let object = &event["objectRef"];
            let resource = format!("{}/{}", text(&object["resource"]), text(&object["subresource"]));
            let code = event["responseStatus"]["code"].as_u64().unwrap_or_default();
            Ok((text(&event["verb"]), resource, code))
        };
        std::fs::read_to_string(&self.audit)?.lines().map(act).collect()
    }

    /// The log of all that Trustwright asked of the API server.
    pub(crate) fn audit(&self) -> &Path {
        &self.audit
    }

    /// Applies `deploy/companion`, and starts `trustwright controller` with `args` and the rights that it gives.
    pub(crate) async fn spawn(&self, args: &[&str]) -> Result<Operator> {
        Operator::companion(&self.control_plane, options_with(args)).await
    }

    /// Starts the companion.
    pub(crate) async fn companion(&self) -> Result<Operator> {
        self.spawn(&["--mode=companion"]).await?.ready().await
    }

    /// Creates a `TrustRoot` whose mirror is asked every ten seconds.
    pub(crate) async fn trust_root(&self, name: &str, spec: &Value) -> Result<()> {
        let object = json!({
            "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot", "spec": spec,
            "metadata": {"name": name, "annotations": {"trustwright.dev/refresh-interval": "10s"}},
        });
        self.control_plane.apply(&object.to_string()).await.map(drop)
    }

    pub(crate) async fn get(&self, name: &str) -> Result<DynamicObject> {
        Ok(self.objects.api(ROOT).get(name).await?)
    }

    /// Waits until the conditions are these.
    pub(crate) async fn wait_for(&self, name: &str, wanted: &[(&str, &str)]) -> Result<DynamicObject> {
        eventually(&format!("{name} {wanted:?}"), PATIENT, async || {
            let object = self.get(name).await?;
            for (type_, status) in wanted {
                let found = condition(&object, type_).with_context(|| format!("no {type_}"))?;
                ensure!(found["status"] == *status, "{found}");
            }
            Ok(object)
        })
        .await
    }

    /// Waits until the object carries the fingerprint that its status has.
    pub(crate) async fn annotated(&self, name: &str, fingerprint: &str) -> Result<()> {
        eventually(&format!("{name} annotated"), PATIENT, async || {
            let object = self.get(name).await?;
            ensure!(material(&object) == Some(fingerprint), "{:?}", material(&object));
            assert_eq!(annotation(&object, "fingerprint"), Some(fingerprint));
            Ok(())
        })
        .await
    }

    /// Changes the spec, and waits until the Policy Controller has written that it has seen it.
    pub(crate) async fn have_the_peer_write(&self, name: &str, spec: &Value) -> Result<DynamicObject> {
        let api = self.objects.api(ROOT);
        let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(&json!({"spec": spec}))).await?;
        let generation = patched.metadata.generation;
        eventually("the Policy Controller's write", PATIENT, async || {
            let object = self.get(name).await?;
            let observed = &object.data["status"]["observedGeneration"];
            ensure!(*observed == json!(generation), "observedGeneration is {observed}");
            Ok(object)
        })
        .await
    }
}

/// The spec of a `TrustRoot` behind a mirror.
pub(crate) fn remote(repository: &Repository, mirror: &str) -> Value {
    json!({"remote": {
        "root": STANDARD.encode(repository.first_root()), "mirror": mirror, "targets": "targets",
    }})
}

/// A repository with the public-good root, less what the Policy Controller cannot load.
pub(crate) fn loadable() -> Repository {
    let mut repository = Repository::new().until("2199-01-01T00:00:00Z");
    let mut root: Value = serde_json::from_slice(&repository.files["trusted_root.json"]).unwrap();
    let logs = root["tlogs"].as_array_mut().unwrap();
    logs.retain(|log| log["publicKey"]["keyDetails"] == "PKIX_ECDSA_P256_SHA_256");
    assert!(!logs.is_empty());
    serve(&mut repository, &root);
    repository
}

/// Puts a trusted root into a repository.
pub(crate) fn serve(repository: &mut Repository, root: &Value) {
    repository.files.insert("trusted_root.json".to_owned(), root.to_string().into_bytes());
}

/// Our annotation in the status.
pub(crate) fn annotation<'a>(object: &'a DynamicObject, name: &str) -> Option<&'a str> {
    object.data["status"]["annotations"][format!("trustwright.dev/{name}")].as_str()
}

/// Our annotation of the object.
pub(crate) fn material(object: &DynamicObject) -> Option<&str> {
    object.metadata.annotations.as_ref()?.get("trustwright.dev/material").map(String::as_str)
}

/// What is ours in the status.
pub(crate) fn ours(object: &DynamicObject) -> Value {
    let status = &object.data["status"];
    let conditions: Vec<_> = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|condition| condition["severity"] == "Info")
        .collect();
    let annotations = status["annotations"].as_object();
    let annotations: Vec<_> =
        annotations.into_iter().flatten().filter(|(name, _)| name.starts_with("trustwright.dev/")).collect();
    json!([conditions, annotations])
}

/// A time in RFC 3339, for a builder that keeps it for good.
pub(crate) fn time_in(wait: Duration) -> &'static str {
    #[allow(clippy::disallowed_methods)] // what ends soon is said by the clock
    let end = std::time::SystemTime::now() + wait;
    let end = k8s_openapi::jiff::Timestamp::try_from(end).unwrap();
    let end = end.round(k8s_openapi::jiff::Unit::Second).unwrap();
    Box::leak(end.to_string().into_boxed_str())
}
