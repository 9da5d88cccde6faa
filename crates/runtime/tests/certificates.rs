//! Replicas and their common Secret, over an API server that fails; time is paused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]
#![allow(dead_code, reason = "the stand-in is shared")]

#[path = "support/api_server.rs"]
mod api_server;

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use trustwright_runtime::certificates::{self, CertificateConfig, CertificatePolicy, ServingCertificate};

use crate::api_server::{ApiServer, Link, Mood};

const PATH: &str = "/api/v1/namespaces/ns/secrets/webhook-certs";

struct Replica {
    certificate: watch::Receiver<Option<Arc<ServingCertificate>>>,
    link: Link,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

fn replica(server: &ApiServer) -> Replica {
    let (client, link) = server.client();
    let config = CertificateConfig {
        namespace: "ns".to_owned(),
        secret: "webhook-certs".to_owned(),
        dns_names: certificates::service_dns_names("webhook", "ns"),
        policy: CertificatePolicy::default(),
        interval: Duration::from_mins(1),
    };
    let cancel = CancellationToken::new();
    let (certificate, work) = certificates::run(client, config, cancel.clone());
    Replica { certificate, link, cancel, task: tokio::spawn(work) }
}

impl Replica {
    async fn changed(&mut self) {
        timeout(Duration::from_hours(1), self.certificate.changed()).await.unwrap().unwrap();
    }

    async fn bundle(&mut self) -> String {
        let published = self.certificate.wait_for(Option::is_some);
        let certificate = timeout(Duration::from_hours(1), published).await.unwrap().unwrap();
        certificate.as_ref().unwrap().ca_bundle_pem.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_that_start_together_agree_on_one_authority() {
    for exists in [false, true] {
        let server = ApiServer::default();
        if exists {
            server.put(PATH, json!({"metadata": {"name": "webhook-certs", "labels": {"kept": "yes"}}}));
        }
        let mut replicas: Vec<_> = (0..5).map(|_| replica(&server)).collect();
        sleep(Duration::from_mins(5)).await;
        let first = replicas[0].bundle().await;
        for replica in &mut replicas {
            assert_eq!(replica.bundle().await, first);
        }
        assert_eq!(server.writes(), 1);
        let secret = server.object(PATH).unwrap();
        assert_eq!(secret["metadata"]["labels"]["kept"].as_str(), exists.then_some("yes"));
        let keys: Vec<_> = secret["data"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["ca-cert.pem", "ca-key.pem", "server-cert.pem", "server-key.pem"]);
        for replica in replicas {
            replica.cancel.cancel();
            replica.task.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_replaced_secret_is_loaded_without_a_restart() {
    let (server, other) = (ApiServer::default(), ApiServer::default());
    let mut here = replica(&server);
    let before = here.bundle().await;
    let replacement = replica(&other).bundle().await;
    server.put(PATH, other.object(PATH).unwrap());
    here.changed().await;
    assert_ne!(here.bundle().await, before);
    assert_eq!(here.bundle().await, replacement);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_certificate_stays_while_the_api_server_is_away() {
    for mood in [Mood::Hanging, Mood::Overloaded, Mood::ReadOnly] {
        let server = ApiServer::default();
        let mut here = replica(&server);
        let before = here.bundle().await;
        here.link.set(mood);
        server.put(PATH, json!({"metadata": {"name": "webhook-certs"}, "data": {"ca-cert.pem": "anVuaw=="}}));
        sleep(Duration::from_mins(10)).await;
        assert_eq!(here.bundle().await, before, "{mood:?}");
        here.link.set(Mood::Fine);
        here.certificate.mark_unchanged();
        here.changed().await;
        assert_ne!(here.bundle().await, before, "{mood:?}: repaired");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_write_what_is_there_is_served() {
    let server = ApiServer::default();
    let mut writer = replica(&server);
    let bundle = writer.bundle().await;
    let mut secret = server.object(PATH).unwrap();
    // A write would be due: the key of the authority is gone.
    secret["data"].as_object_mut().unwrap().remove("ca-key.pem");
    writer.task.abort();
    server.put(PATH, secret);
    let mut reader = replica(&server);
    reader.link.set(Mood::ReadOnly);
    assert_eq!(reader.bundle().await, bundle);
}
