//! `make demo`: what Trustwright does, told step by step with the commands that show it.

mod beside;
mod evidence;
mod mirror;
mod story;

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use trustwright_testkit::{public_good, tuf_repository::Repository};

use crate::cluster::{Cluster, DefaultRoot};
use crate::tuf::LASTING;
use story::Story;

/// Runs the whole story; fails if a step does not come out as told.
pub(crate) async fn run() -> Result<()> {
    let begun = std::time::Instant::now();
    println!("Bringing up a Kubernetes control plane, a registry and Trustwright …");
    let cluster = Cluster::start(DefaultRoot::Mirror).await?;
    let story = Story::new(&cluster)?;
    println!(
        "Up after {:.1} s. Trustwright was ready {} ms after its start and holds {} MiB.",
        begun.elapsed().as_secs_f32(),
        cluster.operator.ready_after().as_millis(),
        resident_mebibytes(cluster.operator.pid())?,
    );
    images_are_signed(&story).await?;
    policy_is_applied(&story).await?;
    signed_image_is_admitted(&story).await?;
    unsigned_image_is_refused(&story).await?;
    warning_is_given(&story).await?;
    evidence::tell(&story).await?;
    trust_root_is_read(&story).await?;
    mirror::tell(&story).await?;
    repository_is_packed(&story).await?;
    checks_are_shown(&story).await?;
    story.chapter("What was counted");
    let metrics = cluster.operator.metrics().await?;
    for line in metrics.lines().filter(|line| line.starts_with("trustwright_admission_total")) {
        println!("    {line}");
    }
    beside::tell(&story).await?;
    println!(
        "\nThat was the demo, in {:.1} s. `make up` leaves such a cluster running.",
        begun.elapsed().as_secs_f32()
    );
    Ok(())
}

