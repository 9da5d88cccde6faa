//! The cases of the public conformance suite through the webhook's own path: each bundle as a referrer in a registry, a
//! policy that asks for what the suite asks for, and the review of a Pod. The image that is judged is the suite's
//! artifact, by its digest: the bundles are over that, and nobody has to pull it.

#![cfg_attr(
    not(shared_data),
    allow(dead_code, unused_imports, reason = "the recorded public data is not there")
)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use arc_swap::ArcSwap;
use axum::{Router, body::Body, http::Request};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use reqwest::{
    Client as Http,
    header::{CONTENT_TYPE, LOCATION},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use trustwright_engine::Engine;
use trustwright_policy::{NoLanguages, NoReferences, Snapshot, compile};
use trustwright_registry::{Client, ClientConfig, Proxies};
use trustwright_roots::Root;
use trustwright_runtime::{
    metrics::{BuildInfo, Metrics},
    probes::Readiness,
};
use trustwright_testkit::Registry;
use trustwright_verify::Artifact;
use trustwright_webhook::{App, Limits, PullSecrets, denials, router};

#[path = "../../../fuzz/src/webhook.rs"]
mod around;

use around::{creation, empty_api_server};

const SUBJECT: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/\
                       workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Later than every case.
fn now() -> Timestamp {
    "2026-08-22T00:00:00Z".parse().unwrap()
}

struct Case {
    name: String,
    folder: PathBuf,
}

impl Case {
    fn all() -> Result<Vec<Self>> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sigstore-bundles");
        let mut cases = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                let name = entry.file_name().to_string_lossy().into_owned();
                cases.push(Self { name, folder: entry.path() });
            }
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(cases)
    }

    fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }

    fn must_fail(&self) -> bool {
        self.name.ends_with("_fail")
    }

    fn repository(&self) -> String {
        format!("suite/{}", self.name.to_lowercase())
    }

    fn bundle(&self) -> Result<Vec<u8>> {
        Ok(fs::read(self.folder.join("bundle.sigstore.json"))?)
    }

    /// The digest of what the case is about.
    fn digest(&self) -> Result<String> {
        let own = fs::read(self.folder.join("artifact"));
        let bytes = own.or_else(|_| fs::read(self.folder.with_file_name("a.txt")))?;
        Ok(Artifact::Bytes(&bytes).digest().to_string())
    }

    fn root(&self) -> Root {
        let default = sigstore_verify::trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT;
        Root::of_text(&self.text("trusted_root.json").unwrap_or_else(|| default.into()), now())
    }

    /// What the suite asks for: its key or its identity, and a log entry.
    fn policy(&self, host: &str) -> Result<Value> {
        let text =
            |file, default: &str| self.text(file).map_or(default.into(), |text| text.trim().to_owned());
        let mut authority = match self.text("key.pub") {
            Some(key) => json!({ "key": { "data": key } }),
            None => json!({ "keyless": {
                "trustRootRef": self.name,
                "identities": [{ "issuer": text("issuer", ISSUER), "subject": text("identity", SUBJECT) }],
            } }),
        };
        authority["ctlog"] = json!({ "trustRootRef": self.name });
        // A statement is asked for by its own type, so that nothing but what the case is about refuses it.
        let bundle: Value = serde_json::from_slice(&self.bundle()?).unwrap_or_default();
        if let Some(payload) = bundle["dsseEnvelope"]["payload"].as_str() {
            let statement: Value = serde_json::from_slice(&STANDARD.decode(payload)?)?;
            let kind = statement["predicateType"].as_str().context("a statement without a type")?;
            authority["attestations"] = json!([{ "name": "n", "predicateType": kind }]);
        }
        Ok(json!({
            "images": [{ "glob": format!("{host}/{}@**", self.repository()) }],
            "authorities": [authority],
        }))
    }

    /// Puts the bundle into the registry, as a referrer of the artifact.
    async fn publish(&self, http: &Http, registry: &str) -> Result<()> {
        let base = format!("{registry}/v2/{}", self.repository());
        let bundle = self.bundle()?;
        for blob in [b"{}".to_vec(), bundle.clone()] {
            let started = http.post(format!("{base}/blobs/uploads/")).send().await?.error_for_status()?;
            let location = started.headers().get(LOCATION).context("no location")?.to_str()?;
            let mut url = reqwest::Url::parse(registry)?.join(location)?;
            let digest = Artifact::Bytes(&blob).digest().to_string();
            url.query_pairs_mut().append_pair("digest", &digest);
            http.put(url).body(blob).send().await?.error_for_status()?;
        }
        let descriptor = |kind: &str, bytes: &[u8]| {
            let digest = Artifact::Bytes(bytes).digest().to_string();
            json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": BUNDLE,
            "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
            "layers": [descriptor(BUNDLE, &bundle)],
            "subject": { "mediaType": MANIFEST, "digest": self.digest()?, "size": 1 },
        });
        let manifest = manifest.to_string();
        let digest = Artifact::Bytes(manifest.as_bytes()).digest();
        let put =
            http.put(format!("{base}/manifests/{digest}")).header(CONTENT_TYPE, MANIFEST).body(manifest);
        put.send().await?.error_for_status()?;
        Ok(())
    }
}

