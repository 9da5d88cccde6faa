//! The rights of the manifests: none is missing, and none is granted that is not used.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::{
    api::{
        core::v1::{Pod, Secret},
        events::v1::Event,
        rbac::v1::{ClusterRole, PolicyRule, Role},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use trustwright_testkit::{
    ControlPlane, KeyKind, Operator, Signer, control_plane,
    http::{Fault, HttpServer},
    operator::{NAMESPACE, ca_pem},
    process::eventually,
    public_good, run_dir,
    tuf_repository::Repository,
};

use crate::{
    fixture::{SOON, dry_run, message, opt_in, options_with, pod_of, run},
    objects::{Objects, POLICY, ROOT, condition},
    policy_bodies::{self, Texts},
};

const ACCOUNT: &str = "trustwright";
/// The role that can be left out.
const PULL_SECRETS: &str = "trustwright-pull-secrets";
const CRD: &str = "clusterimagepolicies.policy.sigstore.dev";
/// The object that shows the default root.
const DEFAULT: &str = "trustwright-default";

/// What was asked of the API server: verb, group, resource with its subresource, name.
pub(crate) type Act = (String, String, String, String);

/// An audit policy that records what our account asks, and nothing else.
fn audit_policy() -> Value {
    let user = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": [user]}, {"level": "None"}],
    })
}

/// Has Trustwright do everything that it does in a cluster.
async fn live_through(control_plane: &ControlPlane) -> Result<()> {
    let mut repository = Repository::new().until("2199-01-01T00:00:00Z");
    let mirror = HttpServer::start(&repository.publish()).await?;
    let file = run_dir::data("rights")?.join("root.json");
    fs::write(&file, repository.first_root())?;
    let flags = [format!("--tuf-mirror={}", mirror.url()), format!("--tuf-root={}", file.display())];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let texts = Texts::start("rights-texts").await?;
    let mut operator = Operator::start(control_plane, texts.trusting(&flags)).await?;
    let client = control_plane.client().await?;
    let objects = Objects::new(client.clone());
    let spec = json!({"images": [{"glob": "**"}], "authorities": [{"static": {"action": "pass"}}]});
    objects.create(POLICY, "p", &spec).await.map_err(anyhow::Error::msg)?;
    objects.wait_for_ready(POLICY, "p", "True").await?;
    policy_bodies::create(&objects, "remote", &texts.serve("text", "package text")).await?;
    policy_bodies::resolved(&objects, "remote", "True", "").await?;
    let root = public_good::trust_root_manifest()?;
    objects.create(ROOT, "r", &root["spec"]).await.map_err(anyhow::Error::msg)?;
    objects.wait_for_ready(ROOT, "r", "True").await?;
    objects.wait_for_ready(ROOT, DEFAULT, "True").await?;
    repository.advance();
    mirror.serve(&repository.publish());
    floor_rises(&client, control_plane).await?;
    tells_twice(&client, &objects, DEFAULT, &mirror).await?;
    certificate_is_mended(&client, control_plane).await?;
    crd_gets_the_bundle(&client, operator.webhook_port()).await?;
    denial_is_told(&client, &objects, control_plane).await?;
    pull_secret_is_looked_for(&client, &objects).await?;
    end(&mut operator).await?;

    let port = operator.webhook_port();
    let mut without = Operator::spawn(control_plane, options_with(&[]), port).await?.ready().await?;
    eventually("the default root removed", SOON, async || {
        ensure!(objects.api(ROOT).get_opt(DEFAULT).await?.is_none(), "still there");
        Ok(())
    })
    .await?;
    end(&mut without).await
}

async fn end(operator: &mut Operator) -> Result<()> {
    operator.process().signal("TERM")?;
    let status = operator.process_mut().wait(Duration::from_secs(30)).await?;
    ensure!(status.success(), "{status}");
    Ok(())
}

async fn refresh(control_plane: &ControlPlane, wish: &str) -> Result<()> {
    let annotation = format!("trustwright.dev/refresh={wish}");
    control_plane.kubectl(&["annotate", "--overwrite", "trustroot", DEFAULT, &annotation]).await?;
    Ok(())
}

