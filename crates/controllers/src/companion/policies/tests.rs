use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn later() -> Timestamp {
    NOW.checked_add(GRACE).unwrap()
}

/// A policy that rests on `root`.
fn object(name: &str, version: &str, root: &str) -> DynamicObject {
    let authorities = json!([
        {"static": {"action": "pass"}},
        {"keyless": {"trustRootRef": root}, "ctlog": {"url": "https://l.example"}, "rfc3161timestamp": {}},
    ]);
    let object = json!({
        "metadata": {"name": name, "uid": format!("uid-of-{name}"), "resourceVersion": version},
        "spec": {"images": [{"glob": "trustRootRef"}], "authorities": authorities},
    });
    serde_json::from_value(object).unwrap()
}

fn policy(name: &str, version: &str, root: &str) -> Policy {
    Policy::of_object(&object(name, version, root))
}

/// The entry that the other system compiles from it.
fn entry(name: &str, version: &str, root: &str) -> String {
    let object = object(name, version, root);
    json!({
        "uid": format!("uid-of-{name}"), "resourceVersion": version,
        "images": object.data["spec"]["images"], "authorities": object.data["spec"]["authorities"],
    })
    .to_string()
}

/// Each policy as name, version and root.
type Told<'a> = &'a [(&'a str, &'a str, &'a str)];

fn entries(told: Told<'_>) -> BTreeMap<String, String> {
    told.iter().map(|(name, version, root)| ((*name).to_owned(), entry(name, version, root))).collect()
}

fn objects(told: Told<'_>) -> BTreeMap<String, Policy> {
    told.iter().map(|(name, version, root)| ((*name).to_owned(), policy(name, version, root))).collect()
}

fn known(loaded: Told<'_>, written: Told<'_>) -> Policies {
    let mut policies = Policies::default();
    policies.load(&entries(loaded));
    policies.list(objects(written));
    policies
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

/// What is wrong with the policies of the root `r` after the grace.
fn faults(policies: &mut Policies) -> Vec<(String, Fault)> {
    policies.users("r", NOW).unwrap();
    policies.users("r", later()).unwrap().faults.unwrap()
}

#[test]
fn roots_are_those_that_authorities_name_wherever_they_do() {
    let spec = json!([
        {"keyless": {"trustRootRef": "a"}, "ctlog": {"trustRootRef": "b"}},
        {"key": {"data": "trustRootRef"}, "rfc3161timestamp": {"trustRootRef": "c"}, "ctlog": {"trustRootRef": ""}},
    ]);
    assert_eq!(roots(&spec), set(&["a", "b", "c"]));
    // As the reconciler tests of the other system have it: golden text of an entry without a trust root.
    let golden = r#"{"uid":"test-uid","resourceVersion":"0123456789","images":[{"glob":"ghcr.io/example/*"}],"authorities":[{"name":"authority-0","static":{"action":"pass"}}],"mode":"enforce"}"#;
    let expected = Policy { uid: "test-uid".into(), version: "0123456789".into(), roots: BTreeSet::new() };
    assert_eq!(Policy::of_entry(golden), expected);
    assert_eq!(Policy::of_entry("<"), Policy::default());
}

#[test]
fn each_way_in_which_a_policy_can_be_behind_is_said() {
    let one = |loaded: Told<'_>, written: Told<'_>| faults(&mut known(loaded, written));
    let fault = |fault| vec![("p".to_owned(), fault)];
    assert_eq!(one(&[("p", "1", "r")], &[("p", "1", "r")]), []);
    assert_eq!(one(&[("p", "1", "r")], &[("p", "2", "r")]), fault(Fault::Outdated));
    assert_eq!(one(&[], &[("p", "1", "r")]), fault(Fault::NotLoaded));
    assert_eq!(one(&[("p", "1", "r")], &[]), fault(Fault::Deleted));
    // It is about this root: by what is loaded, or by what is written.
    assert_eq!(one(&[], &[("p", "1", "other")]), []);
    assert_eq!(one(&[("p", "1", "other")], &[("p", "2", "r")]), fault(Fault::Outdated));
    assert_eq!(one(&[("p", "1", "r")], &[("p", "2", "other")]), fault(Fault::Outdated));
    // An object of the same name and version that is another one.
    let mut made_anew = known(&[("p", "1", "r")], &[]);
    made_anew.write("p", Some(Policy { uid: "another".into(), ..policy("p", "1", "r") }));
    assert_eq!(faults(&mut made_anew), fault(Fault::Outdated));
}

#[test]
fn what_differs_for_a_moment_is_not_said() {
    let mut policies = known(&[("p", "1", "r")], &[("p", "2", "r")]);
    let users = policies.users("r", NOW).unwrap();
    assert_eq!((users.faults, users.again), (Some(vec![]), Some(later())));
    let just_before = later().checked_sub(Duration::from_secs(1)).unwrap();
    assert_eq!(policies.users("r", just_before).unwrap().faults, Some(vec![]));
    assert_eq!(policies.users("r", later()).unwrap().faults.unwrap().len(), 1);
    // It catches up and falls behind again: a new grace.
    policies.load(&entries(&[("p", "2", "r")]));
    assert_eq!(policies.users("r", later()).unwrap().again, None);
    policies.write("p", Some(policy("p", "3", "r")));
    assert_eq!(policies.users("r", later()).unwrap().faults, Some(vec![]));
}

#[test]
fn loaded_are_those_of_the_entries_and_nothing_is_known_before_they_are() {
    let mut policies = Policies::default();
    assert_eq!(policies.users("r", NOW), None);
    policies.list(objects(&[("p", "1", "r")]));
    assert_eq!(policies.users("r", NOW), None);
    policies.load(&entries(&[("b", "1", "r"), ("a", "1", "r"), ("c", "1", "other")]));
    assert_eq!(policies.users("r", NOW).unwrap().loaded, ["a", "b"]);
    // Where the objects cannot be seen, nothing is said of them.
    let mut unseen = Policies::default();
    unseen.load(&entries(&[("p", "1", "r")]));
    let expected = Users { loaded: vec!["p".into()], faults: None, again: None };
    assert_eq!(unseen.users("r", later()), Some(expected));
}

#[test]
fn a_change_concerns_the_roots_before_and_after_it_and_no_others() {
    let mut policies = Policies::default();
    assert_eq!(policies.list(objects(&[("p", "1", "a"), ("q", "1", "b")])), set(&["a", "b"]));
    assert_eq!(policies.load(&entries(&[("p", "1", "a"), ("q", "1", "b")])), set(&["a", "b"]));
    assert_eq!(policies.load(&entries(&[("p", "1", "a"), ("q", "1", "b")])), set(&[]));
    assert_eq!(policies.write("p", Some(policy("p", "2", "c"))), set(&["a", "c"]));
    assert_eq!(policies.load(&entries(&[("p", "2", "c"), ("q", "1", "b")])), set(&["a", "c"]));
    assert_eq!(policies.write("q", None), set(&["b"]));
    assert_eq!(policies.load(&entries(&[("p", "2", "c")])), set(&["b"]));
}
