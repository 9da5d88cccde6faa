//! `diff`: keys added, removed and ending, and versions.

use serde_json::{Value, json};
use trustwright_testkit::public_good::trust_root_manifest;
use trustwright_testkit::tuf_repository::Repository;
use trustwright_trust::tuf::Archive;

use crate::fixture::{IN_TIME, Run, accepted, folder, refused, trust, write};

/// Returns the trusted root of a new repository.
fn trusted_root() -> Value {
    serde_json::from_slice(&Repository::new().files["trusted_root.json"]).unwrap()
}

/// Writes a repository with this trusted root and returns the path of its archive.
fn archive(name: &str, trusted_root: &Value) -> String {
    let mut repository = Repository::new();
    repository.files.insert("trusted_root.json".to_owned(), trusted_root.to_string().into_bytes());
    packed(name, &repository.publish())
}

fn packed(name: &str, files: &Archive) -> String {
    write(&folder(name), "repository.tgz", files.pack(1 << 20).unwrap())
}

fn diff(old: &str, new: &str, more: &[&str]) -> Run {
    trust(&[&["diff", old, new, "--at", IN_TIME], more].concat())
}

fn text(old: &str, new: &str) -> String {
    let run = diff(old, new, &[]);
    assert_eq!(run.status, 0, "{}", run.err);
    run.out
}

#[test]
fn the_same_material_is_the_same_whatever_its_metadata() {
    let mut repository = Repository::new();
    let place = folder("diff-same");
    let root = write(&place, "root.json", repository.first_root());
    let old = packed("diff-same-old", &repository.publish());
    repository.rotate(|_| ());
    repository.advance();
    repository.timestamp.expires = "2026-10-30T00:00:00Z";
    let new = packed("diff-same-new", &repository.publish());
    let itself = accepted(&["diff", &old, &old, "--at", IN_TIME, "--root", &root, "--exit-code"]);
    assert_eq!(itself.out.lines().count(), 4, "{}", itself.out);
    assert!(itself.out.contains("\nTrusted:  the same, sha256:"), "{}", itself.out);
    assert_eq!(itself.err, "");

    let run = accepted(&["diff", &old, &new, "--at", IN_TIME, "--root", &root, "--exit-code"]);
    assert!(
        run.out.starts_with(&format!("A:        archive {old}\nB:        archive {new}\n")),
        "{}",
        run.out
    );
    let roles: Vec<_> = run.out.lines().skip(4).collect();
    let unchanged = "2026-09-30T00:00:00Z -> 2026-09-30T00:00:00Z";
    assert_eq!(
        roles,
        [
            format!("role      root version 1 -> 2, expires at {unchanged}"),
            "role      timestamp version 1 -> 2, expires at 2026-09-30T00:00:00Z -> 2026-10-30T00:00:00Z"
                .into(),
            format!("role      snapshot version 1 -> 2, expires at {unchanged}"),
            format!("role      targets version 1 -> 2, expires at {unchanged}"),
        ]
    );
    // Without a root, each is believed on first use, and that is said of both.
    let run = diff(&old, &new, &[]);
    assert_eq!(run.err.matches("trust on first use").count(), 2, "{}", run.err);
}

#[test]
fn keys_that_come_go_end_and_change_are_each_named() {
    let all = trusted_root();
    let mut fewer = all.clone();
    let gone = fewer["tlogs"].as_array_mut().unwrap().pop().unwrap();
    let url = gone["baseUrl"].as_str().unwrap();
    let (old, new) = (archive("diff-fewer", &fewer), archive("diff-all", &all));
    let line = |text: &str, verb: &str| -> String {
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with(verb)).collect();
        assert_eq!(lines.len(), 1, "{verb}: {text}");
        lines[0].to_owned()
    };
    let added = line(&text(&old, &new), "added ");
    assert!(
        added.starts_with(&format!("added     TransparencyLog {url} ")) && added.contains(", from 20"),
        "{added}"
    );
    let removed = line(&text(&new, &old), "removed ");
    assert_eq!(
        removed.split_whitespace().skip(1).collect::<Vec<_>>(),
        added.split_whitespace().skip(1).collect::<Vec<_>>()
    );

    let mut ended = all.clone();
    let open =
        all["tlogs"].as_array().unwrap().iter().position(|log| log["publicKey"]["validFor"]["end"].is_null());
    let range = &mut ended["tlogs"][open.unwrap()]["publicKey"]["validFor"];
    range["end"] = json!("2026-12-31T00:00:00Z");
    let ended = archive("diff-ended", &ended);
    let ending = line(&text(&new, &ended), "ending ");
    assert!(ending.ends_with(": until - -> 2026-12-31T00:00:00Z"), "{ending}");
    // The other way round nothing ends.
    let changed = line(&text(&ended, &new), "changed ");
    assert!(changed.ends_with(": until 2026-12-31T00:00:00Z -> -"), "{changed}");

    let mut broken = all.clone();
    broken["tlogs"][open.unwrap()]["publicKey"]["rawBytes"] = json!("bm9uZQ==");
    let broken = text(&new, &archive("diff-broken", &broken));
    assert!(line(&broken, "added ").ends_with("UNUSABLE: the public key does not decode"), "{broken}");
    assert!(line(&broken, "removed ").ends_with(" until -"), "{broken}");
}

