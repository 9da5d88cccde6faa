use serde_json::json;
use trustwright_api::v1alpha1::RemotePolicy;
use trustwright_mirror::{MirrorConfig, Outcome};
use trustwright_policy::{NoLanguages, NoReferences, compile_stored};
use trustwright_testkit::http::{Fault, HttpServer};
use trustwright_trust::tuf::Archive;

use super::{
    fetch::check,
    table::{FIRST, LONGEST, Look, Told},
    *,
};

/// SHA-256 of no bytes at all.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn source(url: &str, sha256sum: &str) -> Source {
    Source::new(&RemotePolicy { url: url.to_owned(), sha256sum: sha256sum.to_owned() })
}

fn set(sources: &[&Source]) -> BTreeSet<Source> {
    sources.iter().map(|&source| source.clone()).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test]
async fn only_https_is_asked_and_no_one_logs_in() {
    let server = HttpServer::start(&Archive::default()).await.unwrap();
    server.fail("p.rego", Fault::Content(Vec::new()));
    let mirror = Mirror::new(&MirrorConfig::new(server.url().parse().unwrap())).unwrap();
    for (url, sum, expected) in [
        (format!("{}/p.rego", server.url()), EMPTY, "only https is asked"),
        ("https://user:hunter2@policy.example/p.rego".to_owned(), EMPTY, "it holds a user or password"),
        ("https:".to_owned(), EMPTY, "it is no URL"),
        ("https://policy.example/p.rego".to_owned(), &EMPTY[1..], "expected 64 hexadecimal digits, got 63"),
    ] {
        let error = fetch(&mirror, &source(&url, sum)).await.unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("hunter2"), "{url}: {error}");
    }
    assert_eq!((server.asked(), mirror.requests().sent()), (Vec::new(), 0));
    // An address that is asked is not connected to where it is link-local.
    let error = fetch(&mirror, &source("https://169.254.169.254/p.rego", EMPTY)).await.unwrap_err();
    assert!(error.to_string().ends_with("refused to connect to a link-local address"), "{error}");
    assert_eq!((mirror.requests().count(Outcome::Refused), mirror.requests().sent()), (1, 0));
    let https = source("https://policy.example/p.rego?v=1#f", EMPTY);
    assert_eq!(https.address().unwrap().as_str(), "https://policy.example/p.rego?v=1");
    assert_eq!(https.shown(), "https://policy.example/p.rego");
}

#[test]
fn a_text_has_the_digest_that_the_policy_says_in_either_case_and_is_text() {
    let of = |sum: &str, bytes: &[u8]| check(&source("https://h/p", sum), bytes);
    assert_eq!(of(EMPTY, b"").unwrap(), "");
    assert_eq!(of(&EMPTY.to_uppercase(), b"").unwrap(), "");
    let found = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9";
    assert_eq!(of(found, b"0").unwrap(), "0");
    let expected = format!("failed to check sha256sum from policy remote: {EMPTY} got {found}");
    assert_eq!(of(EMPTY, b"0").unwrap_err().to_string(), expected);
    let of_ff = "a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89";
    assert!(matches!(of(of_ff, b"\xff"), Err(Error::NotText)));
}

#[test]
fn every_remote_of_a_spec_is_wanted_under_the_field_that_says_it_is_missing() {
    let remote = |url: &str| json!({"type": "rego", "remote": {"url": url, "sha256sum": EMPTY}});
    let mut spec = json!({
        "images": [{"glob": "**"}],
        "policy": remote("https://h/whole"),
        "authorities": [{
            "keyless": {"identities": [{"issuer": "i", "subject": "s"}]},
            "attestations": [
                {"name": "a", "predicateType": "t", "policy": {"type": "rego", "data": "package a"}},
                {"name": "b", "predicateType": "t", "policy": remote("https://h/part")},
            ],
        }],
    });
    let found = wanted(Some(&spec));
    let part = "spec.authorities[0].attestations[1].policy.remote";
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), [part, "spec.policy.remote"]);

    let bodies = Bodies::default();
    let now = Instant::now();
    bodies.table().want("p", found.values().cloned().collect(), now);
    bodies.table().look(now, 2, |_| false);
    bodies.table().done(&found[part], Some("it is away".to_owned()), now);
    let mut policy = compile_stored("p", Some(&spec), &NoReferences, &NoLanguages);
    // One of them may be on its way.
    assert_eq!(bodies.explain(&mut policy, &found, now), Some(ON_ITS_WAY));
    assert_eq!(bodies.explain(&mut policy, &found, now + ON_ITS_WAY), None);
    let said: Vec<_> = policy.not_ready().map(ToString::to_string).collect();
    let unknown = "spec.policy.remote: https://h/whole has not been fetched".to_owned();
    assert_eq!(said, [unknown, format!("{part}: it is away")]);

    bodies.table().done(&found["spec.policy.remote"], Some("it is away too".to_owned()), now);
    assert_eq!(bodies.explain(&mut policy, &found, now), None);

    spec["policy"]["configMapRef"] = json!({"name": "c", "key": "k"});
    assert_eq!(wanted(Some(&spec)).len(), 1);
    assert_eq!(wanted(Some(&json!({"images": 3}))), BTreeMap::new());
    assert_eq!(wanted(None), BTreeMap::new());
}

