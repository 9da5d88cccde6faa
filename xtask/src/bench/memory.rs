//! Many images that are remembered: what they take, and that none of them is asked for again.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::try_join_all;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey as _};
use serde_json::json;
use tokio::time::{Instant, timeout};
use trustwright_core::Digest;
use trustwright_testkit::{
    ControlPlane, Operator, OperatorOptions, http::HttpServer, operator::ca_pem, process::eventually,
};
use trustwright_trust::tuf::Archive;
use trustwright_verify::plain_payload;

use super::{
    READY,
    load::{Connection, Target},
    process::Memory,
    table::{Limit, Table, row},
};

/// Images with a signature each.
const IMAGES: u32 = 10_000;
/// What they may take.
const LIMIT: Limit = Limit { most: 64.0, unit: "MiB" };
/// Connections on which they are asked about, and those that ask about one image at once.
const CONNECTIONS: u32 = 8;
const AT_ONCE: u32 = 1_000;
/// The number of the image that these ask about. The first, 0, and those between are known before it is measured.
const NEWS: u32 = IMAGES + CONNECTIONS + 1;

/// Fills what the process of the webhooks remembers, by admissions.
pub(crate) async fn run(
    control_plane: &ControlPlane,
    options: OperatorOptions,
    table: &mut Table,
) -> Result<()> {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut files = Archive::default();
    for number in 0..=NEWS {
        publish(&mut files, number, &pair)?;
    }
    let registry = HttpServer::start(&files).await?;
    drop(files);
    let host = registry.url().trim_start_matches("http://").to_owned();
    let image = |number| format!("{host}/app@{}", digest(number));

    let operator = Operator::start(control_plane, options).await?;
    let policy = json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy", "metadata": {"name": "memory"},
        "spec": {"images": [{"glob": "**"}], "authorities": [{"key": {"data": pair.public_key_pem()}}]},
    });
    control_plane.apply(&policy.to_string()).await?;
    let target = Target::new(operator.webhook_port(), &ca_pem(control_plane).await?, &image(0))?;
    eventually("the policy in force", READY, async || target.connect().await?.ask().await).await?;
    let mut connections = Vec::new();
    for number in 0..CONNECTIONS {
        let mut connection = target.about(&image(IMAGES + 1 + number)).connect().await?;
        connection.ask().await?;
        connections.push(connection);
    }
    let before = Memory::settled(operator.pid()).await?;
    registry.asked();

    let begun = Instant::now();
    ask_about_all(&mut connections, &target, &image).await.context("while they are new")?;
    let asked = f64::from(u32::try_from(registry.asked().len())?);
    row(
        &format!("{IMAGES} new images on {CONNECTIONS} connections"),
        format_args!("{:.0}/s, {} requests to the registry each", rate(begun), asked / f64::from(IMAGES)),
    );
    let after = Memory::settled(operator.pid()).await?;
    let grown = after.mebibytes() - before.mebibytes();
    row("resident memory before, after", format_args!("{before}, {after}"));
    table.hold(&format!("{IMAGES} images that are remembered take"), grown, LIMIT);

    let begun = Instant::now();
    ask_about_all(&mut connections, &target, &image).await.context("once they are remembered")?;
    row("the same images again", format_args!("{:.0}/s", rate(begun)));
    let again = f64::from(u32::try_from(registry.asked().len())?);
    table.hold("  requests to the registry", again, Limit { most: 0.0, unit: "requests" });
    at_once(&target, &image(NEWS), &registry, asked / f64::from(IMAGES), table).await
}

/// Asks about a digest that nobody has asked about before, on many connections at the same moment.
async fn at_once(
    target: &Target,
    image: &str,
    registry: &HttpServer,
    alone: f64,
    table: &mut Table,
) -> Result<()> {
    let (mut connections, news) = (Vec::new(), target.about(image));
    for _ in 0..AT_ONCE {
        let mut connection = target.connect().await?;
        // Who says nothing is not kept.
        connection.ask().await?;
        connection.turn_to(&news);
        connections.push(connection);
    }
    let begun = Instant::now();
    let all = try_join_all(connections.iter_mut().map(Connection::ask));
    timeout(READY, all).await.context("an answer did not come")??;
    let took = begun.elapsed();
    let asked = f64::from(u32::try_from(registry.asked().len())?);
    ensure!(asked > 0.0, "the image was known already");
    row(&format!("{AT_ONCE} admissions of a new image at once"), format_args!("all after {took:.0?}"));
    table.hold(
        "  requests to the registry, as one alone makes",
        asked,
        Limit { most: alone, unit: "requests" },
    );
    Ok(())
}

/// Asks about all images that are counted.
async fn ask_about_all(
    connections: &mut [Connection],
    target: &Target,
    image: &impl Fn(u32) -> String,
) -> Result<()> {
    let asking = (1..).zip(connections).map(|(first, connection)| async move {
        for number in (first..=IMAGES).step_by(CONNECTIONS as usize) {
            connection.turn_to(&target.about(&image(number)));
            connection.ask().await?;
        }
        anyhow::Ok(())
    });
    try_join_all(asking).await.map(drop)
}

fn rate(begun: Instant) -> f64 {
    f64::from(IMAGES) / begun.elapsed().as_secs_f64()
}

fn digest(number: u32) -> Digest {
    Digest::of(number.to_be_bytes())
}

/// Adds what cosign keeps of a signature under the image's tag.
fn publish(files: &mut Archive, number: u32, pair: &KeyPair) -> Result<()> {
    let image = digest(number);
    // As for an image that was copied from elsewhere, so that it has to be fetched.
    let payload = plain_payload(&"registry.invalid/app".parse()?, &image);
    let config = json!({"architecture": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [Digest::of(&payload)]}});
    let config = config.to_string();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "size": config.len(), "digest": Digest::of(&config),
        },
        "layers": [{
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "size": payload.len(), "digest": Digest::of(&payload),
            "annotations": {"dev.cosignproject.cosign/signature": STANDARD.encode(pair.sign(payload.as_bytes())?)},
        }],
    });
    files.insert(format!("v2/app/manifests/sha256-{}.sig", image.hex()), manifest.to_string());
    files.insert(format!("v2/app/blobs/{}", Digest::of(&payload)), payload);
    Ok(())
}
