//! Repositories over HTTP.

use std::net::{Ipv4Addr, TcpListener};

use trustwright_trust::tuf::Archive;

use crate::fixture::{IN_TIME, PUBLISHED, accepted, files, refused, root, serve};

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn a_mirror_packs_to_the_same_manifest() {
    let url = serve(files(PUBLISHED.as_ref()));
    let pack = |source: &str| accepted(&["pack", source, "--root", &root(5), "--at", IN_TIME]).out;
    let expected = pack(PUBLISHED);
    assert_eq!(pack(&url), expected);
    assert_eq!(pack(&format!("{url}/")), expected);
    let text = accepted(&["inspect", &url, "--at", IN_TIME]).out;
    assert!(text.starts_with(&format!("Source:      mirror {url}\n")), "{text}");
    assert!(text.contains("root version 5, from the source itself: trust on first use"), "{text}");
    accepted(&["verify", &url, "--at", IN_TIME, "--root", &root(15), "--min", "timestamp=6d"]);
}

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn a_mirror_that_lacks_a_file_is_refused_with_its_name() {
    let whole = files(PUBLISHED.as_ref());
    for missing in ["timestamp.json", "165.snapshot.json", "14.targets.json"] {
        let rest: Archive = whole.files().filter(|(path, _)| *path != missing).collect();
        let url = serve(rest);
        refused(1, &["inspect", &url, "--at", IN_TIME, "--root", &root(8)], &[&url, missing]);
    }
}

#[test]
fn a_mirror_that_is_not_there_is_named() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    refused(1, &["inspect", &url], &[&url, "connection"]);
    let empty = serve(Archive::default());
    refused(1, &["inspect", &empty], &[&empty, "no 1.root.json", "--root"]);
    let portal = serve(Archive::from_iter([("1.root.json", "<!DOCTYPE html><html>Log in</html>")]));
    refused(1, &["inspect", &portal], &[&portal, "1.root.json"]);
}

#[test]
fn a_url_that_no_mirror_has_is_refused_without_quoting_a_password() {
    for (url, word) in [
        ("ftp://tuf.example/", "neither http nor https"),
        ("file:///tmp", "neither http nor https"),
        ("https://", "not a URL"),
        ("https://alice:hunter2@tuf.example/", "holds a user or password"),
        ("https://tuf.example/?token=hunter2", "query"),
        ("http://169.254.169.254/", "link-local"),
    ] {
        let error = refused(1, &["inspect", url], &[word]);
        assert!(!error.contains("hunter2"), "{error}");
    }
}
