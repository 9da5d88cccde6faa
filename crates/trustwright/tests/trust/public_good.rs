//! The public Sigstore repository: inspected and packed, from a folder, an archive and a manifest.

use serde_json::Value;
use trustwright_trust::tuf::Archive;

use crate::fixture::{IN_TIME, PUBLISHED, accepted, files, folder, refused, root, trust_reading, write};

/// Returns what `inspect` says of `source` to programs.
fn inspected(source: &str, more: &[&str]) -> Value {
    let arguments = [&["inspect", source, "--at", IN_TIME, "-o", "json"], more].concat();
    serde_json::from_str(&accepted(&arguments).out).unwrap()
}

fn packed(source: &str) -> String {
    accepted(&["pack", source, "--root", &root(5), "--at", IN_TIME]).out
}

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn inspect_says_what_is_trusted_until_when() {
    let text = accepted(&["inspect", PUBLISHED, "--at", IN_TIME, "--root", &root(8)]).out;
    for words in [
        "root version 8, from ",
        "root       15       2026-11-20T13:58:18Z  valid\n",
        "timestamp  762      2026-08-28T19:25:56Z  valid\n",
        "Expires:     2026-08-28T19:25:56Z (timestamp)\n",
        "\nFingerprint: sha256:",
        "\nTransparencyLog       https://rekor.sigstore.dev  ",
        "  c0d23d6ad406973f  ecdsa-p256  2021-01-12T11:53:27Z  -",
        "usable for signatures from before its end\n",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert!(!text.contains("first use") && !text.contains("EXPIRED"), "{text}");

    let report = inspected(PUBLISHED, &["--root", &root(8)]);
    let role = &report["metadata"][0];
    assert_eq!(
        (&role["role"], &role["version"], &role["expired"]),
        (&"root".into(), &15.into(), &false.into())
    );
    assert_eq!(report["metadata"].as_array().unwrap().len(), 4);
    assert_eq!(report["keys"].as_array().unwrap().len(), 7);
    assert!(report["keys"].as_array().unwrap().iter().all(|key| key["usable"] == true));
    assert_eq!(report["expires"], "2026-08-28T19:25:56Z");
    assert_eq!(report["anchor"]["trustOnFirstUse"], false);
    assert!(text.contains(report["fingerprint"].as_str().unwrap()));
}

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn without_a_root_the_first_one_that_can_be_read_is_believed_and_that_is_said() {
    let text = accepted(&["inspect", PUBLISHED, "--at", IN_TIME]).out;
    assert!(text.contains("root version 5, from the source itself: trust on first use\n"), "{text}");
    let report = inspected(PUBLISHED, &[]);
    assert_eq!(
        (&report["anchor"]["version"], &report["anchor"]["trustOnFirstUse"]),
        (&5.into(), &true.into())
    );
    assert_eq!(report["fingerprint"], inspected(PUBLISHED, &["--root", &root(15)])["fingerprint"]);
    refused(2, &["pack", PUBLISHED, "--at", IN_TIME], &["--root"]);
}

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn a_packed_repository_holds_what_was_used_and_the_same_trust() {
    let run = accepted(&["pack", PUBLISHED, "--root", &root(5), "--at", IN_TIME, "--on-expiry", "Reject"]);
    assert!(run.err.contains("use kubectl apply\n"), "{}", run.err);
    let folder = folder("packed");
    let manifest = write(&folder, "trust-root.yaml", &run.out);
    let report = inspected(&manifest, &[]);
    assert_eq!(report["fingerprint"], inspected(PUBLISHED, &[])["fingerprint"]);
    assert_eq!(report["anchor"]["givenBy"], "spec.repository.root");

    let object: Value = serde_saphyr::from_str(&run.out).unwrap();
    assert_eq!((&object["kind"], &object["metadata"]["name"]), (&"TrustRoot".into(), &"sigstore".into()));
    assert_eq!(object["spec"]["onExpiry"], "Reject");
    let decoded = |field: &str| {
        use base64::Engine as _;
        let text = object["spec"]["repository"][field].as_str().unwrap();
        base64::engine::general_purpose::STANDARD.decode(text).unwrap()
    };
    assert_eq!(decoded("root"), std::fs::read(root(5)).unwrap());
    let unpacked = Archive::unpack(&decoded("mirrorFS"), &trustwright_trust::tuf::Limits::default()).unwrap();
    // Eleven roots, the three other roles, and the one target.
    assert_eq!(unpacked.files().count(), 15);

    // A root from a pipe can be read once only.
    let piped = trust_reading(
        &["pack", PUBLISHED, "--root", "/dev/stdin", "--at", IN_TIME, "--on-expiry", "Reject"],
        std::fs::File::open(root(5)).unwrap(),
    );
    assert_eq!(piped.out, run.out, "{}", piped.err);

    // The same as JSON, as `kubectl get -o json` writes it.
    let json = write(&folder, "trust-root.json", object.to_string());
    assert_eq!(inspected(&json, &[])["fingerprint"], report["fingerprint"]);
    refused(1, &["pack", &manifest, "--root", &root(5)], &["is a TrustRoot already"]);
    refused(1, &["inspect", &manifest, "--root", &root(5)], &["--root", "brings its own root"]);
}

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn folders_and_archives_pack_to_the_same_manifest() {
    let folder = folder("forms");
    let published = files(PUBLISHED.as_ref());
    let direct = write(&folder, "direct.tar.gz", published.pack(1 << 20).unwrap());
    for (path, bytes) in published.files() {
        write(&folder, &format!("parent/repository/{path}"), bytes);
    }
    let parent = folder.join("parent");
    let parent = parent.to_str().unwrap();
    let expected = packed(PUBLISHED);
    assert_eq!(packed(&direct), expected);
    assert_eq!(packed(parent), expected);
    assert_eq!(inspected(&direct, &[])["source"]["kind"], "archive");

    let cut = published.pack(1 << 20).unwrap();
    let cut = write(&folder, "cut.tar.gz", &cut[..cut.len() / 2]);
    refused(1, &["inspect", &cut, "--at", IN_TIME], &[&cut, "damaged or cut off"]);
}

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn a_git_checkout_packs_to_the_same_manifest() {
    let folder = folder("checkout");
    for (path, bytes) in files(PUBLISHED.as_ref()).files() {
        // As in sigstore/root-signing: no versions but of roots, and no hashes.
        let (parent, file) = path.rsplit_once('/').unwrap_or(("metadata", path));
        let (parent, file) = match file.split_once('.') {
            Some((_, "root.json")) => ("metadata/root_history", file),
            Some((_, "json")) => (parent, file),
            Some((_, rest)) => (parent, rest),
            None => panic!("{path}"),
        };
        write(&folder, &format!("{parent}/{file}"), bytes);
    }
    let checkout = folder.to_str().unwrap();
    assert_eq!(packed(checkout), packed(PUBLISHED));
    let report = inspected(checkout, &[]);
    assert_eq!((&report["source"]["kind"], &report["anchor"]["version"]), (&"checkout".into(), &5.into()));

    // Halfway through a change of its targets, as between two signing events.
    write(&folder, "metadata/targets.json", std::fs::read(root(15)).unwrap());
    let arguments = ["inspect", checkout, "--at", IN_TIME, "--root", &root(5)];
    refused(1, &arguments, &[checkout, "14.targets.json"]);
}

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn another_target_is_part_of_the_manifest() {
    let folder = folder("target");
    let root = root(5);
    let with =
        |target| ["pack", PUBLISHED, "--root", &root, "--at", IN_TIME, "--trusted-root-target", target];
    // The repository has keys in the layout from before trusted roots too.
    let run = accepted(&with("none.json"));
    assert!(run.err.contains("no role lists none.json"), "{}", run.err);
    let manifest = write(&folder, "legacy.yaml", &run.out);
    let object: Value = serde_saphyr::from_str(&run.out).unwrap();
    assert_eq!(object["spec"]["repository"]["trustedRootTarget"], "none.json");
    let report = inspected(&manifest, &[]);
    assert_eq!(report["keys"].as_array().unwrap().len(), 6);
    assert!(report["notes"][0].as_str().unwrap().starts_with("no role lists none.json"), "{report}");
    refused(1, &with("signing_config.json"), &[PUBLISHED, "media type"]);
    refused(
        1,
        &["inspect", &manifest, "--trusted-root-target", "a"],
        &["--trusted-root-target", "says its own"],
    );
    assert!(!accepted(&with("trusted_root.json")).out.contains("trustedRootTarget"));
}

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn a_root_of_another_repository_leads_nowhere() {
    let folder = folder("wrong-root");
    // The right one, with one byte of a signature changed.
    let text = std::fs::read_to_string(root(15)).unwrap();
    let changed = text.replacen("\"sig\": \"30", "\"sig\": \"31", 9);
    assert_ne!(text, changed);
    let changed = write(&folder, "root.json", changed);
    for command in ["inspect", "pack", "verify"] {
        let arguments = [command, PUBLISHED, "--at", IN_TIME, "--root"];
        refused(1, &[&arguments[..], &[&changed]].concat(), &[PUBLISHED, &changed, "valid signatures"]);
        accepted(&[&arguments[..], &[&root(15)]].concat());
    }
}
