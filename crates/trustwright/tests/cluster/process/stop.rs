//! How it ends, and who takes over.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::{Notify, Semaphore},
    task::JoinSet,
};
use trustwright_testkit::{operator::ca_pem, process::eventually};

use super::{fixed, leader, leads, replica, review};
use crate::{
    fixture::{Own, SOON, cluster},
    objects::POLICY,
};

/// As long as a lease lasts, the pause between two looks at it, and what a busy machine adds.
pub(crate) const LEASE: Duration = Duration::from_secs(25);
/// Much less than a lease lasts.
const AT_ONCE: Duration = Duration::from_secs(8);

/// A registry that answers nothing until it is let, and then that it has nothing.
struct Hanging {
    host: String,
    asked: Arc<Notify>,
    gate: Arc<Semaphore>,
    _serving: JoinSet<()>,
}

impl Hanging {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let host = listener.local_addr()?.to_string();
        let (asked, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let mut serving = JoinSet::new();
        let (told, wait) = (asked.clone(), gate.clone());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (told, wait) = (told.clone(), wait.clone());
                connections.spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    told.notify_one();
                    let _ = wait.acquire().await;
                    let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                    let _ = stream.write_all(answer).await;
                });
            }
        });
        Ok(Self { host, asked, gate, _serving: serving })
    }
}

#[tokio::test]
async fn told_to_stop_it_answers_what_it_was_asked_exits_in_order_and_hands_over_at_once() -> Result<()> {
    let own = Own::start(&["--shutdown-grace=0"]).await?;
    leads(&own.client, "trustwright-0", SOON).await?;
    let hanging = Hanging::start().await?;
    let key = cluster().await?.signer.public_key_pem();
    let images = json!([{"glob": format!("{}/**", hanging.host)}]);
    let spec = json!({"images": images, "authorities": [{"key": {"data": key}}]});
    own.objects.create(POLICY, "key", &spec).await.map_err(anyhow::Error::msg)?;
    own.objects.wait_for_ready(POLICY, "key", "True").await?;
    let pem = ca_pem(&own.control_plane).await?;

    let image = format!("{}/app/x@sha256:{}", hanging.host, "0".repeat(64));
    let review = review(&image);
    let stop = async {
        tokio::time::timeout(SOON, hanging.asked.notified()).await.context("the registry was not asked")?;
        own.operator.process().signal("TERM")?;
        eventually("shutting down", SOON, async || {
            let (status, text) = own.operator.probe("/readyz").await?;
            ensure!(status == 503 && text.contains("shutting down"), "{status}: {text}");
            Ok(())
        })
        .await?;
        // More than it will ask for.
        hanging.gate.add_permits(1_000);
        anyhow::Ok(())
    };
    let (answer, stopped) = tokio::join!(own.operator.post(&pem, "/validations", &review), stop);
    stopped?;
    let answer = answer?;
    let said = answer["response"]["status"]["message"].as_str().unwrap_or_default();
    assert!(said.contains("no signatures found"), "{answer}");

    let status = own.operator.process().wait(SOON).await?;
    assert_eq!(status.code(), Some(0), "{}", own.operator.process().log_tail());
    assert_eq!(leader(&own.client).await?, "");
    let second = replica(&own.control_plane, "trustwright-1").await?;
    leads(&own.client, "trustwright-1", AT_ONCE).await?;
    drop(second);
    Ok(())
}

#[tokio::test]
async fn when_the_leader_is_killed_another_replica_leads_after_the_lease_and_takes_up_its_work() -> Result<()>
{
    let own = Own::start(&[]).await?;
    leads(&own.client, "trustwright-0", SOON).await?;
    own.objects
        .create(POLICY, "kept", &fixed("registry.example/**", "pass"))
        .await
        .map_err(anyhow::Error::msg)?;
    own.objects.wait_for_ready(POLICY, "kept", "True").await?;
    let second = replica(&own.control_plane, "trustwright-1").await?;
    assert_eq!(leader(&own.client).await?, "trustwright-0");

    own.operator.process().signal("KILL")?;
    own.operator.process().wait(SOON).await?;
    let forged = json!({"status": {"observedGeneration": 0}});
    own.objects.api(POLICY).patch_status("kept", &PatchParams::default(), &Patch::Merge(&forged)).await?;
    leads(&own.client, "trustwright-1", LEASE).await?;
    own.objects.wait_for_ready(POLICY, "kept", "True").await?;
    second.process().check()
}