async fn floor_rises(client: &Client, control_plane: &ControlPlane) -> Result<()> {
    refresh(control_plane, "rise").await?;
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    eventually("a higher floor", SOON, async || {
        let data = secrets.get("trustwright-floors").await?.data.unwrap_or_default();
        let entry = data.values().next().context("no entry")?;
        let entry: Value = serde_json::from_slice(&entry.0)?;
        ensure!(entry["accepted"]["timestamp"] == 2, "{entry}");
        Ok(())
    })
    .await
}

/// Has a root's mirror fail and heal until an event is counted in one of its kind that was told before.
pub(crate) async fn tells_twice(
    client: &Client,
    objects: &Objects,
    root: &str,
    mirror: &HttpServer,
) -> Result<()> {
    let events = Api::<Event>::namespaced(client.clone(), "default");
    let mut wish = 0;
    eventually("an event that is counted", SOON, async || {
        for status in ["False", "True"] {
            mirror.heal();
            if status == "False" {
                mirror.fail_everywhere(Fault::Closed);
            }
            wish += 1;
            let patch = json!({"metadata": {"annotations": {"trustwright.dev/refresh": wish.to_string()}}});
            objects.api(ROOT).patch(root, &PatchParams::default(), &Patch::Merge(&patch)).await?;
            eventually(&format!("Refreshed={status}"), SOON, async || {
                let object = objects.api(ROOT).get(root).await?;
                let refreshed = condition(&object, "Refreshed").context("no condition")?;
                ensure!(refreshed["status"] == status, "{refreshed}");
                Ok(())
            })
            .await?;
        }
        let told = events.list(&ListParams::default()).await?;
        let is_counted = |event: &Event| {
            let about = event.regarding.as_ref().and_then(|object| object.name.as_deref());
            event.series.is_some() && about == Some(root)
        };
        ensure!(told.iter().any(is_counted), "no event is counted");
        Ok(())
    })
    .await
}

async fn denial_is_told(client: &Client, objects: &Objects, control_plane: &ControlPlane) -> Result<()> {
    opt_in(control_plane, "denials").await?;
    let pods = Api::namespaced(client.clone(), "denials");
    let spec = json!({"images": [{"glob": "**/denied/**"}], "authorities": [{"static": {"action": "fail"}}]});
    objects.create(POLICY, "denies", &spec).await.map_err(anyhow::Error::msg)?;
    objects.wait_for_ready(POLICY, "denies", "True").await?;
    let image = format!("registry.example/denied/app@sha256:{}", "0".repeat(64));
    let said = run(&pods, "denied", &image).await.unwrap_err();
    ensure!(said.contains("failed policy: denies"), "{said}");
    let events = Api::<Event>::namespaced(client.clone(), "denials");
    eventually("the denial as an event", SOON, async || {
        let told = events.list(&ListParams::default()).await?.items;
        ensure!(told.len() == 1, "{told:?}");
        Ok(())
    })
    .await
}

/// No registry is there, and no Secret: that both are asked for is enough.
async fn pull_secret_is_looked_for(client: &Client, objects: &Objects) -> Result<()> {
    let spec = json!({
        "images": [{"glob": "127.0.0.1:1/pulled/**"}],
        "authorities": [{"key": {"data": Signer::new(KeyKind::EcdsaP256).await?.public_key_pem()}}],
    });
    objects.create(POLICY, "pulled", &spec).await.map_err(anyhow::Error::msg)?;
    objects.wait_for_ready(POLICY, "pulled", "True").await?;
    objects.wait_for_condition(POLICY, "pulled", "Enforced").await?;
    let image = format!("127.0.0.1:1/pulled/app@sha256:{}", "0".repeat(64));
    let containers = json!([{"name": "main", "image": image}]);
    let pod = pod_of("pulled", &json!({"containers": containers, "imagePullSecrets": [{"name": "none"}]}));
    let pods = Api::<Pod>::namespaced(client.clone(), "denials");
    let said = pods.create(&dry_run(), &pod).await.map_err(message).unwrap_err();
    ensure!(said.contains("failed policy: pulled"), "{said}");
    Ok(())
}

