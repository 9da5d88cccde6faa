//! The Secret that keeps the floors.

use k8s_openapi::ByteString;

use super::*;
use crate::trust_root::floors::{Floors, FloorsError};

fn entry(timestamp: u64) -> FloorEntry {
    let text = format!("{{\"accepted\":{{\"root\":1,\"timestamp\":{timestamp}}}}}");
    FloorEntry::decode(text.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_floor_says_what_the_written_status_says_and_not_what_the_poll_knows_since() {
    let mut world = World::new("floor-order").await;
    let mut leader = world.lead(|| at(BEFORE)).await;
    let object = leader.decide(&world.object()).await;
    leader.roots.applied(&object).await.unwrap();
    assert_eq!(world.floor(&object).await, None, "nothing is known yet");
    leader.news().await;
    let decided = leader.decide(&object).await;
    assert_eq!(version(&decided, "timestamp"), Some(1));
    // While that status is on its way, the poll finds what is newer.
    world.repository.advance();
    world.publish();
    let shared = leader.roots.times("r").unwrap();
    shared.ask(Cause::Wish);
    leader.news().await;
    assert_eq!(shared.state().floor.accepted.timestamp, 2);
    leader.roots.applied(&object).await.unwrap();
    let floor = world.floor(&object).await.unwrap();
    assert_eq!(floor.accepted.timestamp, 1, "the only copy of the repository is that of the status");
    let settled = leader.settle(&decided).await;
    assert_eq!(version(&settled, "timestamp"), Some(2));
    assert_eq!(world.floor(&object).await.unwrap().accepted.timestamp, 2);
}

#[tokio::test]
async fn a_floor_is_written_when_it_rises_and_only_then() {
    let world = World::new("floor-writes").await;
    let floors = Floors::new(world.client.clone(), &world.namespace);
    assert_eq!(floors.get("a").await.unwrap(), None);
    floors.raise("a", &entry(5)).await.unwrap();
    floors.raise("b", &entry(7)).await.unwrap();
    let written = world.secrets().get(FLOORS_SECRET).await.unwrap();
    for (key, timestamp) in [("a", 5), ("a", 4), ("b", 7), ("b", 1)] {
        floors.raise(key, &entry(timestamp)).await.unwrap();
    }
    let after = world.secrets().get(FLOORS_SECRET).await.unwrap();
    assert_eq!(after.resource_version(), written.resource_version());
    floors.raise("a", &entry(6)).await.unwrap();
    // Another leader finds both.
    let next = Floors::new(world.client.clone(), &world.namespace);
    assert_eq!(next.get("a").await.unwrap(), Some(entry(6)));
    assert_eq!(next.get("b").await.unwrap(), Some(entry(7)));
    assert_eq!(next.get("c").await.unwrap(), None);
}

#[tokio::test]
async fn two_who_write_at_once_both_have_their_way_and_nobody_lowers_a_floor() {
    let world = World::new("floor-contended").await;
    let [one, two] = [(), ()].map(|()| Floors::new(world.client.clone(), &world.namespace));
    // Both read before either writes.
    one.get("a").await.unwrap();
    two.get("a").await.unwrap();
    one.raise("a", &entry(5)).await.unwrap();
    two.raise("b", &entry(7)).await.unwrap();
    one.raise("a", &entry(6)).await.unwrap();
    two.raise("a", &entry(2)).await.unwrap();
    let next = Floors::new(world.client.clone(), &world.namespace);
    assert_eq!(next.get("a").await.unwrap(), Some(entry(6)));
    assert_eq!(next.get("b").await.unwrap(), Some(entry(7)));
}

#[tokio::test]
async fn a_secret_that_somebody_removes_is_written_again_with_all_that_is_known() {
    let world = World::new("floor-removed").await;
    let floors = Floors::new(world.client.clone(), &world.namespace);
    floors.raise("a", &entry(5)).await.unwrap();
    floors.raise("b", &entry(7)).await.unwrap();
    world.secrets().delete(FLOORS_SECRET, &DeleteParams::default()).await.unwrap();
    floors.raise("b", &entry(8)).await.unwrap();
    let next = Floors::new(world.client.clone(), &world.namespace);
    assert_eq!(next.get("a").await.unwrap(), Some(entry(5)));
    assert_eq!(next.get("b").await.unwrap(), Some(entry(8)));
}

#[tokio::test]
async fn a_damaged_entry_is_not_taken_for_none_and_hinders_no_other() {
    let world = World::new("floor-damaged").await;
    let mut secret = Secret::default();
    secret.metadata.name = Some(FLOORS_SECRET.to_owned());
    secret.data = Some([("a".to_owned(), ByteString(b"{}".to_vec()))].into());
    world.secrets().create(&PostParams::default(), &secret).await.unwrap();
    let floors = Floors::new(world.client.clone(), &world.namespace);
    let error = floors.get("a").await.unwrap_err();
    assert!(matches!(&error, FloorsError::Damaged { key, .. } if key == "a"), "{error}");
    assert_eq!(floors.get("b").await.unwrap(), None);
    floors.raise("b", &entry(7)).await.unwrap();
    let kept = world.secrets().get(FLOORS_SECRET).await.unwrap().data.unwrap();
    assert_eq!(kept["a"].0, b"{}", "it is for a person to give that floor up");
    assert_eq!(kept.len(), 2);
}
