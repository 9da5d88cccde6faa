//! Keyless signatures of a private Sigstore, judged against a trust root that changes.

use std::process::Command;

use anyhow::Result;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use trustwright_testkit::{
    PrivateSigstore,
    operator::NAMESPACE,
    private_sigstore::{AUDIENCE, REKOR_ORIGIN, subject},
};

use crate::{
    fixture::{Space, admitted_soon, refusal},
    objects::{POLICY, ROOT},
};

/// The authorities of a policy that accepts `subject` with an entry in the log of `root`.
pub(crate) fn keyless(root: &str, issuer: &str, subject: &str) -> Value {
    json!([{
        "name": "private",
        "keyless": {"trustRootRef": root, "identities": [{"issuer": issuer, "subject": subject}]},
        "ctlog": {"trustRootRef": root},
    }])
}

/// Has `trustwright verify` judge `image` by what the cluster has in force; it must say `words`.
fn by_hand(space: &Space, image: &str, status: i32, words: &[&str]) -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_trustwright"))
        .args(["verify", image, "--explain", "--namespace", NAMESPACE])
        .env("KUBECONFIG", space.cluster.control_plane.kubeconfig())
        .output()?;
    let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    assert_eq!(output.status.code(), Some(status), "{out} {err}");
    for word in words {
        assert!(out.contains(word), "no {word:?} in {out} {err}");
    }
    Ok(())
}

#[tokio::test]
async fn what_a_service_account_signed_is_admitted_until_its_authority_is_rotated_away() -> Result<()> {
    let space = Space::new("keyless").await?;
    let control_plane = space.cluster.control_plane;
    let mut sigstore = PrivateSigstore::start(control_plane).await?;
    let token = control_plane.service_account_token(&space.name, "default", &[AUDIENCE]).await?;
    let registry = &space.cluster.registry;
    let image = registry.push_image(&space.repository("app"), "v1").await?;
    sigstore.sign_keyless(&image, &token).await?;
    let unsigned = registry.push_image(&space.repository("app"), "unsigned").await?.to_string();

    let root = "keyless-private";
    let spec = json!({"trustedRoot": {"data": sigstore.trusted_root_json()}});
    let signer = subject(&space.name, "default");
    let authorities = json!({"authorities": keyless(root, sigstore.issuer(), &signer)});
    // The policy comes first: until its root is there, it refuses and says so.
    let policy = space.policy_that_is("False", "policy", authorities).await?;
    let said = space.refused_soon(&image.to_string(), "trustRootRef keyless-private not found").await?;
    let start = refusal(&policy, "spec.containers[0].image", &image.to_string());
    assert!(said.starts_with(&start), "{said}");
    space.objects.create(ROOT, root, &spec).await.map_err(anyhow::Error::msg)?;
    space.objects.wait_for_ready(ROOT, root, "True").await?;
    space.objects.wait_for_ready(POLICY, &policy, "True").await?;
    admitted_soon(&space.pods(), &image.to_string()).await?;
    space.run("signed", &image.to_string()).await.map_err(anyhow::Error::msg)?;

    by_hand(&space, &image.to_string(), 0, &[&signer, sigstore.issuer(), REKOR_ORIGIN, "inclusion proof"])?;
    by_hand(&space, &unsigned, 1, &["no signatures found", "looked into the referrers in "])?;

    let said = space.run("unsigned", &unsigned).await.unwrap_err();
    let start = refusal(&policy, "spec.containers[0].image", &unsigned);
    assert!(said.starts_with(&start), "{said}");
    let text = "signature keyless validation failed for authority private for";
    assert!(said.contains(text) && said.contains("no signatures found\n"), "{said}");

    // Somebody else's signature is refused with who it is; it is the first line as the field knows it.
    let other = subject(&space.name, "other");
    space.change(&policy, &json!({"authorities": keyless(root, sigstore.issuer(), &other)})).await?;
    let hint =
        format!("signed by subject {signer} of issuer {}, expected subject {other}", sigstore.issuer());
    let said = space.refused_soon(&image.to_string(), &hint).await?;
    assert!(said.contains("none of the expected identities matched what was in the certificate"), "{said}");
    space.change(&policy, &json!({"authorities": keyless(root, sigstore.issuer(), &signer)})).await?;
    admitted_soon(&space.pods(), &image.to_string()).await?;

    sigstore.rotate_fulcio(control_plane).await?;
    let renewed = registry.push_image(&space.repository("app"), "v2").await?;
    sigstore.sign_keyless(&renewed, &token).await?;
    let patch = json!({"spec": {"trustedRoot": {"data": sigstore.trusted_root_json()}}});
    space.objects.api(ROOT).patch(root, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    space.refused_soon(&image.to_string(), "cert verification failed: ").await?;
    admitted_soon(&space.pods(), &renewed.to_string()).await?;
    Ok(())
}