#[test]
fn what_no_key_shows_is_said_to_differ() {
    let all = trusted_root();
    let mut other = all.clone();
    let chains = other["certificateAuthorities"].as_array_mut().unwrap();
    let long = chains.iter_mut().find(|one| one["certChain"]["certificates"].as_array().unwrap().len() > 1);
    // The certificate that signs stays, and is trusted by itself now.
    long.unwrap()["certChain"]["certificates"].as_array_mut().unwrap().truncate(1);
    let out = text(&archive("diff-long", &all), &archive("diff-short", &other));
    assert!(out.contains("changed "), "{out}");
    assert!(!out.contains("the same"), "{out}");
}

#[test]
fn the_exit_status_speaks_of_a_difference_only_when_asked() {
    let all = trusted_root();
    let mut fewer = all.clone();
    fewer["tlogs"].as_array_mut().unwrap().pop();
    let (old, new) = (archive("diff-exit-old", &fewer), archive("diff-exit-new", &all));
    assert_eq!(diff(&old, &new, &[]).status, 0);
    let run = diff(&old, &new, &["--exit-code"]);
    assert_eq!(run.status, 1);
    assert!(
        run.out.contains("added ") && run.err.contains("differ in what is trusted"),
        "{} {}",
        run.out,
        run.err
    );
    assert_eq!(diff(&new, &new, &["--exit-code"]).status, 0);
    // What cannot be read is an error in any case, and nothing is on stdout.
    refused(1, &["diff", &old, "none.tgz", "--exit-code"], &["none.tgz", "No such file"]);
    refused(1, &["diff", "none.tgz", &new], &["none.tgz"]);
    refused(1, &["diff", "-", "-"], &["only one of the two", "stdin"]);
    refused(2, &["diff", &old], &["B"]);
}

#[test]
fn programs_get_every_field_in_any_case() {
    let all = trusted_root();
    let mut fewer = all.clone();
    fewer["tlogs"].as_array_mut().unwrap().pop();
    let (old, new) = (archive("diff-json-old", &fewer), archive("diff-json-new", &all));
    let report = |old: &str, new: &str| -> Value {
        serde_json::from_str(&diff(old, new, &["-o", "json"]).out).unwrap()
    };
    let one = report(&old, &new);
    assert_eq!(one["same"], false);
    assert_eq!(one["keys"]["added"][0]["kind"], "TransparencyLog");
    assert_eq!(one["keys"]["removed"], json!([]));
    assert_eq!((&one["a"]["source"]["location"], &one["time"]), (&json!(old), &json!(IN_TIME)));
    let same = report(&new, &new);
    assert_eq!((&same["same"], &same["metadata"]), (&json!(true), &json!([])));
    assert_eq!(same["a"], same["b"]);
    for list in ["added", "removed", "ending", "changed"] {
        assert_eq!(same["keys"][list], json!([]), "{list}");
    }
}

#[test]
fn a_root_is_for_repositories_and_a_manifest_may_stand_beside_one() {
    let mut repository = Repository::new();
    repository.advance();
    let place = folder("diff-beside");
    let root = write(&place, "root.json", repository.first_root());
    let source = packed("diff-beside-archive", &repository.publish());
    let manifest = accepted(&["pack", &source, "--root", &root, "--at", IN_TIME]).out;
    let manifest = write(&place, "trust-root.yaml", manifest);
    let run = diff(&manifest, &source, &["--root", &root, "--exit-code"]);
    assert_eq!((run.status, run.out.lines().count()), (0, 4), "{} {}", run.out, run.err);
    let keys = write(&place, "keys.json", trust_root_manifest().unwrap().to_string());
    let out = text(&keys, &manifest);
    assert!(
        out.contains("role      timestamp version 2, expires at 2026-09-30T00:00:00Z: only B\n"),
        "{out}"
    );
    refused(1, &["diff", &keys, &manifest, "--root", &root], &["--root", "bring their own root"]);
    refused(1, &["diff", &keys, &manifest, "--trusted-root-target", "a"], &["--trusted-root-target"]);
}
