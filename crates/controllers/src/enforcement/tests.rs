use super::*;

fn version(generation: i64) -> Version {
    Version { uid: "u".into(), generation, inputs: [0; 32] }
}

fn none() -> BTreeSet<String> {
    BTreeSet::new()
}

/// What a replica reports that has these policies and trust roots in force.
fn report(policies: &[(&str, i64)], trust: &[(&str, &str)]) -> String {
    let policies: Vec<_> = policies.iter().map(|(name, generation)| (*name, version(*generation))).collect();
    state(policies.iter().map(|(name, version)| (*name, version)), trust.iter().copied())
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A trust root with one log of its own.
fn root(seed: u8) -> Root {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem();
    let spec = serde_json::json!({"sigstoreKeys": {"tLogs": [{
        "baseURL": format!("https://log{seed}.example"), "hashAlgorithm": "sha-256",
        "publicKey": trustwright_api::spec::Base64Data::encode(key),
    }]}});
    let spec = trustwright_roots::read(Some(&spec)).unwrap();
    Root::of_spec(&spec, jiff::Timestamp::UNIX_EPOCH).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_in_force_once_every_live_replica_has_it() {
    let enforcement = Enforcement::default();
    assert_eq!(enforcement.policy("a", version(1), none(), true, false), Reach::NoReplica);
    enforcement.heard("w0", report(&[], &[]));
    enforcement.heard("w1", report(&[("a", 1)], &[]));
    assert_eq!(enforcement.settle(), Changed::default());
    assert!(matches!(enforcement.policy("a", version(1), none(), true, false), Reach::Spreading(_)));
    enforcement.heard("w0", report(&[("a", 1)], &[]));
    assert_eq!(enforcement.settle().policies, names(&["a"]));
    assert_eq!(enforcement.policy("a", version(1), none(), true, false), Reach::InForce);
    // And once only.
    assert_eq!(enforcement.settle(), Changed::default());
}

#[tokio::test(start_paused = true)]
async fn a_change_starts_anew_and_takes_nothing_from_the_others() {
    let enforcement = Enforcement::default();
    for name in ["a", "b"] {
        enforcement.policy(name, version(1), none(), true, false);
    }
    enforcement.heard("w0", report(&[("a", 1), ("b", 1)], &[]));
    assert_eq!(enforcement.settle().policies, names(&["a", "b"]));
    assert!(matches!(enforcement.policy("a", version(2), none(), true, false), Reach::Spreading(_)));
    assert_eq!(enforcement.policy("b", version(1), none(), true, false), Reach::InForce);
    assert_eq!(enforcement.settle(), Changed::default());
    enforcement.heard("w0", report(&[("a", 2), ("b", 1)], &[]));
    assert_eq!(enforcement.settle().policies, names(&["a"]));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_silent_does_not_count_and_without_one_nothing_comes_into_force() {
    let enforcement = Enforcement::default();
    enforcement.policy("a", version(1), none(), true, false);
    enforcement.heard("w0", report(&[], &[]));
    enforcement.heard("w1", report(&[("a", 1)], &[]));
    tokio::time::advance(Duration::from_secs(REPORT_SECONDS - 1)).await;
    enforcement.heard("w1", report(&[("a", 1)], &[]));
    assert_eq!(enforcement.settle(), Changed::default());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(enforcement.settle().policies, names(&["a"]));
    enforcement.policy("b", version(1), none(), true, false);
    enforcement.gone("w1");
    assert_eq!(enforcement.settle(), Changed::default());
    assert_eq!(enforcement.policy("b", version(1), none(), true, false), Reach::NoReplica);
    assert_eq!(enforcement.policy("a", version(1), none(), true, false), Reach::InForce);
}

#[tokio::test(start_paused = true)]
async fn trust_roots_spread_like_policies_and_their_users_hear_of_a_change() {
    let enforcement = Enforcement::default();
    enforcement.policy("a", version(1), names(&["r"]), false, false);
    enforcement.policy("b", version(1), none(), true, false);
    assert!(!enforcement.roots().contains_key("r"));
    let (first, second) = (root(0), root(1));
    let fingerprint = first.trusted.as_ref().unwrap().fingerprint().to_string();
    let (in_force, users) = enforcement.trust_root("r", first.clone(), None);
    assert_eq!((in_force, users), (false, names(&["a"])));
    assert!(enforcement.roots().contains_key("r"));
    assert_eq!(enforcement.users("r", 20), (1, vec!["a".to_owned()]));
    enforcement.heard("w0", report(&[("a", 1), ("b", 1)], &[("r", &fingerprint)]));
    assert_eq!(enforcement.settle(), Changed { policies: names(&["a", "b"]), trust: names(&["r"]) });
    assert_eq!(enforcement.trust_root("r", first, None), (true, none()));
    assert_eq!(enforcement.trust_root("r", second, None), (false, names(&["a"])));
    assert_eq!(enforcement.settle(), Changed::default());
    assert_eq!(enforcement.forget_trust_root("r"), names(&["a"]));
    // The policies themselves are as they were.
    assert_eq!(enforcement.policy("a", version(1), names(&["r"]), false, false), Reach::InForce);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_takes_an_earlier_ones_word_until_something_changes() {
    let enforcement = Enforcement::default();
    assert_eq!(enforcement.policy("a", version(1), none(), true, true), Reach::InForce);
    assert_eq!(enforcement.policy("a", version(2), none(), true, true), Reach::NoReplica);
    let (first, second) = (root(0), root(1));
    let fingerprint = first.trusted.as_ref().unwrap().fingerprint().to_string();
    assert!(enforcement.trust_root("r", first, Some(&fingerprint)).0);
    assert!(!enforcement.trust_root("r", second.clone(), Some(&fingerprint)).0);
    assert!(!Enforcement::default().trust_root("r", second, Some(&fingerprint)).0);
}

#[test]
fn those_that_are_on_their_way_are_counted_through_every_change() {
    let enforcement = Enforcement::default();
    let put =
        |name: &str, number: i64, told: bool| enforcement.policy(name, version(number), none(), true, told);
    put("a", 1, false);
    put("b", 1, true);
    assert_eq!(enforcement.on_their_way(), 1);
    put("a", 1, false);
    assert_eq!(enforcement.on_their_way(), 1);
    let state = enforcement.inner().state();
    enforcement.heard("w", state);
    enforcement.settle();
    assert_eq!(enforcement.on_their_way(), 0);
    put("b", 2, false);
    put("c", 1, false);
    assert_eq!(enforcement.on_their_way(), 2);
    enforcement.forget_policy("b");
    assert_eq!(enforcement.on_their_way(), 1);
    enforcement.retain_policies(&BTreeSet::new());
    assert_eq!(enforcement.on_their_way(), 0);
}
