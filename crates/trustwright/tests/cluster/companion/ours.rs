//! A companion where the definition of `TrustRoot` is our own.

use anyhow::{Result, ensure};
use serde_json::json;
use trustwright_testkit::{
    ControlPlane, Operator,
    control_plane::Options,
    operator,
    process::{eventually, free_port},
    public_good,
};

use crate::{
    fixture::{SOON, options_with},
    objects::{Objects, ROOT},
};

#[tokio::test]
async fn beside_our_own_definition_a_companion_writes_nothing_and_says_why() -> Result<()> {
    let control_plane = ControlPlane::start(Options::default()).await?;
    operator::install(&control_plane, free_port()?).await?;
    // Without a webhook there is nobody to check it.
    for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        control_plane.kubectl(&["delete", kind, "--all"]).await?;
    }
    let objects = Objects::new(control_plane.client().await?);
    let root = public_good::trust_root_manifest()?;
    objects.create(ROOT, "r", &root["spec"]).await.map_err(anyhow::Error::msg)?;
    let mut options = options_with(&["--mode=companion"]);
    options.command = Some("controller".to_owned());
    let companion = Operator::spawn(&control_plane, options, free_port()?).await?;
    let log = companion.process().log().to_owned();
    eventually("it leads, and says what is wrong", SOON, async || {
        companion.process().check()?;
        let (status, said) = companion.probe("/readyz?verbose").await?;
        ensure!(status == 503 && said.contains("the definition of TrustRoot is Trustwright's own"), "{said}");
        let said = std::fs::read_to_string(&log)?;
        ensure!(said.contains("not the Policy Controller's: nothing is written"), "{said}");
        Ok(())
    })
    .await?;
    drop(companion);
    let written = |status: &serde_json::Value| status.get("conditions").is_some();
    assert!(!written(&objects.api(ROOT).get("r").await?.data["status"]));

    // Without the flag it is what we are for.
    let mut options = options_with(&[]);
    options.command = Some("controller".to_owned());
    let _controller = Operator::spawn(&control_plane, options, free_port()?).await?.ready().await?;
    let found = objects.wait_for_ready(ROOT, "r", "True").await?;
    assert_eq!(found.data["status"].get("annotations"), None, "{}", json!(found.data["status"]));
    Ok(())
}
