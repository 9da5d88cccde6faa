//! The chapters about a `TrustRoot` behind a mirror.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use trustwright_testkit::{http::HttpServer, process::eventually, tuf_repository::Repository};

use super::story::Story;
use crate::tuf::{INTERVAL, LASTING, change, trust_root};

/// The series in which every webhook replica says what it has in force.
const IN_FORCE: &str = r#"webhook_trustroot_info{trustroot="mirrored""#;
/// Longest wait for what takes one interval.
const SOON: Duration = Duration::from_secs(30);
/// How far ahead the end is of the root that is said to be expiring.
const AHEAD: SignedDuration = SignedDuration::from_hours(20 * 24);

pub(super) async fn tell(story: &Story<'_>) -> Result<()> {
    let mut repository = Repository::new().until(LASTING);
    let mirror = HttpServer::start(&repository.publish()).await?;
    mirror_is_read(story, &repository, &mirror).await?;
    mirror_is_rotated(story, &mut repository, &mirror).await?;
    mirror_is_gone(story, mirror).await?;
    root_is_expiring(story).await
}

async fn mirror_is_read(story: &Story<'_>, repository: &Repository, mirror: &HttpServer) -> Result<()> {
    story.chapter("A TrustRoot behind a mirror: a TUF repository, verified from the root that the user pins");
    let manifest = trust_root("mirrored", repository, mirror.url(), INTERVAL);
    story.apply_quietly("mirrored.json", &serde_json::to_string_pretty(&manifest)?).await?;
    story.kubectl(&["wait", "--for=condition=Ready", "trustroot/mirrored", "--timeout=30s"]).await?;
    let table = story.kubectl(&["get", "trustroots"]).await?;
    let is_ready = |name| table.lines().any(|line| line.split_whitespace().take(2).eq([name, "True"]));
    ensure!(is_ready("mirrored") && is_ready("trustwright-default"), "a TrustRoot is not ready");
    let status = story.kubectl(&["get", "trustroot", "mirrored", "-o", STATUS]).await?;
    ensure!(status.contains("root 1"), "the status does not show the first root");
    eventually("the webhook has it in force", SOON, async || {
        ensure!(story.all_metrics().await?.contains(IN_FORCE), "not yet");
        Ok(())
    })
    .await?;
    story.metrics(IN_FORCE).await.map(drop)
}

async fn mirror_is_rotated(
    story: &Story<'_>,
    repository: &mut Repository,
    mirror: &HttpServer,
) -> Result<()> {
    story.chapter("The mirror is rotated: another root key, and one CT log less. Nobody tells Trustwright");
    let fingerprint = change(repository)?;
    let begun = Instant::now();
    mirror.serve(&repository.publish());
    let here = format!("--for=jsonpath={{.status.fingerprint}}={fingerprint}");
    story.kubectl(&["wait", &here, "trustroot/mirrored", "--timeout=30s"]).await?;
    eventually("the webhook has it in force", SOON, async || {
        let metrics = story.all_metrics().await?;
        let line = metrics.lines().find(|line| line.contains(IN_FORCE)).context("no fingerprint")?;
        ensure!(line.contains(&fingerprint), "still {line}");
        Ok(())
    })
    .await?;
    let took = begun.elapsed().as_secs_f32();
    let status = story.kubectl(&["get", "trustroot", "mirrored", "-o", STATUS]).await?;
    ensure!(status.contains("root 2"), "the status does not show the new root");
    story.metrics(IN_FORCE).await?;
    let wish = r"jsonpath={.metadata.annotations.trustwright\.dev/refresh}";
    ensure!(
        story.quiet_kubectl(&["get", "trustroot", "mirrored", "-o", wish]).await?.is_empty(),
        "annotated"
    );
    story.check_operator()?;
    println!(
        "\n  In force in the webhook {took:.1} s after the mirror changed (refreshInterval: {INTERVAL}):\n  \
         the same process, and no annotation."
    );
    Ok(())
}

async fn mirror_is_gone(story: &Story<'_>, mirror: HttpServer) -> Result<()> {
    story.chapter("The mirror is killed: what was verified stays in force, and admission goes on");
    drop(mirror);
    let failing = "--for=condition=Refreshed=False";
    story.kubectl(&["wait", failing, "trustroot/mirrored", "--timeout=30s"]).await?;
    let conditions = story.kubectl(&["get", "trustroot", "mirrored", "-o", CONDITIONS]).await?;
    ensure!(conditions.contains("Ready=True Loaded"), "the TrustRoot is no longer ready");
    ensure!(conditions.contains("Refreshed=False MirrorUnavailable"), "another reason was expected");
    story.metrics(IN_FORCE).await?;
    let image = story.tagged("signed");
    let said = story.until_admitted(&["-n", "demo", "run", "without-mirror", "--image", &image]).await?;
    ensure!(!said.contains("Warning"), "a warning for the signed image");
    Ok(())
}

async fn root_is_expiring(story: &Story<'_>) -> Result<()> {
    story.chapter("A root that ends in 20 days says so now");
    let end = Timestamp::from_second(Timestamp::now().checked_add(AHEAD)?.as_second())?;
    // The builder keeps ends for good, and this is the only one that is not known beforehand.
    let repository = Repository::new().until(end.to_string().leak());
    let mirror = HttpServer::start(&repository.publish()).await?;
    let manifest = trust_root("ending", &repository, mirror.url(), INTERVAL);
    story.apply_quietly("ending.json", &serde_json::to_string_pretty(&manifest)?).await?;
    story.kubectl(&["wait", "--for=condition=Expiring", "trustroot/ending", "--timeout=30s"]).await?;
    let conditions = story.kubectl(&["get", "trustroot", "ending", "-o", CONDITIONS]).await?;
    ensure!(conditions.contains("Ready=True"), "it is still good for 20 days");
    let soon = conditions.lines().find(|line| line.starts_with("Expiring=True ExpiresSoon"));
    let soon = soon.context("it is not said to be expiring")?;
    ensure!(soon.contains(&format!("root version 1 expires at {end}")), "the root's end is not named");
    ensure!(!soon.contains("timestamp"), "a machine signs the timestamp again before it counts as ending");
    let table = story.kubectl(&["get", "trustroots"]).await?;
    let shown = |line: &str| line.starts_with("ending ") && line.contains(&end.to_string());
    ensure!(table.lines().any(shown), "the end is not in the table");
    Ok(())
}

/// The roles of the metadata with their versions.
const STATUS: &str =
    "jsonpath={range .status.metadata[*]}{.role}{\" \"}{.version}{\", until \"}{.expires}{\"\\n\"}{end}";
/// One condition in a line.
const CONDITIONS: &str =
    "jsonpath={range .status.conditions[*]}{.type}={.status}{\" \"}{.reason}{\": \"}{.message}{\"\\n\"}{end}";
