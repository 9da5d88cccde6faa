//! The election over an API server that fails in every way; time is paused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]
#![allow(dead_code, reason = "the stand-in is shared")]

#[path = "support/api_server.rs"]
mod api_server;

use std::time::Duration;

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use trustwright_runtime::lease::{self, LeaseTiming};

use crate::api_server::{ApiServer, Link, Mood};

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/leader";

struct Candidate {
    leading: watch::Receiver<bool>,
    link: Link,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

fn candidate(server: &ApiServer, identity: &str) -> Candidate {
    let (client, link) = server.client();
    let cancel = CancellationToken::new();
    let (leading, work) =
        lease::run(client, "ns", "leader", identity, LeaseTiming::default(), cancel.clone());
    Candidate { leading, link, cancel, task: tokio::spawn(work) }
}

impl Candidate {
    /// Waits and returns how long it took.
    async fn until(&mut self, leads: bool) -> Duration {
        let started = Instant::now();
        let published = self.leading.wait_for(|leading| *leading == leads);
        timeout(Duration::from_hours(1), published).await.unwrap().unwrap();
        started.elapsed()
    }

    fn leads(&self) -> bool {
        *self.leading.borrow()
    }
}

fn holder(server: &ApiServer) -> Option<String> {
    server.object(PATH)?["spec"]["holderIdentity"].as_str().map(str::to_owned)
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_hands_over_when_it_stops() {
    let server = ApiServer::default();
    let mut a = candidate(&server, "a");
    a.until(true).await;
    let mut b = candidate(&server, "b");
    sleep(Duration::from_mins(10)).await;
    assert!(a.leads() && !b.leads());

    a.cancel.cancel();
    a.until(false).await;
    assert!(b.until(true).await <= Duration::from_secs(3), "released, so nobody waits for it to run out");
    a.task.await.unwrap();
    assert_eq!(holder(&server).as_deref(), Some("b"));
    assert_eq!(server.object(PATH).unwrap()["spec"]["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_leader_is_succeeded_after_the_duration_and_not_before() {
    let server = ApiServer::default();
    let mut a = candidate(&server, "a");
    a.until(true).await;
    let mut b = candidate(&server, "b");
    sleep(Duration::from_mins(1)).await;
    a.task.abort();
    let waited = b.until(true).await;
    assert!(waited >= Duration::from_secs(13) && waited <= Duration::from_secs(20), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn leadership_is_given_up_while_the_api_server_is_away_and_comes_back_with_it() {
    for mood in [Mood::Hanging, Mood::Overloaded, Mood::ReadOnly] {
        let server = ApiServer::default();
        let mut a = candidate(&server, "a");
        a.until(true).await;
        a.link.set(mood);
        let waited = a.until(false).await;
        assert!(waited <= Duration::from_secs(10) && waited >= Duration::from_secs(8), "{mood:?} {waited:?}");
        sleep(Duration::from_hours(1)).await;
        assert!(!a.leads() && !a.task.is_finished(), "{mood:?}");
        a.link.set(Mood::Fine);
        assert!(a.until(true).await <= Duration::from_secs(15), "{mood:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn never_do_two_lead() {
    for mood in [Mood::Hanging, Mood::Overloaded, Mood::ReadOnly] {
        let server = ApiServer::default();
        let mut candidates = [candidate(&server, "a"), candidate(&server, "b"), candidate(&server, "c")];
        let mut changes = 0;
        for round in 0..12 {
            let cut = round % 3;
            candidates[cut].link.set(mood);
            for _ in 0..400 {
                sleep(Duration::from_millis(97)).await;
                assert!(
                    candidates.iter().filter(|candidate| candidate.leads()).count() <= 1,
                    "{mood:?} {round}"
                );
            }
            candidates[cut].link.set(Mood::Fine);
            changes += candidates.iter_mut().filter(|c| c.leading.has_changed().unwrap()).count();
            for candidate in &mut candidates {
                candidate.leading.mark_unchanged();
            }
        }
        assert!(changes > 3, "{mood:?}: it did change hands");
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_an_api_server_that_is_away() {
    let server = ApiServer::default();
    let mut a = candidate(&server, "a");
    a.until(true).await;
    a.link.set(Mood::Hanging);
    a.cancel.cancel();
    let started = Instant::now();
    a.task.await.unwrap();
    assert!(started.elapsed() <= Duration::from_secs(5));
    assert!(!*a.leading.borrow());
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_nonsense_is_taken() {
    for spec in [
        serde_json::json!({"holderIdentity": "other", "leaseDurationSeconds": -5, "leaseTransitions": i32::MAX}),
        serde_json::json!({}),
        serde_json::Value::Null,
    ] {
        let server = ApiServer::default();
        server.put(
            PATH,
            serde_json::json!({"metadata": {"name": "leader", "labels": {"kept": "yes"}}, "spec": spec}),
        );
        let mut a = candidate(&server, "a");
        a.until(true).await;
        assert_eq!(server.object(PATH).unwrap()["metadata"]["labels"]["kept"], "yes");
    }
}
