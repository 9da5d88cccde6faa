//! What a new leader takes from the status.

use super::*;

#[tokio::test]
async fn what_the_status_holds_is_in_force_at_once_with_the_mirror_dead() {
    let world = World::new("restore-dead").await;
    let mut first = world.lead(|| at(BEFORE)).await;
    let object = first.first_answer(&world.object()).await;
    assert_eq!(lines(status(&object)), ["Ready=True Loaded", "Refreshed=True UpToDate"]);
    drop(first);
    world.server.fail_everywhere(Fault::Closed);
    let mut second = world.lead(|| at(BEFORE)).await;
    let restored = second.settle(&object).await;
    assert_eq!(lines(status(&restored)), ["Ready=True Loaded"]);
    assert_eq!(status(&restored)["repository"], status(&object)["repository"]);
    second.news().await;
    let failing = second.settle(&restored).await;
    assert_eq!(lines(status(&failing)), ["Ready=True Loaded", "Refreshed=False MirrorUnavailable"]);
    assert_eq!(status(&failing)["fingerprint"], status(&object)["fingerprint"]);
    // Without the status there is nothing to restore.
    let third = world.lead(|| at(BEFORE)).await;
    let bare = third.settle(&world.object()).await;
    assert_eq!(lines(status(&bare)), ["Ready=False Refreshing", "Reconciling=True Refreshing"]);
}

#[tokio::test]
async fn a_status_that_was_forged_damaged_or_rolled_back_while_we_were_down_adds_nothing_and_is_replaced() {
    let mut world = World::new("restore-forged").await;
    let mut first = world.lead(|| at(BEFORE)).await;
    let old = first.first_answer(&world.object()).await;
    world.repository.advance();
    world.publish();
    let object = first.refresh(&old, "1").await;
    let object = first.settle(&object).await;
    assert_eq!(version(&object, "timestamp"), Some(2));
    drop(first);
    let forged = |repository: Value| {
        let mut object = object.clone();
        object.data["status"]["repository"] = repository;
        object
    };
    let other = super::super::support::artifact(&Repository::new()).packed;
    for (name, object) in [
        ("forged", forged(json!(other))),
        ("damaged", forged(json!("H4sI"))),
        ("no text", forged(json!("?"))),
        ("rolled back", old),
    ] {
        world.server.fail_everywhere(Fault::Closed);
        let mut leader = world.lead(|| at(BEFORE)).await;
        let settled = leader.settle(&object).await;
        assert_eq!(status(&settled)["conditions"][0]["status"], "False", "{name}");
        assert_eq!(status(&settled).get("fingerprint"), None, "{name}");
        leader.news().await;
        world.server.heal();
        let settled = leader.refresh(&settled, name).await;
        let settled = leader.settle(&settled).await;
        assert_eq!(lines(status(&settled)), ["Ready=True Loaded", "Refreshed=True UpToDate"], "{name}");
        assert_eq!(version(&settled, "timestamp"), Some(2), "{name}");
    }
}

