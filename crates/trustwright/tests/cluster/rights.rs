//! The rights of the manifests: none is missing, and none is granted that is not used.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::{
    api::{
        core::v1::Secret,
        rbac::v1::{ClusterRole, PolicyRule, Role},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use trustwright_testkit::{
    ControlPlane, Operator, control_plane,
    operator::{NAMESPACE, ca_pem},
    process::eventually,
    public_good, run_dir,
};

use crate::{
    fixture::{SOON, options},
    objects::{Objects, POLICY, ROOT},
};

const ACCOUNT: &str = "trustwright";
const CRD: &str = "clusterimagepolicies.policy.sigstore.dev";

/// What was asked of the API server: verb, group, resource with its subresource, name.
type Act = (String, String, String, String);

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
    let mut operator = Operator::start(control_plane, options()).await?;
    let client = control_plane.client().await?;
    let objects = Objects::new(client.clone());
    let spec = json!({"images": [{"glob": "**"}], "authorities": [{"static": {"action": "pass"}}]});
    objects.create(POLICY, "p", &spec).await.map_err(anyhow::Error::msg)?;
    objects.wait_for_ready(POLICY, "p", "True").await?;
    let root = public_good::trust_root_manifest()?;
    objects.create(ROOT, "r", &root["spec"]).await.map_err(anyhow::Error::msg)?;
    objects.wait_for_ready(ROOT, "r", "True").await?;
    certificate_is_mended(&client, control_plane).await?;
    crd_gets_the_bundle(&client, operator.webhook_port()).await?;
    operator.process().signal("TERM")?;
    let status = operator.process_mut().wait(Duration::from_secs(30)).await?;
    ensure!(status.success(), "{status}");
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
fn recorded(log: &Path) -> Result<(BTreeSet<Act>, BTreeSet<Act>)> {
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
        if event["responseStatus"]["code"] == 403 {
            refused.insert(act.clone());
        }
        all.insert(act);
    }
    Ok((all, refused))
}

/// Every single act that the rules name, with an empty name where they name none.
fn granted(rules: &[PolicyRule]) -> BTreeSet<Act> {
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
    let own = Api::<Role>::namespaced(client, NAMESPACE).get(ACCOUNT).await?.rules.unwrap_or_default();
    let granted = granted(&[cluster, own].concat());
    let was_used = |(verb, group, resource, name): &Act| {
        all.iter().any(|act| {
            (&act.0, &act.1, &act.2) == (verb, group, resource) && (name.is_empty() || act.3 == *name)
        })
    };
    let idle: Vec<_> = granted.iter().filter(|act| !was_used(act)).collect();
    assert!(idle.is_empty(), "rights that nothing uses: {idle:#?}");
    Ok(())
}
