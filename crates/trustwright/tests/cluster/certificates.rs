//! The webhooks' certificate, and the CA bundle wherever callers look for it.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
        core::v1::Secret,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use trustwright_testkit::{
    Operator,
    operator::{NAMESPACE, ca_pem},
    process::{eventually, free_port},
};

use crate::{
    fixture::{Own, SOON, admitted_soon, options},
    objects::POLICY,
    process::review,
};

const WORKLOADS: &str = "policy.sigstore.dev";
const DEFAULTING: &str = "defaulting.clusterimagepolicy.sigstore.dev";
const VALIDATING: &str = "validating.clusterimagepolicy.sigstore.dev";

/// The bundle of each webhook of the four configurations.
async fn bundles(own: &Own) -> Result<Vec<Option<ByteString>>> {
    let mutating = Api::<MutatingWebhookConfiguration>::all(own.client.clone());
    let validating = Api::<ValidatingWebhookConfiguration>::all(own.client.clone());
    let mut bundles = Vec::new();
    for name in [WORKLOADS, DEFAULTING] {
        let webhooks = mutating.get(name).await?.webhooks.unwrap_or_default();
        bundles.extend(webhooks.into_iter().map(|webhook| webhook.client_config.ca_bundle));
    }
    for name in [WORKLOADS, VALIDATING] {
        let webhooks = validating.get(name).await?.webhooks.unwrap_or_default();
        bundles.extend(webhooks.into_iter().map(|webhook| webhook.client_config.ca_bundle));
    }
    Ok(bundles)
}

async fn injected(own: &Own, pem: &str) -> Result<()> {
    eventually("the bundle in all four configurations", SOON, async || {
        let bundles = bundles(own).await?;
        ensure!(bundles.len() == 4, "{} webhooks", bundles.len());
        let all =
            bundles.iter().all(|bundle| bundle.as_ref().is_some_and(|bundle| bundle.0 == pem.as_bytes()));
        ensure!(all, "an old bundle is left");
        Ok(())
    })
    .await
}

async fn pass_everything(own: &Own) -> Result<()> {
    let spec = json!({"images": [{"glob": "**"}], "authorities": [{"static": {"action": "pass"}}]});
    own.objects.create(POLICY, "pass", &spec).await.map_err(anyhow::Error::msg)?;
    own.objects.wait_for_ready(POLICY, "pass", "True").await.map(drop)
}

#[tokio::test]
async fn replicas_share_one_authority_and_follow_when_the_secret_is_made_anew() -> Result<()> {
    let own = Own::start(&[]).await?;
    let pods = own.namespace("apps").await?;
    pass_everything(&own).await?;
    let image = format!("registry.example/app@sha256:{}", "0".repeat(64));
    admitted_soon(&pods, &image).await?;
    let mut second = options();
    second.identity = "trustwright-1".into();
    let second = Operator::spawn(&own.control_plane, second, free_port()?).await?.ready().await?;
    let answers = async |pem: &str| {
        for replica in [&own.operator, &second] {
            let answer = replica.post(pem, "/validations", &review(&image)).await?;
            ensure!(answer["response"]["allowed"] == true, "{answer}");
        }
        Ok(())
    };
    let first = ca_pem(&own.control_plane).await?;
    injected(&own, &first).await?;
    answers(&first).await?;

    let secrets = Api::<Secret>::namespaced(own.client.clone(), NAMESPACE);
    secrets.delete("webhook-certs", &DeleteParams::default()).await?;
    let anew = eventually("a new Secret", SOON, async || ca_pem(&own.control_plane).await).await?;
    assert_ne!(anew, first);
    injected(&own, &anew).await?;
    eventually("both serve under the new authority", SOON, async || answers(&anew).await).await?;
    assert!(second.post(&first, "/validations", &review(&image)).await.is_err());
    admitted_soon(&pods, &image).await
}

#[tokio::test]
async fn the_bundle_comes_back_where_it_was_wiped_and_into_a_crd_that_converts_through_us() -> Result<()> {
    let own = Own::start(&["--shutdown-grace=0"]).await?;
    pass_everything(&own).await?;
    let pem = ca_pem(&own.control_plane).await?;
    injected(&own, &pem).await?;
    let wipe = Patch::Json::<()>(serde_json::from_value(json!([
        {"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"},
    ]))?);
    let params = PatchParams::default();
    for name in [WORKLOADS, DEFAULTING] {
        Api::<MutatingWebhookConfiguration>::all(own.client.clone()).patch(name, &params, &wipe).await?;
    }
    for name in [WORKLOADS, VALIDATING] {
        Api::<ValidatingWebhookConfiguration>::all(own.client.clone()).patch(name, &params, &wipe).await?;
    }
    injected(&own, &pem).await?;

    let crds = Api::<CustomResourceDefinition>::all(own.client.clone());
    let name = "clusterimagepolicies.policy.sigstore.dev";
    let conversion = json!({"spec": {"conversion": {"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"],
        "clientConfig": {"service": {
            "name": "webhook", "namespace": NAMESPACE, "path": "/resource-conversion",
            "port": own.operator.webhook_port(),
        }},
    }}}});
    crds.patch(name, &params, &Patch::Merge(&conversion)).await?;
    eventually("the bundle in the CRD", SOON, async || {
        let conversion = crds.get(name).await?.spec.conversion.context("no conversion")?;
        let config = conversion.webhook.and_then(|webhook| webhook.client_config).context("no webhook")?;
        ensure!(config.ca_bundle.is_some_and(|bundle| bundle.0 == pem.as_bytes()), "not there");
        Ok(())
    })
    .await?;
    let beta = own.objects.api_in("v1beta1", POLICY);
    let converted = eventually("converted", SOON, async || {
        let object = beta.get("pass").await?;
        ensure!(own.operator.metrics().await?.contains("endpoint=\"resource-conversion\""), "not through us");
        Ok(object)
    })
    .await?;
    assert_eq!(converted.data["spec"], own.objects.api(POLICY).get("pass").await?.data["spec"]);
    Ok(())
}
