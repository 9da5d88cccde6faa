use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::*;

fn auths(auths: &Value) -> Keychain {
    let text = json!({ "auths": auths }).to_string();
    Keychain::parse(KeychainFormat::DockerConfigJson, text.as_bytes()).unwrap()
}

/// A keychain whose entries have their own names as users.
fn named(names: &[&str]) -> Keychain {
    let entry = |name: &&str| ((*name).to_owned(), json!({"username": name, "password": "p"}));
    auths(&names.iter().map(entry).collect::<serde_json::Map<_, _>>().into())
}

fn user(keychain: &Keychain, repository: &str) -> Option<String> {
    match keychain.credential(&repository.parse().unwrap()) {
        Credential::Basic { username, .. } => Some(username),
        Credential::Anonymous => None,
        Credential::IdentityToken(_) => panic!("an identity token"),
    }
}

fn basic(username: &str, password: &str) -> Credential {
    Credential::Basic { username: username.into(), password: password.into() }
}

#[test]
fn an_entry_covers_the_hosts_ports_and_paths_that_the_kubelet_says() {
    for (name, repository, covered) in [
        ("ghcr.io", "ghcr.io/a/b", true),
        ("https://ghcr.io", "ghcr.io/a/b", true),
        ("http://ghcr.io/", "ghcr.io/a/b", true),
        ("https://ghcr.io/v1/", "ghcr.io/a/b", true),
        ("ghcr.io/v2/", "ghcr.io/a/b", true),
        ("ghcr.io/v3/", "ghcr.io/a/b", false),
        ("GHCR.io", "ghcr.io/a/b", true),
        ("ghcr.io:443", "ghcr.io/a/b", false),
        ("r.example:5000", "r.example:5000/a/b", true),
        ("r.example", "r.example:5000/a/b", false),
        ("[::1]:5000", "[::1]:5000/a/b", true),
        ("[::1]:5001", "[::1]:5000/a/b", false),
        ("*.example", "r.example/a/b", true),
        ("*.example", "example.com/a/b", false),
        ("*.example", "eu.r.example/a/b", false),
        ("*.*.example", "eu.r.example/a/b", true),
        ("*.example:5000", "r.example:5000/a/b", true),
        ("*.dkr.ecr.[a-z]*.amazonaws.com", "1.dkr.ecr.eu.amazonaws.com/a/b", true),
        ("ghcr.io/a", "ghcr.io/a/b", true),
        ("ghcr.io/v1/a", "ghcr.io/a/b", true),
        ("ghcr.io/a/b", "ghcr.io/a/b", true),
        ("ghcr.io/a/b/c", "ghcr.io/a/b", false),
        ("ghcr.io/b", "ghcr.io/a/b", false),
        ("ghcr.io/te", "ghcr.io/team/b", true),
        ("ghcr.io.evil.example", "ghcr.io/a/b", false),
        ("ghcr.io@evil.example", "ghcr.io/a/b", false),
        ("", "ghcr.io/a/b", false),
    ] {
        assert_eq!(user(&named(&[name]), repository).is_some(), covered, "{name} {repository}");
    }
}

#[test]
fn docker_hub_goes_by_several_names() {
    for name in
        ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io", "*.docker.io"]
    {
        for repository in ["nginx", "docker.io/library/nginx", "index.docker.io/example/app"] {
            assert!(user(&named(&[name]), repository).is_some(), "{name} {repository}");
        }
        assert_eq!(user(&named(&[name]), "ghcr.io/library/nginx"), None);
    }
    assert!(user(&named(&["docker.io/example"]), "docker.io/example/app").is_some());
    assert_eq!(user(&named(&["docker.io/example"]), "nginx"), None);
}

#[test]
fn longer_paths_come_first_and_globs_after_names() {
    let keychain = named(&["ghcr.io", "*.io", "ghcr.io/team", "ghcr.io/team/app"]);
    for (repository, expected) in [
        ("ghcr.io/team/app", "ghcr.io/team/app"),
        ("ghcr.io/team/other", "ghcr.io/team"),
        ("ghcr.io/others/app", "ghcr.io"),
        ("quay.io/others/app", "*.io"),
    ] {
        assert_eq!(user(&keychain, repository).as_deref(), Some(expected));
    }
}