#[test]
fn a_text_that_is_missing_is_asked_for_at_once_then_ever_less_often_until_it_is_there() {
    let (mut table, one) = (Table::default(), source("https://h/1", EMPTY));
    let mut now = Instant::now();
    assert!(table.want("p", set(&[&one]), now));
    assert!(!table.want("p", set(&[&one]), now));
    let mut pauses = Vec::new();
    for round in 0..9 {
        let look = table.look(now, 1, |_| false);
        assert_eq!(look, Look { start: vec![one.clone()], ..Look::default() });
        // Not twice at once.
        assert_eq!(table.look(now, 2, |_| false), Look::default());
        let told = table.done(&one, Some("away".to_owned()), now);
        let expected = if round == 0 { names(&["p"]) } else { BTreeSet::new() };
        assert_eq!(told, Told { policies: expected, is_news: round == 0 });
        let next = table.look(now, 1, |_| false).next.unwrap();
        pauses.push((next - now).as_secs());
        assert_eq!(table.look(next - Duration::from_millis(1), 1, |_| false).start, []);
        now = next;
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
    assert_eq!((pauses[0], pauses[8]), (FIRST.as_secs(), LONGEST.as_secs()));
    assert_eq!(table.problem(&one), Some("away"));
    let other = table.look(now, 1, |_| false).start;
    assert_eq!(other, std::slice::from_ref(&one));
    let told = table.done(&one, Some("another text".to_owned()), now);
    assert!(told.is_news);
    // Somebody put it there.
    assert_eq!(table.look(now, 1, |_| true), Look { arrived: names(&["p"]), ..Look::default() });
    assert_eq!(table.problem(&one), None);
    assert_eq!(table.look(now, 1, |_| true), Look::default());
    // And took it away.
    assert_eq!(table.look(now, 1, |_| false).start, [one]);
}

#[test]
fn what_was_kept_is_not_fetched_again_before_the_watch_can_bring_it() {
    let (mut table, one) = (Table::default(), source("https://h/1", EMPTY));
    let now = Instant::now();
    table.want("p", set(&[&one]), now);
    table.look(now, 1, |_| false);
    assert_eq!(table.done(&one, None, now), Told::default());
    let look = table.look(now, 1, |_| false);
    assert_eq!((look.start.len(), look.next), (0, Some(now + FIRST)));
    assert_eq!(table.look(now, 1, |_| true).arrived, names(&["p"]));
}

#[test]
fn as_many_as_there_is_room_for_are_under_way_and_who_has_waited_longest_comes_first() {
    let mut table = Table::default();
    let all: Vec<_> = (0..3).map(|index| source(&format!("https://h/{index}"), EMPTY)).collect();
    let now = Instant::now();
    table.want("slow", set(&[&all[0]]), now);
    assert_eq!(table.look(now, 2, |_| false).start, [all[0].clone()]);
    table.want("others", set(&[&all[1], &all[2]]), now);
    assert_eq!(table.look(now, 2, |_| false).start, [all[1].clone()]);
    table.done(&all[1], Some("away".to_owned()), now);
    let later = now + FIRST;
    assert_eq!(table.look(later, 2, |_| false).start, [all[2].clone()]);
    table.done(&all[2], None, later);
    assert_eq!(table.look(later, 2, |_| false).start, [all[1].clone()]);
}

#[test]
fn what_no_policy_names_any_more_is_not_asked_for() {
    let mut table = Table::default();
    let (one, two) = (source("https://h/1", EMPTY), source("https://h/2", EMPTY));
    let now = Instant::now();
    table.want("p", set(&[&one]), now);
    table.want("q", set(&[&two]), now);
    assert_eq!(table.look(now, 2, |_| false).start.len(), 2);
    assert!(table.want("p", BTreeSet::new(), now));
    table.retain(&names(&["p"]));
    // Their ends concern nobody.
    assert_eq!(table.done(&one, Some("away".to_owned()), now).policies, BTreeSet::new());
    assert_eq!(table.done(&two, None, now), Told::default());
    assert_eq!(table.look(now + LONGEST, 2, |_| false), Look::default());
    table.want("r", set(&[&two]), now);
    assert_eq!(table.look(now, 2, |_| false).start, [two]);
}
