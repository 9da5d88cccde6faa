//! The chapters about a cluster that keeps its Policy Controller, with Trustwright beside it.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use trustwright_testkit::{
    ControlPlane, Image, Operator, OperatorOptions, PolicyController, PrivateSigstore, control_plane,
    http::HttpServer,
    operator::built_binary,
    private_sigstore::{AUDIENCE, subject},
    tuf_repository::Repository,
};
use trustwright_trust::tuf::TRUSTED_ROOT_TARGET;

use super::story::Story;
use crate::tuf::{INTERVAL, LASTING, trust_root};

const NAMESPACE: &str = "checked";

/// A cluster of its own, whose webhooks are those of the Policy Controller.
struct Other {
    // In the order in which they are to end.
    _peer: PolicyController,
    control_plane: ControlPlane,
    sigstore: PrivateSigstore,
    token: String,
    repository: Repository,
    mirror: HttpServer,
}

pub(super) async fn tell(story: &Story<'_>) -> Result<()> {
    story.chapter(
        "Another cluster, which keeps its Policy Controller (v0.15.1, unchanged), and a private Sigstore",
    );
    let begun = Instant::now();
    let mut other = Other::start().await?;
    println!("  Up after {:.1} s.", begun.elapsed().as_secs_f32());
    let story = story.elsewhere(other.control_plane.kubeconfig());
    let old = policy_is_applied(&story, &other).await?;
    let companion = companion_is_started(&story, &other).await?;
    authority_is_replaced(&story, &mut other, &old).await?;
    companion.process().check()
}

impl Other {
    async fn start() -> Result<Self> {
        let control_plane = ControlPlane::start(control_plane::Options::default()).await?;
        let peer = PolicyController::start(&control_plane).await?;
        control_plane.create_namespace("build").await?;
        let sigstore = PrivateSigstore::start(&control_plane).await?;
        let token = control_plane.service_account_token("build", "default", &[AUDIENCE]).await?;
        let mut repository = Repository::new().until(LASTING);
        trust(&mut repository, &sigstore)?;
        let mirror = HttpServer::start(&repository.publish()).await?;
        Ok(Self { _peer: peer, control_plane, sigstore, token, repository, mirror })
    }

    /// Pushes an image and has the authority of the moment certify its signature.
    async fn signed(&self, story: &Story<'_>, name: &str) -> Result<Image> {
        let image = story.push_quietly("shop/keyless", name).await?;
        self.sigstore.sign_keyless_legacy(&image, &self.token).await?;
        println!("  pushed and signed {image}");
        Ok(image)
    }
}

/// Puts what the private Sigstore is trusted with into the repository, less its Ed25519 log: the Policy Controller
/// cannot load that.
fn trust(repository: &mut Repository, sigstore: &PrivateSigstore) -> Result<()> {
    let mut root: Value = serde_json::from_str(sigstore.trusted_root_json())?;
    root["tlogs"] = json!([]);
    repository.files.insert(TRUSTED_ROOT_TARGET.to_owned(), root.to_string().into_bytes());
    Ok(())
}

async fn policy_is_applied(story: &Story<'_>, other: &Other) -> Result<Image> {
    let mut root = trust_root("private", &other.repository, other.mirror.url(), INTERVAL);
    // Its definition has no place for an interval.
    root["spec"]["remote"] = json!({
        "root": root["spec"]["remote"]["root"], "mirror": other.mirror.url(), "targets": "targets",
    });
    root["metadata"]["annotations"] = json!({"trustwright.dev/refresh-interval": INTERVAL});
    story.apply_quietly("private.json", &root.to_string()).await?;
    story.kubectl(&["wait", "--for=condition=Ready", "trustroot/private", "--timeout=30s"]).await?;
    let policy = json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
        "metadata": {"name": "keyless"},
        "spec": {"images": [{"glob": "**/shop/**"}], "authorities": [{
            "keyless": {
                "url": other.sigstore.fulcio_url(), "trustRootRef": "private",
                "identities": [{"issuer": other.sigstore.issuer(), "subject": subject("build", "default")}],
            },
            "rfc3161timestamp": {"trustRootRef": "private"},
        }]},
    });
    story.apply_quietly("keyless.json", &policy.to_string()).await?;
    other.control_plane.create_namespace(NAMESPACE).await?;
    story.quiet_kubectl(&["label", "namespace", NAMESPACE, "policy.sigstore.dev/include=true"]).await?;
    let old = other.signed(story, "old").await?;
    story.until_admitted(&run("old", &old.to_string())).await?;
    Ok(old)
}