#[tokio::test]
async fn what_expired_while_we_were_down_stays_in_force_only_where_our_secret_knows_of_it() {
    let world = World::new("restore-expired").await;
    let mut first = world.lead(|| at(BEFORE)).await;
    let object = first.first_answer(&world.object()).await;
    drop(first);
    let mut second = world.lead(|| at(AFTER)).await;
    let kept = second.settle(&object).await;
    assert_eq!(lines(status(&kept)), ["Expired=True ExpiredKept", "Ready=True ExpiredKept"]);
    second.news().await;
    let kept = second.settle(&kept).await;
    let expected = ["Expired=True ExpiredKept", "Ready=True ExpiredKept", "Refreshed=False Expired"];
    assert_eq!(lines(status(&kept)), expected);
    drop(second);
    // Somebody makes an object with a status that we never wrote: another UID, another floor.
    let mut stranger = object.clone();
    stranger.metadata.uid = Some("3c1e7f6a-0000-4000-8000-000000000002".to_owned());
    let mut third = world.lead(|| at(AFTER)).await;
    let refused = third.first_answer(&stranger).await;
    let expected = ["Ready=False Expired", "Reconciling=True Expired", "Refreshed=False Expired"];
    assert_eq!(lines(status(&refused)), expected);
    // A mirror that only ever showed a root leaves a floor which does not speak for a status.
    let entry = FloorEntry::decode(br#"{"accepted":{},"seen":{"root":1}}"#).unwrap();
    let key = floor_key(&stranger.uid().unwrap(), &anchor(&world.repository));
    let data = json!({"data": {key: Base64Data::encode(entry.encode())}});
    world.secrets().patch(FLOORS_SECRET, &PatchParams::default(), &Patch::Merge(&data)).await.unwrap();
    let mut fourth = world.lead(|| at(AFTER)).await;
    let refused = fourth.first_answer(&stranger).await;
    assert_eq!(lines(status(&refused)), expected);
}

#[tokio::test]
async fn a_newer_root_in_the_spec_takes_the_floor_with_it_and_another_repositorys_does_not() {
    let mut world = World::new("restore-anchor").await;
    world.repository.rotate(|_| ());
    world.repository.advance();
    world.publish();
    let mut leader = world.lead(|| at(BEFORE)).await;
    let mut object = leader.first_answer(&world.object()).await;
    assert_eq!((version(&object, "root"), version(&object, "timestamp")), (Some(2), Some(2)));
    // Its author pins the root that is in force by now; the mirror goes back at the same moment.
    let newer = world.repository.roots[1].1.clone();
    let mut old = world.repository.clone();
    for role in [&mut old.timestamp, &mut old.snapshot, &mut old.targets] {
        role.version = 1;
    }
    world.server.serve(&old.publish());
    object.data["spec"]["remote"]["root"] = json!(Base64Data::encode(&newer));
    let object = leader.first_answer(&object).await;
    assert_eq!(lines(status(&object)), ["Ready=True Loaded", "Refreshed=False RolledBack"]);
    assert_eq!(version(&object, "timestamp"), Some(2));
    // The root of another repository has no floor to inherit.
    let other = Repository::new();
    world.server.serve(&other.publish());
    let mut foreign = object.clone();
    foreign.data["spec"]["remote"]["root"] = json!(Base64Data::encode(other.first_root()));
    let foreign = leader.first_answer(&foreign).await;
    assert_eq!(lines(status(&foreign)), ["Ready=True Loaded", "Refreshed=True UpToDate"]);
    assert_eq!(version(&foreign, "timestamp"), Some(1));
}

#[tokio::test]
async fn the_default_root_is_read_from_our_own_mirror_whatever_its_object_says() {
    let world = World::new("restore-default").await;
    let elsewhere = Repository::new();
    let other = HttpServer::start(&elsewhere.publish()).await.unwrap();
    let ours = DefaultRoot {
        mirror: world.server.url().parse().unwrap(),
        root: world.repository.first_root().to_vec(),
        embedded: false,
    };
    let mut leader = world.lead_with(|| at(BEFORE), Some(ours)).await;
    let mut object = world.object();
    object.metadata.name = Some(trustwright_roots::DEFAULT_NAME.to_owned());
    object.data["spec"]["remote"]["mirror"] = json!(other.url());
    object.data["spec"]["remote"]["root"] = json!(Base64Data::encode(elsewhere.first_root()));
    let object = leader.first_answer(&object).await;
    assert_eq!(lines(status(&object)), ["Ready=True Loaded", "Refreshed=True UpToDate"]);
    assert_eq!(other.asked(), []);
    assert_eq!(world.server.asked().len(), 5);
    // Deleting the object, whose UID is then another, does not lower the floor.
    let secret = world.secrets().get(FLOORS_SECRET).await.unwrap();
    let key = floor_key(trustwright_roots::DEFAULT_NAME, &anchor(&world.repository));
    assert!(secret.data.unwrap().contains_key(&key));
}
