//! What the Policy Controller refuses to have written.

use std::time::Duration;

use anyhow::{Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use trustwright_testkit::{process::eventually, tuf_repository::Repository};

use super::stage::{PATIENT, Stage, annotation, loadable, material, time_in};
use crate::objects::{condition, why};

fn packed(repository: &Repository) -> serde_json::Value {
    json!({"repository": {
        "root": STANDARD.encode(repository.first_root()),
        "mirrorFS": STANDARD.encode(repository.publish().pack(1 << 20).unwrap()),
        "targets": "targets",
    }})
}

#[tokio::test]
async fn a_trust_root_that_it_lets_nobody_annotate_says_so_and_is_left_alone() -> Result<()> {
    let stage = Stage::start().await?;
    // Too short to be annotated before it ends: we start afterwards.
    let soon = time_in(Duration::from_secs(15));
    stage.trust_root("ended", &packed(&loadable().until(soon))).await?;
    stage.trust_root("lasting", &packed(&loadable())).await?;
    stage.wait_for("ended", &[("Ready", "True")]).await?;
    eventually("the end of the repository", PATIENT, async || {
        let said = stage.control_plane.kubectl(&["annotate", "trustroot", "ended", "a=b"]).await;
        let _ = stage.control_plane.kubectl(&["annotate", "trustroot", "ended", "a-"]).await;
        ensure!(said.is_err(), "it is still accepted");
        Ok(())
    })
    .await?;

    let companion = stage.companion().await?;
    let found = stage.wait_for("ended", &[("PeerTold", "False"), ("Expired", "True")]).await?;
    assert_eq!(why(&found, "PeerTold").0, "WriteRefused");
    assert!(why(&found, "PeerTold").1.contains("failed to construct a TUF client"), "{found:?}");
    assert_eq!(condition(&found, "PeerTold").unwrap()["severity"], "Info");
    assert!(annotation(&found, "fingerprint").is_some());
    assert_eq!(material(&found), None);
    // The neighbour, which has not ended, is annotated.
    let neighbour = stage.wait_for("lasting", &[("SignatureChecksReady", "True")]).await?;
    stage.annotated("lasting", annotation(&neighbour, "fingerprint").unwrap()).await?;
    assert_eq!(condition(&neighbour, "PeerTold"), None);
    // More writes of other objects are reconciled meanwhile; this one is not tried again.
    stage.have_the_peer_write("lasting", &json!({"repository": {"targets": "other"}})).await?;
    let log = std::fs::read_to_string(companion.process().log())?;
    assert_eq!(log.matches("cannot be told").count(), 1, "{log}");
    Ok(())
}