async fn images_are_signed(story: &Story<'_>) -> Result<()> {
    story.chapter("Images: one signed with a key, one not");
    story.cosign(&["generate-key-pair"]).await?;
    for tag in ["signed", "unsigned"] {
        story.push(tag).await?;
    }
    let flags = ["--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "-y"];
    let image = story.pinned("signed").await?;
    let mut sign = vec!["sign"];
    sign.extend(flags);
    sign.push(&image);
    story.cosign(&sign).await.map(drop)
}

async fn policy_is_applied(story: &Story<'_>) -> Result<()> {
    story.chapter("A policy: images of shop/** carry a signature of that key");
    let key = fs::read_to_string(story.folder().join("cosign.pub")).context("cosign.pub")?;
    story.apply("policy.yaml", &policy("shop", "enforce", "**/shop/**", &key)).await?;
    story.kubectl(&["wait", "--for=condition=Ready", "cip/shop", "--timeout=30s"]).await?;
    story.kubectl(&["get", "cip"]).await?;
    println!("\n  Namespaces opt in with a label:");
    story.kubectl(&["create", "namespace", "demo"]).await?;
    story.kubectl(&["label", "namespace", "demo", "policy.sigstore.dev/include=true"]).await?;
    story.service_account("demo").await
}

async fn signed_image_is_admitted(story: &Story<'_>) -> Result<()> {
    story.chapter("The signed image is admitted, pinned to its digest");
    let image = story.tagged("signed");
    story.kubectl(&["-n", "demo", "run", "cart", "--image", &image]).await?;
    let path = "jsonpath={.spec.containers[0].image}{\"\\n\"}";
    let found = story.kubectl(&["-n", "demo", "get", "pod", "cart", "-o", path]).await?;
    let digest = story.digest("signed").await?;
    ensure!(found.trim() == format!("{image}@{digest}"), "the pod runs {found}");
    Ok(())
}

async fn unsigned_image_is_refused(story: &Story<'_>) -> Result<()> {
    story.chapter("The unsigned image is refused, and the message says why");
    let image = story.tagged("unsigned");
    let refusal = story.refused(&["-n", "demo", "run", "intruder", "--image", &image]).await?;
    ensure!(refusal.contains("failed policy: shop: spec.containers[0].image"), "refused for another reason");
    ensure!(refusal.contains("no signatures found"), "refused for another reason");
    Ok(())
}

async fn warning_is_given(story: &Story<'_>) -> Result<()> {
    story.chapter("In warn mode the same image is admitted with a warning");
    story.kubectl(&["patch", "cip", "shop", "--type=merge", "-p", r#"{"spec":{"mode":"warn"}}"#]).await?;
    story
        .kubectl(&["wait", "--for=jsonpath={.status.observedGeneration}=2", "cip/shop", "--timeout=30s"])
        .await?;
    let image = story.tagged("unsigned");
    let said = story.until_admitted(&["-n", "demo", "run", "tolerated", "--image", &image]).await?;
    ensure!(said.contains("Warning: failed policy: shop: spec.containers[0].image"), "no warning in: {said}");
    story.kubectl(&["-n", "demo", "get", "pods"]).await.map(drop)
}

async fn trust_root_is_read(story: &Story<'_>) -> Result<()> {
    story.chapter("A TrustRoot: the keys of the public Sigstore instance, each with a line of its own");
    let manifest = public_good::trust_root_manifest()?;
    story.apply_quietly("trustroot.json", &serde_json::to_string_pretty(&manifest)?).await?;
    story.kubectl(&["wait", "--for=condition=Ready", "trustroot/public-good", "--timeout=30s"]).await?;
    story.kubectl(&["get", "trustroots"]).await?;
    let columns = "jsonpath={range .status.keys[*]}{.usable}{\"\\t\"}{.kind}{\"\\t\"}{.algorithm}{\"\\t\"}{.name}{\"\\n\"}{end}";
    let keys = story.kubectl(&["get", "trustroot", "public-good", "-o", columns]).await?;
    ensure!(
        keys.lines().count() >= 5 && keys.lines().all(|line| line.starts_with("true")),
        "a key is unusable"
    );
    ensure!(keys.contains("ed25519"), "the Rekor v2 log is missing");
    Ok(())
}

async fn repository_is_packed(story: &Story<'_>) -> Result<()> {
    story.chapter(
        "For clusters without network: a TUF repository, packed into a TrustRoot and verified there",
    );
    let repository = Repository::new().until(LASTING);
    fs::write(story.folder().join("root.json"), repository.first_root()).context("root.json")?;
    for (path, bytes) in repository.publish().files() {
        let file = story.folder().join("mirror").join(path);
        fs::create_dir_all(file.parent().context("no folder")?).context("mirror")?;
        fs::write(&file, bytes).with_context(|| format!("{}", file.display()))?;
    }
    let pack = ["trust", "pack", "mirror", "--root", "root.json", "--name", "air-gapped"];
    story.trustwright(&pack, "air-gapped.yaml").await?;
    story.kubectl(&["apply", "-f", "air-gapped.yaml"]).await?;
    story.kubectl(&["wait", "--for=condition=Ready", "trustroot/air-gapped", "--timeout=30s"]).await?;
    story.kubectl(&["get", "trustroots"]).await.map(drop)
}

async fn checks_are_shown(story: &Story<'_>) -> Result<()> {
    story.chapter("Do signature checks work? On one screen, and by kubectl");
    let screen = story.trustwright_says(&["status"]).await?;
    for part in ["shop", "mirrored", "ending"] {
        ensure!(screen.contains(part), "{part} is not on the screen");
    }
    println!();
    story.kubectl(&["get", "cip,trustroots", "-o", "wide"]).await.map(drop)
}

fn policy(name: &str, mode: &str, glob: &str, key: &str) -> String {
    let key: Vec<String> = key.lines().map(|line| format!("          {line}\n")).collect();
    format!(
        "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata:\n  name: {name}\nspec:\n  \
         mode: {mode}\n  images:\n    - glob: {}\n  authorities:\n    - key:\n        data: |\n{}",
        json!(glob),
        key.concat(),
    )
}

fn resident_mebibytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("/proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS")?;
    Ok(kibibytes.div_ceil(1024))
}