fn webhooks(snapshot: Snapshot) -> Result<Router> {
    let mut metrics = Metrics::new("conformance", &BuildInfo { version: "1", revision: "2" });
    let config = ClientConfig { proxies: Proxies::None, ..ClientConfig::default() };
    let app = App {
        snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
        engine: Engine::new(Client::new(&config)?),
        metrics: trustwright_webhook::Metrics::register(metrics.own()),
        pull_secrets: PullSecrets::new(empty_api_server()),
        denials: denials().0,
        languages: Arc::new(NoLanguages),
        readiness: Readiness::new(&[]),
        namespace: "trustwright-system".into(),
        clock: now,
    };
    Ok(router(app, Limits::default()))
}

/// The answer to the creation of a Pod with `image`.
async fn review(webhooks: &Router, image: &str) -> Result<Value> {
    let review = creation(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" },
        "spec": { "containers": [{ "name": "c", "image": image }] },
    }));
    let request = Request::post("/validations?timeout=10s").body(Body::from(review.to_string()))?;
    let answer = webhooks.clone().oneshot(request).await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    let body = answer.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice::<Value>(&body)?["response"].clone())
}

#[tokio::test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
async fn a_pod_with_a_failing_case_is_denied_and_with_every_other_admitted() -> Result<()> {
    let registry = Registry::with_referrers().await?;
    let http = Http::builder().no_proxy().build()?;
    let cases = Case::all()?;
    ensure!(cases.iter().filter(|case| case.must_fail()).count() == 49, "of the suite of August 2026");
    let mut snapshot = Snapshot::default();
    for case in &cases {
        case.publish(&http, &registry.url()).await.with_context(|| case.name.clone())?;
        let spec = serde_json::from_value(case.policy(registry.host())?)?;
        snapshot
            .policies
            .insert(case.name.clone(), Arc::new(compile(&case.name, &spec, &NoReferences, &NoLanguages)));
        snapshot.trust.insert(case.name.clone(), Arc::new(case.root()));
    }
    let webhooks = webhooks(snapshot)?;
    let mut wrong = Vec::new();
    for case in &cases {
        let image = format!("{}/{}@{}", registry.host(), case.repository(), case.digest()?);
        let answer = review(&webhooks, &image).await?;
        let message = answer["status"]["message"].as_str().unwrap_or_default();
        // Denied for its evidence, and not because nothing was found or asked.
        let is_denied = answer["allowed"] == false
            && message.contains(&format!("failed policy: {}", case.name))
            && !message.contains("no signatures found")
            && !message.contains("no matching policies")
            && !message.contains("GET ");
        let is_right = if case.must_fail() { is_denied } else { answer["allowed"] == true };
        if !is_right {
            wrong.push(format!("{}: {answer}", case.name));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