async fn certificate_is_mended(client: &Client, control_plane: &ControlPlane) -> Result<()> {
    let before = ca_pem(control_plane).await?;
    let damage = json!({"data": {"server-cert.pem": "", "ca-cert.pem": ""}});
    Api::<Secret>::namespaced(client.clone(), NAMESPACE)
        .patch("webhook-certs", &PatchParams::default(), &Patch::Merge(&damage))
        .await?;
    eventually("the certificate is made anew", SOON, async || {
        let now = ca_pem(control_plane).await?;
        ensure!(!now.is_empty() && now != before, "not yet");
        Ok(())
    })
    .await
}

async fn crd_gets_the_bundle(client: &Client, port: u16) -> Result<()> {
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    let service =
        json!({"name": "webhook", "namespace": NAMESPACE, "path": "/resource-conversion", "port": port});
    let conversion = json!({"spec": {"conversion": {"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"service": service},
    }}}});
    crds.patch(CRD, &PatchParams::default(), &Patch::Merge(&conversion)).await?;
    eventually("the bundle in the CRD", SOON, async || {
        let conversion = crds.get(CRD).await?.spec.conversion.context("no conversion")?;
        let config = conversion.webhook.and_then(|webhook| webhook.client_config).context("no webhook")?;
        config.ca_bundle.context("no bundle").map(drop)
    })
    .await
}

/// What the log says: everything that was asked, and what of it was refused for a lack of rights.
pub(crate) fn recorded(log: &Path) -> Result<(BTreeSet<Act>, BTreeSet<Act>)> {
    let (mut all, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for line in fs::read_to_string(log)?.lines() {
        let event: Value = serde_json::from_str(line)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &event["objectRef"];
        let resource = match object["subresource"].as_str() {
            Some(subresource) => format!("{}/{subresource}", text(&object["resource"])),
            None => text(&object["resource"]),
        };
        let act = (text(&event["verb"]), text(&object["apiGroup"]), resource, text(&object["name"]));
        // Applying what is not there needs the right to create as well, which the log does not name.
        if act.0 == "patch" && event["responseStatus"]["code"] == 201 {
            all.insert(("create".to_owned(), act.1.clone(), act.2.clone(), act.3.clone()));
        }
        if event["responseStatus"]["code"] == 403 {
            refused.insert(act.clone());
        }
        all.insert(act);
    }
    Ok((all, refused))
}

/// Every single act that the rules name, with an empty name where they name none.
pub(crate) fn granted(rules: &[PolicyRule]) -> BTreeSet<Act> {
    let mut granted = BTreeSet::new();
    for rule in rules {
        let names = rule.resource_names.clone().unwrap_or_else(|| vec![String::new()]);
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    let act = |name: &String| (verb.clone(), group.clone(), resource.clone(), name.clone());
                    granted.extend(names.iter().map(act));
                }
            }
        }
    }
    granted
}

#[tokio::test]
async fn every_right_of_the_manifests_is_used_and_none_is_missing() -> Result<()> {
    let folder = run_dir::data("audit")?;
    let (policy, log) = (folder.join("policy.json"), folder.join("audit.log"));
    fs::write(&policy, audit_policy().to_string())?;
    let options = control_plane::Options::default()
        .with_apiserver_flag(format!("--audit-policy-file={}", policy.display()))
        .with_apiserver_flag(format!("--audit-log-path={}", log.display()));
    let control_plane = ControlPlane::start(options).await?;
    live_through(&control_plane).await?;

    let (all, refused) = recorded(&log)?;
    assert!(!all.is_empty(), "the audit log is empty");
    assert_eq!(refused, BTreeSet::new(), "rights are missing");
    let client = control_plane.client().await?;
    let cluster = Api::<ClusterRole>::all(client.clone()).get(ACCOUNT).await?.rules.unwrap_or_default();
    let own = Api::<Role>::namespaced(client.clone(), NAMESPACE).get(ACCOUNT).await?;
    let pulling = Api::<ClusterRole>::all(client.clone()).get(PULL_SECRETS).await?.rules.unwrap_or_default();
    let granted = granted(&[cluster, pulling, own.rules.unwrap_or_default()].concat());
    let was_used = |(verb, group, resource, name): &Act| {
        all.iter().any(|act| {
            (&act.0, &act.1, &act.2) == (verb, group, resource) && (name.is_empty() || act.3 == *name)
        })
    };
    let idle: Vec<_> = granted.iter().filter(|act| !was_used(act)).collect();
    assert!(idle.is_empty(), "rights that nothing uses: {idle:#?}");
    Ok(())
}
