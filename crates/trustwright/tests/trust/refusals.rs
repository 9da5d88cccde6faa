//! What is no source, and arguments that say nothing.

use trustwright_testkit::public_good::trust_root_manifest;
use trustwright_trust::tuf::Archive;

use crate::fixture::{accepted, folder, refused, write};

#[test]
fn what_is_no_source_is_named_with_the_cause() {
    let folder = folder("no-source");
    let here = folder.to_str().unwrap().to_owned();
    let missing = format!("{here}/none");
    refused(1, &["inspect", &missing], &[&missing, "No such file"]);
    refused(1, &["inspect", &here], &[&here, "timestamp.json"]);
    let text = write(&folder, "text", b"\xff\xfe");
    refused(1, &["inspect", &text], &[&text, "neither a .tar.gz nor a TrustRoot", "not text"]);
    let yaml = write(&folder, "yaml", "a: [");
    refused(1, &["inspect", &yaml], &[&yaml, "not one YAML document"]);
    let two = write(&folder, "two.yaml", "a: 1\n---\nb: 2\n");
    refused(1, &["inspect", &two], &[&two, "not one YAML document"]);
    let json = write(&folder, "json", "{\"a\": ");
    refused(1, &["inspect", &json], &[&json, "not JSON"]);
}

#[test]
fn an_archive_is_read_whole_or_not_at_all() {
    let folder = folder("no-archive");
    let packed = |files: &[(&str, Vec<u8>)]| Archive::from_iter(files.to_vec()).pack(1 << 20).unwrap();
    let empty = write(&folder, "empty.tgz", "");
    refused(1, &["inspect", &empty], &[&empty, "damaged or cut off"]);
    let other = write(&folder, "other", packed(&[("index.html", b"hi".to_vec())]));
    refused(1, &["inspect", &other], &[&other, "timestamp.json"]);
    let whole = packed(&[("timestamp.json", b"{}".to_vec())]);
    let cut = write(&folder, "cut", &whole[..whole.len() - 9]);
    refused(1, &["inspect", &cut], &[&cut, "damaged or cut off"]);
    // Whole, it is an archive, and only then it is not a repository.
    let whole = write(&folder, "whole", whole);
    refused(1, &["inspect", &whole], &[&whole, "no 1.root.json"]);
}

#[test]
fn a_manifest_is_a_trust_root_with_one_source() {
    let folder = folder("manifests");
    let good = trust_root_manifest().unwrap();
    let mut number = 0;
    let mut file = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        number += 1;
        write(&folder, &format!("{number}.json"), manifest.to_string())
    };
    accepted(&["inspect", &file(&|_| ())]);
    // Every version of the group is the same kind.
    accepted(&["inspect", &file(&|one| one["apiVersion"] = "policy.sigstore.dev/v1beta1".into())]);
    let repository = || serde_json::json!({"root": "e30=", "mirrorFS": "bm8=", "targets": "targets"});
    for (path, words) in [
        (
            file(&|one| one["kind"] = "ClusterImagePolicy".into()),
            ["kind TrustRoot", "\"ClusterImagePolicy\""],
        ),
        (file(&|one| one["apiVersion"] = "v1".into()), ["policy.sigstore.dev", "\"v1\""]),
        (file(&|one| one["spec"] = serde_json::Value::Null), ["exactly one", "spec.repository"]),
        (file(&|one| one["spec"]["repository"] = repository()), ["exactly one", "spec.repository"]),
        (file(&|one| one["spec"] = serde_json::json!({"remote": {}})), ["missing", "spec.remote.root"]),
        (
            file(&|one| one["spec"] = serde_json::json!({"repository": {}})),
            ["missing", "spec.repository.root"],
        ),
        (file(&|one| one["spec"] = serde_json::json!({"repository": repository()})), ["mirrorFS", "damaged"]),
        (file(&|one| one["spec"] = "none".into()), ["spec cannot be decoded", "expected an object"]),
    ] {
        refused(1, &["inspect", &path], &words);
    }
}

#[test]
fn arguments_that_say_nothing_are_a_matter_of_usage() {
    let folder = folder("arguments");
    let path = write(&folder, "keys.json", trust_root_manifest().unwrap().to_string());
    accepted(&["inspect", &path, "--at", "2026-08-22T02:00:00+02:00"]);
    for at in ["yesterday", "2026-08-22", "2026-08-22T00:00:00", ""] {
        refused(2, &["inspect", &path, "--at", at], &["--at", "not a time"]);
    }
    accepted(&["verify", &path, "--min", ""]);
    for min in ["root", "root=soon", "root=1d,root=2d", "root=-1d", "=1d"] {
        refused(2, &["verify", &path, "--min", min], &["--min"]);
    }
    refused(2, &["inspect", &path, "-o", "yaml"], &["text", "json"]);
    refused(2, &["pack", &path, "--root", &path, "--name", "A_b"], &["--name", "lower-case"]);
    refused(2, &["pack", &path, "--root", &path, "--on-expiry", "keep"], &["Keep", "Reject"]);
    let missing = format!("{path}.none");
    refused(1, &["inspect", &path, "--root", &missing], &["--root"]);
    refused(2, &[], &["inspect", "pack", "verify"]);
}
