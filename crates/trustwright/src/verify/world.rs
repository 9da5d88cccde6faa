//! From objects to what is in force, as in the webhook.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use trustwright_api::spec::Base64Data;
use trustwright_languages::Evaluators;
use trustwright_mirror::{Mirror, MirrorConfig};
use trustwright_policy::{Check, Snapshot, Workload, select};
use trustwright_roots::{Anchor, Artifact, DEFAULT_NAME, DefaultRoot, Remote, Source, anchored, chain, read};
use trustwright_trust::tuf::{self, Expiry, Floor, Limits, Request, TRUSTED_ROOT_TARGET};
use trustwright_webhook::{Index, TrustIndex};

use super::{manifests::Given, objects::Objects, remark};
use crate::trust::files::Files;

/// What is in force, or will be once trust roots have been read.
pub(super) struct World {
    objects: Objects,
    default_root: Option<DefaultRoot>,
    /// The policies, without trust roots.
    policies: Snapshot,
}

/// A repository that has to be read from its mirror.
struct Wanted {
    name: String,
    anchor: Anchor,
    mirror: url::Url,
    ca_bundle: Option<String>,
}

impl World {
    /// Compiles the policies. What keeps one from working is told, and denies what it matches.
    pub(super) fn new(objects: Objects, default_root: Option<DefaultRoot>) -> Self {
        let languages = Arc::new(Evaluators::start(trustwright_languages::Settings::default()));
        let mut index = Index::new(languages);
        index.begin_list();
        for given in objects.policies.values() {
            index.apply(&dynamic(given), &objects);
        }
        index.end_list();
        let policies = index.snapshot();
        for (name, policy) in policies.policies.iter() {
            for problem in policy.not_ready() {
                match objects.policies.get(name) {
                    Some(given) => remark(&format!("{given}: {problem}")),
                    None => remark(&problem.to_string()),
                }
            }
        }
        Self { objects, default_root, policies }
    }

    /// Keeps these policies only.
    ///
    /// # Errors
    ///
    /// There is no policy of one of the names.
    pub(super) fn keep(&mut self, names: &[String]) -> anyhow::Result<()> {
        for name in names {
            let known: Vec<&str> = self.policies.policies.keys().map(String::as_str).collect();
            ensure!(
                self.policies.policies.contains_key(name),
                "--policy: there is no ClusterImagePolicy {name:?}, only {known:?}"
            );
        }
        self.policies.policies.retain(|name| names.iter().any(|kept| kept == name));
        self.policies.versions.retain(|name, _| names.contains(name));
        Ok(())
    }

    /// Reads from their mirrors those repositories that policies of the image rest on and that have no status yet, as
    /// the leader of a cluster does. They become part of the objects, and are verified again from there.
    pub(super) async fn download(
        &mut self,
        workload: &Workload<'_>,
        image: &str,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        for wanted in self.wanted(workload, image)? {
            let Wanted { name, anchor, mirror, ca_bundle } = wanted;
            let packed = fetch(&anchor, mirror.clone(), ca_bundle, now).await;
            let packed = packed.with_context(|| {
                format!("TrustRoot {name}: spec.remote.mirror: {mirror} cannot be read or does not verify")
            })?;
            let given =
                self.objects.roots.entry(name.clone()).or_insert_with(|| shown(&name, &mirror, &anchor));
            given.object["status"] = json!({"repository": packed});
        }
        Ok(())
    }

    fn wanted(&self, workload: &Workload<'_>, image: &str) -> anyhow::Result<Vec<Wanted>> {
        let mut named = BTreeSet::new();
        for policy in select(&self.policies, workload, image) {
            for authority in &policy.authorities {
                if let Check::Signed(signed) = &authority.check {
                    named.extend(signed.trust.names());
                }
            }
        }
        let mut wanted = Vec::new();
        for name in named {
            let given = self.objects.roots.get(name);
            if given.is_some_and(|given| !given.word("/status/repository").is_empty()) {
                continue;
            }
            let default = self.default_root.as_ref().filter(|_| name == DEFAULT_NAME);
            let spec = given.and_then(|given| read(given.object.get("spec")).ok());
            // What the webhook says of those that it refuses is said of them here.
            let spec = spec.and_then(|spec| anchored(spec, name, default).ok());
            let name = name.to_owned();
            match (spec.map(|spec| spec.source), default) {
                (Some(Source::Remote(remote)), _) => {
                    let Remote { anchor, mirror, ca_bundle, credentials, .. } = *remote;
                    let given = given.map(ToString::to_string).unwrap_or_default();
                    ensure!(
                        credentials.is_none(),
                        "{given}: spec.remote.credentials: nothing is shown to mirrors from here; take the \
                         object with its status from the cluster"
                    );
                    let ca_bundle = ca_bundle.map(|text| self.objects.text(&text)).transpose();
                    let ca_bundle = ca_bundle.with_context(|| format!("{given}: spec.remote.caBundle"))?;
                    wanted.push(Wanted { name, anchor, mirror, ca_bundle });
                }
                (_, Some(default)) => {
                    let anchor =
                        Anchor { root: default.root.clone(), target: TRUSTED_ROOT_TARGET.to_owned() };
                    wanted.push(Wanted { name, anchor, mirror: default.mirror.clone(), ca_bundle: None });
                }
                (_, None) => {}
            }
        }
        Ok(wanted)
    }

    /// Everything that is in force at `now`.
    pub(super) fn snapshot(&self, now: Timestamp) -> Snapshot {
        let mut index = TrustIndex::new(self.default_root.clone());
        index.begin_list();
        for given in self.objects.roots.values() {
            index.apply(&dynamic(given));
        }
        index.end_list();
        index.settle(&self.objects, now);
        Snapshot { trust: index.roots(), ..self.policies.clone() }
    }
}

/// Reads a repository as for the first time, and packs it as a status has it.
async fn fetch(
    anchor: &Anchor,
    mirror: url::Url,
    ca_bundle_pem: Option<String>,
    now: Timestamp,
) -> anyhow::Result<String> {
    let mirror = Mirror::new(&MirrorConfig { ca_bundle_pem, ..MirrorConfig::new(mirror) })?;
    let (limits, floor) = (Limits::default(), Floor::default());
    let request = Request {
        target: &anchor.target,
        expiry: Expiry::Enforce,
        ..Request::new(&anchor.root, &floor, &limits, now)
    };
    let verified = tuf::update(&request, &Files::over_http(mirror)).await;
    let verified = verified.map_err(|failure| anyhow::anyhow!("{}", chain(&failure.error)))?;
    Ok(Artifact::of(verified)?.packed)
}

/// The object that shows a default root that no file has.
fn shown(name: &str, mirror: &url::Url, anchor: &Anchor) -> Given {
    let root = Base64Data::encode(&anchor.root).0;
    let spec = json!({"remote": {"mirror": mirror.as_str(), "root": root}});
    let object = json!({"kind": "TrustRoot", "metadata": {"name": name}, "spec": spec});
    Given { origin: "--tuf-mirror".to_owned(), object }
}

/// The object as watches have it. What does not decode as one keeps its name and its data.
fn dynamic(given: &Given) -> DynamicObject {
    let data: Value = given.object.clone();
    serde_json::from_value(data).unwrap_or_else(|_| {
        let mut object = DynamicObject {
            types: None,
            metadata: kube::api::ObjectMeta::default(),
            data: given.object.clone(),
        };
        object.metadata.name = Some(given.word("/metadata/name").to_owned());
        object
    })
}