#[test]
fn of_two_entries_for_the_same_place_the_first_keychain_s_counts() {
    let one = auths(&json!({"https://ghcr.io": {"username": "one", "password": "p"}}));
    let two = auths(&json!({"ghcr.io": {"username": "two", "password": "p"}, "ghcr.io/a": {"auth": "eDp5"}}));
    assert_eq!(user(&Keychain::merge([&one, &two]), "ghcr.io/b/c").as_deref(), Some("one"));
    assert_eq!(user(&Keychain::merge([&two, &one]), "ghcr.io/b/c").as_deref(), Some("two"));
    assert_eq!(user(&Keychain::merge([&one, &two]), "ghcr.io/a/b").as_deref(), Some("x"));
    assert!(Keychain::merge([]).is_empty());
}

#[test]
fn a_credential_is_an_identity_token_an_auth_or_a_name_and_password() {
    let encoded = |text: &str| BASE64_STANDARD.encode(text);
    for (entry, expected) in [
        (json!({"auth": encoded("a:b:c")}), basic("a", "b:c")),
        (json!({"auth": encoded("a:b").trim_end_matches('=')}), basic("a", "b")),
        (json!({"auth": encoded("a:b\0\0")}), basic("a", "b")),
        (json!({"auth": encoded("a:b"), "username": "x", "password": "y"}), basic("a", "b")),
        (json!({"auth": "", "username": "x", "password": "y", "email": "e"}), basic("x", "y")),
        (json!({"username": "x"}), basic("x", "")),
        (
            json!({"auth": encoded("00000000-0000-0000-0000-000000000000:"), "identitytoken": "t"}),
            Credential::IdentityToken("t".into()),
        ),
        (json!({}), Credential::Anonymous),
        (json!(null), Credential::Anonymous),
    ] {
        let keychain = auths(&json!({ "ghcr.io": entry.clone() }));
        assert_eq!(keychain.credential(&"ghcr.io/a/b".parse().unwrap()), expected, "{entry}");
        assert_eq!(keychain.is_empty(), expected == Credential::Anonymous);
    }
}

#[test]
fn an_entry_without_credential_hides_none() {
    let keychain = auths(&json!({"ghcr.io/a": {}, "ghcr.io": {"auth": "eDp5"}}));
    assert_eq!(user(&keychain, "ghcr.io/a/b").as_deref(), Some("x"));
}

#[test]
fn both_forms_are_read_and_neither_for_the_other() {
    let old = br#"{"ghcr.io": {"auth": "eDp5", "email": "e"}}"#;
    let new =
        br#"{"auths": {"ghcr.io": {"auth": "eDp5"}}, "credsStore": "desktop", "credHelpers": {"a": "b"}}"#;
    let found = |format, bytes: &[u8]| user(&Keychain::parse(format, bytes).unwrap(), "ghcr.io/a/b");
    assert_eq!(found(KeychainFormat::DockerCfg, old).as_deref(), Some("x"));
    assert_eq!(found(KeychainFormat::DockerConfigJson, new).as_deref(), Some("x"));
    assert_eq!(found(KeychainFormat::DockerConfigJson, old), None);
    for empty in ["{}", r#"{"auths": null}"#, r#"{"auths": {}}"#] {
        assert!(Keychain::parse(KeychainFormat::DockerConfigJson, empty.as_bytes()).unwrap().is_empty());
    }
    for (kind, format) in [
        ("kubernetes.io/dockerconfigjson", Some(KeychainFormat::DockerConfigJson)),
        ("kubernetes.io/dockercfg", Some(KeychainFormat::DockerCfg)),
        ("Opaque", None),
    ] {
        assert_eq!(KeychainFormat::of_secret(kind), format);
    }
}

#[test]
fn what_cannot_be_read_is_named_without_what_it_holds() {
    let parse = |text: &str| Keychain::parse(KeychainFormat::DockerConfigJson, text.as_bytes());
    for (text, said) in [
        ("", "is no dockerconfigjson document (line 1, column 0)"),
        ("hunter2", "is no dockerconfigjson document (line 1, column 1)"),
        (
            r#"{"auths": {"ghcr.io": {"password": ["hunter2"]}}}"#,
            "is no dockerconfigjson document (line 1, column 35)",
        ),
        (
            r#"{"auths": {"ghcr.io": {"auth": "hunter2!"}}}"#,
            "entry \"ghcr.io\": auth is not username:password in base64",
        ),
        (
            r#"{"auths": {"ghcr.io": {"auth": "aHVudGVyMg=="}}}"#,
            "entry \"ghcr.io\": auth is not username:password in base64",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), said);
    }
    assert!(parse(r#"{"auths": {"ghcr.io": {"auth": "aHVudGVyMjo="}}}"#).is_ok());
}

#[test]
fn debugging_output_holds_no_secret() {
    let text = format!("{:?}", auths(&json!({"ghcr.io": {"username": "alice", "password": "hunter2"}})));
    assert_eq!(text, "[\"ghcr.io\"]");
}
