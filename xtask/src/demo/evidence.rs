//! The chapters about what the field signs: bundles with a key, attestations, and keyless with a private Sigstore.

use std::{fs, time::Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use trustwright_testkit::{
    Image, PrivateSigstore,
    private_sigstore::{AUDIENCE, subject},
};

use super::story::Story;

/// What builds images, as Fulcio knows it.
const BUILDER: &str = "build";
/// The predicate type of the scan that the policy in CUE judges.
const SCAN: &str = "https://example.com/scan/v1";
/// What the policy wants of it.
const FEW_FINDINGS: &str = "import \"list\"\npredicate: {passed: true, findings: list.MaxItems(1)}\n";

pub(super) async fn tell(story: &Story<'_>) -> Result<()> {
    let bundled = bundle_of_a_key(story).await?;
    attestation_is_judged(story).await?;
    key_is_rotated(story, &bundled).await?;
    keyless(story).await
}

async fn bundle_of_a_key(story: &Story<'_>) -> Result<String> {
    story.chapter("What cosign v3 writes with a key: a bundle beside the image, found without configuration");
    let image = story.push_quietly("built/bundle", "v1").await?.to_string();
    let sign =
        ["sign", "--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "-y", &image];
    story.cosign(&sign).await?;
    policy_is_ready(
        story,
        "bundled",
        "**/built/bundle@*",
        &json!([{"name": "builder", "key": key(story, "cosign")?}]),
    )
    .await?;
    story.kubectl(&run("bundled", &image)).await?;
    Ok(image)
}

async fn attestation_is_judged(story: &Story<'_>) -> Result<()> {
    story.chapter(
        "An attestation, judged by a policy in CUE: the scan has passed, and found one thing at most",
    );
    let authority = json!([{"name": "scanner", "key": key(story, "cosign")?, "attestations": [{
        "name": "scan", "predicateType": SCAN, "policy": {"type": "cue", "data": FEW_FINDINGS},
    }]}]);
    policy_is_ready(story, "scanned", "**/built/scanned@*", &authority).await?;
    let scans = [
        ("clean", json!({"passed": true, "findings": []})),
        ("dirty", json!({"passed": true, "findings": [1, 2]})),
    ];
    for (name, scan) in scans {
        let image = story.push_quietly("built/scanned", name).await?.to_string();
        let file = format!("{name}.json");
        fs::write(story.folder().join(&file), scan.to_string()).context("the scan")?;
        println!("  {file}: {scan}");
        let attest =
            ["attest", "--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "-y"];
        story.cosign(&[attest.as_slice(), &["--type", SCAN, "--predicate", &file, &image]].concat()).await?;
        if name == "clean" {
            story.kubectl(&run(name, &image)).await?;
        } else {
            let said = story.refused(&run(name, &image)).await?;
            ensure!(said.contains("predicate.findings: invalid value [1,2]"), "refused for another reason");
        }
    }
    Ok(())
}

async fn key_is_rotated(story: &Story<'_>, old: &str) -> Result<()> {
    story.chapter("The key is rotated: what the old one signed is refused a moment later");
    story.cosign(&["generate-key-pair", "--output-key-prefix", "next"]).await?;
    let new = story.push_quietly("built/bundle", "v2").await?.to_string();
    let sign = ["sign", "--key", "next.key", "--use-signing-config=false", "--tlog-upload=false", "-y", &new];
    story.cosign(&sign).await?;
    let said = story.refused(&run("too-early", &new)).await?;
    ensure!(said.contains("failed policy: bundled"), "refused for another reason");
    let begun = Instant::now();
    policy_is_ready(
        story,
        "bundled",
        "**/built/bundle@*",
        &json!([{"name": "builder", "key": key(story, "next")?}]),
    )
    .await?;
    let took = begun.elapsed().as_secs_f32();
    let said = story.refused(&run("bundled-again", old)).await?;
    ensure!(said.contains("failed policy: bundled"), "refused for another reason");
    story.kubectl(&run("rotated", &new)).await?;
    println!("\n  In force {took:.1} s after the first of these commands.");
    Ok(())
}

async fn keyless(story: &Story<'_>) -> Result<()> {
    story.chapter(
        "Keyless: a private Sigstore certifies a service account, and its Rekor v2 log has the entry",
    );
    let sigstore = PrivateSigstore::start(story.control_plane()).await?;
    story.quiet_kubectl(&["create", "namespace", BUILDER]).await?;
    story.service_account(BUILDER).await?;
    let token = story.control_plane().service_account_token(BUILDER, "default", &[AUDIENCE]).await?;
    let root = json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot", "metadata": {"name": "private"},
        "spec": {"trustedRoot": {"data": sigstore.trusted_root_json()}},
    });
    story.apply_quietly("private-root.json", &root.to_string()).await?;
    story.kubectl(&["wait", "--for=condition=Ready", "trustroot/private", "--timeout=30s"]).await?;
    let signer = json!({"issuer": sigstore.issuer(), "subject": subject(BUILDER, "default")});
    let authority = json!([{
        "name": "builder", "keyless": {"trustRootRef": "private", "identities": [signer]},
        "ctlog": {"trustRootRef": "private"},
    }]);
    policy_is_ready(story, "keyless", "**/built/keyless@*", &authority).await?;
    let image = story.push_quietly("built/keyless", "v1").await?;
    sigstore.sign_keyless(&image, &token).await?;
    println!("  pushed and signed {image}");
    story.kubectl(&run("keyless", &image.to_string())).await?;
    why(story, &image).await
}

/// The same engine at hand, which tells of every piece of evidence.
async fn why(story: &Story<'_>, image: &Image) -> Result<()> {
    story.chapter("And why? trustwright verify --explain, with what the cluster has in force");
    let said = story.trustwright_says(&["verify", &image.to_string(), "--explain"]).await?;
    for part in [subject(BUILDER, "default").as_str(), "rekor.local"] {
        ensure!(said.contains(part), "{part} is not told");
    }
    Ok(())
}

/// Applies a policy for the images of `glob`, and waits until it is in force as it is now.
async fn policy_is_ready(story: &Story<'_>, name: &str, glob: &str, authorities: &Value) -> Result<()> {
    let policy = json!({
        "apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy", "metadata": {"name": name},
        "spec": {"images": [{"glob": glob}], "authorities": authorities},
    });
    story.apply_quietly(&format!("{name}.json"), &policy.to_string()).await?;
    let object = format!("cip/{name}");
    story.kubectl(&["wait", "--for=condition=Ready", &object, "--timeout=30s"]).await.map(drop)
}

/// `<prefix>.pub` as an authority has it.
fn key(story: &Story<'_>, prefix: &str) -> Result<Value> {
    let file = format!("{prefix}.pub");
    Ok(json!({"data": fs::read_to_string(story.folder().join(&file)).context(file)?}))
}

/// Creates nothing: what is asked for is the verdict.
fn run<'a>(name: &'a str, image: &'a str) -> [&'a str; 7] {
    ["-n", "demo", "run", name, "--dry-run=server", "--image", image]
}