async fn companion_is_started(story: &Story<'_>, other: &Other) -> Result<Operator> {
    story.chapter("Trustwright beside it: trustwright controller --mode=companion");
    let mut options = OperatorOptions::new(built_binary("release"));
    options.args.push("--mode=companion".into());
    options.args.push("--disable-tuf".into());
    let companion = Operator::companion(&other.control_plane, options).await?.ready().await?;
    println!("  $ kubectl apply -f deploy/companion");
    in_step(story).await?;
    let said = story.kubectl(&["get", "trustroot", "private", "-o", CONDITIONS]).await?;
    ensure!(said.contains("PeerInStep=True Info"), "it is not in step");
    ensure!(said.lines().any(|line| line.starts_with("Ready=True")), "theirs is not ready");
    Ok(companion)
}

async fn authority_is_replaced(story: &Story<'_>, other: &mut Other, old: &Image) -> Result<()> {
    story.chapter(
        "The authority is replaced: the mirror names its successor alone. Nobody touches the cluster",
    );
    other.sigstore.rotate_fulcio(&other.control_plane).await?;
    let new = other.signed(story, "new").await?;
    let (old, new) = (old.to_string(), new.to_string());
    let said = story.refused(&run("new", &new)).await?;
    ensure!(said.contains("failed policy: keyless"), "refused for another reason");
    trust(&mut other.repository, &other.sigstore)?;
    other.repository.advance();
    other.mirror.serve(&other.repository.publish());
    println!("\n  The mirror is changed …\n");
    let begun = Instant::now();
    story.until_admitted(&run("new", &new)).await?;
    let took = begun.elapsed().as_secs_f32();
    let said = story.refused(&run("old-again", &old)).await?;
    ensure!(said.contains("failed policy: keyless"), "refused for another reason");
    let material = "jsonpath={.metadata.annotations.trustwright\\.dev/material}{\"\\n\"}";
    let told = story.kubectl(&["get", "trustroot", "private", "-o", material]).await?;
    ensure!(!told.trim().is_empty(), "it was not told");
    println!(
        "\n  Both verdicts of the Policy Controller turned {took:.1} s after the mirror changed; alone, it reads a \
         mirror once a day."
    );
    in_step(story).await?;
    story.kubectl(&["get", "trustroot", "private", "-o", CONDITIONS]).await.map(drop)
}

/// Waits until Trustwright says that the Policy Controller has loaded what it should.
async fn in_step(story: &Story<'_>) -> Result<()> {
    for condition in ["PeerInStep", "SignatureChecksReady"] {
        let wait = format!("--for=condition={condition}");
        story.kubectl(&["wait", &wait, "trustroot/private", "--timeout=30s"]).await?;
    }
    Ok(())
}

/// Creates nothing: what is asked for is the verdict.
fn run<'a>(name: &'a str, image: &'a str) -> [&'a str; 7] {
    ["-n", NAMESPACE, "run", name, "--dry-run=server", "--image", image]
}

/// One condition in a line, with its severity where it has one.
const CONDITIONS: &str =
    "jsonpath={range .status.conditions[*]}{.type}={.status}{\" \"}{.severity}{\" \"}{.reason}{\"\\n\"}{end}";
